"""From a run to a posting: what carries over, and what is refused before anything is signed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from contracts.address import checksum, parse_address
from contracts.errors import ChainStateError, PostingError
from contracts.posting import Pool, PostedPayment, Posting, PublishedRun, next_posting, payee_salt
from tests.contracts.rows import POOL as HERE

TOKEN = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
POOL = Pool(chain_id=31337, address=HERE, token=TOKEN, currency="EUR", decimals=6, window=0, block=1)


def account(n: int) -> str:
    return checksum(n.to_bytes(20, "big"))


def run(*payments: tuple[str, str | None, int], **changes: Any) -> PublishedRun:
    made = PublishedRun(
        run="run-1",
        published=True,
        period="2026-06",
        period_root="11" * 32,
        ledger_root="22" * 32,
        ledger_size=100,
        currency="EUR",
        payments=tuple(PostedPayment(party=party, account=where, micros=micros) for party, where, micros in payments),
    )
    return replace(made, **changes)


def post(given_run: PublishedRun, previous: Posting | None = None, pool: Pool = POOL) -> Posting:
    sequence = previous.sequence + 1 if previous else 1
    return next_posting(pool, given_run, previous, sequence=sequence, salt=lambda party: payee_salt(b"secret", party))


def test_what_is_owed_adds_up_over_runs() -> None:
    """If this fails, a payee loses what an earlier run owed it, or is owed it twice."""
    first = post(run(("ann", account(1), 100), ("bob", account(2), 50)))
    second = post(run(("ann", account(9), 11), ("cy", account(3), 7)), first)
    assert [(leaf.party, leaf.account, leaf.cumulative) for leaf in second.leaves] == [
        ("ann", account(9), 111),
        ("bob", account(2), 50),
        ("cy", account(3), 7),
    ]
    assert second.total == 168
    assert {leaf.payee_id for leaf in first.leaves} < {leaf.payee_id for leaf in second.leaves}


def test_a_posting_reads_back_as_it_was_kept() -> None:
    """If this fails, a root in the store no longer comes from the leaves beside it."""
    made = post(run(("ann", account(1), 100), ("bob", account(2), 50)))
    read = Posting.from_json(made.as_json(), POOL)
    assert read == made
    assert read.tree.root == made.tree.root


BAD: dict[str, tuple[PublishedRun, str]] = {
    "a payee without an account": (run(("ann", None, 5)), "ann has no account"),
    "a zero address": (run(("ann", "0x" + 40 * "0", 5)), "zero address"),
    "a mistyped address": (run(("ann", HERE.replace("5F", "5f"), 5)), "check sum"),
    "no address at all": (run(("ann", "SE45 5000", 5)), "40 hex digits"),
    "the pool itself": (run(("ann", HERE, 5)), "is the pool itself"),
    "the token itself": (run(("ann", TOKEN, 5)), "is the token itself"),
    "a payee twice": (run(("ann", account(1), 5), ("ann", account(1), 6)), "ann stands in it 2 times"),
    "a total that falls": (run(("ann", account(1), -5)), "owed fall"),
    "nobody": (run(), "pays nobody"),
    "another currency": (run(("ann", account(1), 5), currency="USD"), "pays in USD"),
    "more than an amount holds": (run(("ann", account(1), 2**96)), "passes 2\\^96"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name(name: str) -> None:
    """If this fails, a mistake in a run reaches the signature."""
    bad, why = BAD[name]
    with pytest.raises(PostingError, match=why):
        post(bad)


def test_a_run_that_is_not_published_is_refused() -> None:
    """If this fails, a run that nobody approved can be paid."""
    with pytest.raises(ChainStateError, match="not published"):
        post(run(("ann", account(1), 5), published=False))


def test_a_ledger_that_went_back_is_refused() -> None:
    """If this fails, a posting anchors a ledger older than the last one's."""
    first = post(run(("ann", account(1), 5)))
    with pytest.raises(PostingError, match="the last posting's had 100"):
        post(run(("ann", account(1), 5), ledger_size=99), first)


def test_all_that_is_wrong_is_said_at_once() -> None:
    """If this fails, finance finds the mistakes of a run one by one."""
    with pytest.raises(PostingError) as refusal:
        post(run(("ann", None, 5), ("bob", "0x12", 5), ("cy", account(3), -1), currency="USD"))
    assert all(word in str(refusal.value) for word in ("USD", "ann", "bob", "cy"))


@pytest.mark.parametrize(("decimals", "micros", "units"), [(6, 7, 7), (18, 7, 7 * 10**12), (2, 70_000, 7), (8, 7, 700)])
def test_micros_become_base_units_exactly(decimals: int, micros: int, units: int) -> None:
    """If this fails, tokens with other decimals are paid the wrong sum."""
    pool = replace(POOL, decimals=decimals)
    assert post(run(("ann", account(1), micros)), pool=pool).total == units


def test_what_a_token_cannot_express_is_refused() -> None:
    """If this fails, money is rounded on its way to a chain."""
    with pytest.raises(PostingError, match="only 2 decimals"):
        post(run(("ann", account(1), 70_001)), pool=replace(POOL, decimals=2))


@given(st.binary(min_size=20, max_size=20))
def test_addresses_are_spelled_as_everybody_spells_them(raw: bytes) -> None:
    """If this fails, our addresses are taken for mistyped ones elsewhere."""
    assert checksum(raw) == to_checksum_address(raw)
    if any(raw):
        assert parse_address("0x" + raw.hex()) == parse_address(checksum(raw)) == checksum(raw)
