"""Largest remainder: sums, quota, ties, and the paradox that is allowed."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.allocate import Cutoff, divide, round_shares, tie_break

SALT = b"salt"
weights = st.dictionaries(st.text(max_size=4), st.integers(0, 10**30), min_size=1, max_size=12).filter(
    lambda drawn: any(drawn.values())
)


@given(weights, st.integers(0, 10**24))
def test_the_parts_sum_and_keep_quota(given_weights: dict[str, int], total: int) -> None:
    """If this fails, money is made or lost, or a part is a whole unit away from its exact amount."""
    parts = divide(total, given_weights, salt=SALT)
    assert sum(parts.values()) == total
    whole = sum(given_weights.values())
    for name, weight in given_weights.items():
        assert abs(Fraction(total * weight, whole) - parts[name]) < 1
        assert weight or parts[name] == 0


@given(weights, st.integers(0, 10**6), st.randoms())
def test_order_does_not_matter(given_weights: dict[str, int], total: int, random: object) -> None:
    """If this fails, the same holders in another order are paid differently."""
    shuffled = list(given_weights.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert divide(total, dict(shuffled), salt=SALT) == divide(total, given_weights, salt=SALT)


def test_leftovers_go_to_the_largest_remainders() -> None:
    """If this fails, the rule is another one: floor-then-listed-order would give 7500 and 2499."""
    assert divide(9999, {"a": 75, "b": 25}, salt=SALT) == {"a": 7499, "b": 2500}


def test_ties_follow_the_hash_not_the_name() -> None:
    """If this fails, a low id is worth money."""
    names = [f"p-{n}" for n in range(9)]
    parts = divide(4, dict.fromkeys(names, 1), salt=SALT)
    first_four = sorted(names, key=lambda name: hashlib.sha256(SALT + name.encode()).digest())[:4]
    assert {name for name, part in parts.items() if part} == set(first_four)
    assert parts != divide(4, dict.fromkeys(names, 1), salt=b"another period")
    _, cutoff = round_shares(names, [4] * 9, 9, salt=SALT)
    assert cutoff == Cutoff(4, tie_break(SALT, first_four[-1]))


def test_the_alabama_paradox_is_allowed() -> None:
    """If this fails, the routine is not largest remainder; quota is promised, house monotonicity is not."""
    three = {"a": 1, "b": 3, "c": 3}
    assert divide(3, three, salt=SALT) == {"a": 1, "b": 1, "c": 1}
    assert divide(4, three, salt=SALT) == {"a": 0, "b": 2, "c": 2}


@given(weights, st.integers(0, 10**6))
def test_the_cut_off_tells_each_name_alone_whether_it_got_a_unit(given_weights: dict[str, int], total: int) -> None:
    """If this fails, a holder cannot check its own line without everybody else's."""
    names, whole = list(given_weights), sum(given_weights.values())
    shares = [total * weight for weight in given_weights.values()]
    parts, cutoff = round_shares(names, shares, whole, salt=SALT)
    for name, share, part in zip(names, shares, parts, strict=True):
        floor, remainder = divmod(share, whole)
        admitted = cutoff is not None and remainder > 0 and cutoff.admits(remainder, SALT, name)
        assert part == floor + admitted


def test_shares_that_cannot_sum_are_a_defect() -> None:
    """If this fails, a fraction of a unit can vanish without a trace."""
    with pytest.raises(ValueError, match="not an integer"):
        round_shares(["a"], [1], 2, salt=SALT)
    with pytest.raises(ValueError, match="more than zero"):
        divide(1, {"a": 0}, salt=SALT)


def test_tie_break_is_sha256_of_salt_and_name() -> None:
    """If this fails, an outsider cannot recompute who came first among equals."""
    assert tie_break(b"r", "g").hex() == hashlib.sha256(b"rg").hexdigest()
