"""Accounts: nothing appears, nothing is lost, nothing below the minimum leaves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from payouts.accounts.account import Account, Correction, accounts
from payouts.money import SCALES

PARTIES = st.sampled_from(("ann", "bob", "cy"))
MICROS = st.integers(-(10**12), 10**12)
CORRECTIONS = st.lists(
    st.builds(
        Correction,
        id=st.uuids().map(str),
        kind=st.just("adjustment"),
        party=PARTIES,
        micros=MICROS,
        run=st.just("r"),
        reason=st.just("because"),
    ),
    max_size=6,
)


@given(
    currency=st.sampled_from(("EUR", "JPY", "KWD")),
    minimum=st.integers(0, 10**9),
    opening=st.dictionaries(PARTIES, MICROS),
    earned=st.dictionaries(PARTIES, st.integers(0, 10**12)),
    corrections=CORRECTIONS,
)
def test_every_micro_is_paid_or_carried(
    currency: str, minimum: int, opening: dict[str, int], earned: dict[str, int], corrections: list[Correction]
) -> None:
    """If this fails, an account loses or invents money, or pays less than its minimum or part of a coin."""
    found = accounts(currency=currency, minimum=minimum, opening=opening, earned=earned, corrections=iter(corrections))
    assert [one.party for one in found] == sorted({one.party for one in found})
    unit = 10 ** (6 - SCALES[currency])
    for one in found:
        balance = one.opening + one.earned + one.corrected
        assert balance == one.payable + one.carried
        assert one.payable % unit == 0
        assert one.payable >= 0
        assert one.payable == 0 or balance >= max(minimum, 1)
        assert one.carried < max(minimum, unit, 1)
        assert Account.from_payload(one.payload()) == one
    total = sum(opening.values()) + sum(earned.values()) + sum(one.micros for one in corrections)
    assert sum(one.payable + one.carried for one in found) == total


@given(CORRECTIONS, st.randoms())
def test_order_leaves_no_trace(corrections: list[Correction], random: object) -> None:
    """If this fails, the same corrections in another order make other bytes."""
    shuffled = list(corrections)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its randoms loosely
    one, other = (
        accounts(currency="EUR", minimum=0, opening={}, earned={}, corrections=given_)
        for given_ in (corrections, shuffled)
    )
    assert one == other
