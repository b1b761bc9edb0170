"""The cap: one level for all below it, nothing lost, and no order."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from payouts.division.waterfill import Level, fill

weights = st.dictionaries(st.text(max_size=3), st.integers(1, 10**20) | st.integers(1, 9), max_size=8)
amounts = st.integers(1, 10**15) | st.integers(1, 30)


def owed(level: Level, of: dict[str, int]) -> dict[str, Fraction]:
    return {name: Fraction(level.owed(weight), level.denominator) for name, weight in of.items()}


@given(weights, st.integers(0, 10**20), amounts, st.none() | amounts)
def test_everything_is_accounted_for(of: dict[str, int], nobody: int, pool: int, cap: int | None) -> None:
    """If this fails, capping makes or loses money."""
    level = fill(of, nobody, pool, cap)
    rest = Fraction(level.unattributed + level.reserve, level.denominator)
    assert sum(owed(level, of).values(), Fraction(0)) + rest == pool


@given(weights.filter(bool), st.integers(0, 10**20), amounts, amounts)
def test_one_level_for_all_below_the_cap(of: dict[str, int], nobody: int, pool: int, cap: int) -> None:
    """If this fails, a group is paid at another rate than its peers, or past its cap, or money lies idle."""
    level = fill(of, nobody, pool, cap)
    paid = owed(level, of)
    rates = {paid[name] / weight for name, weight in of.items() if paid[name] < cap}
    assert len(rates) <= 1
    assert max(paid.values()) <= cap
    for name, weight in of.items():
        assert paid[name] == cap or paid[name] == max(rates) * weight
        assert paid[name] < cap or not rates or cap <= max(rates) * weight
    if level.reserve:
        assert all(amount == cap for amount in paid.values())
    assert Fraction(level.unattributed, level.denominator) == Fraction(pool * nobody, sum(of.values()) + nobody)


@given(weights.filter(bool), amounts, amounts)
def test_taking_a_group_out_with_its_pay_changes_nobody(of: dict[str, int], pool: int, cap: int) -> None:
    """If this fails, what a group gets depends on who else is settled with it, beyond the money they share."""
    paid = owed(fill(of, 0, pool, cap), of)
    gone = min(of)
    rest = {name: weight for name, weight in of.items() if name != gone}
    left = pool - paid[gone]
    scale = left.denominator
    again = owed(fill(rest, 0, left.numerator, cap * scale), rest) if rest and left else {}
    assert {name: amount / scale for name, amount in again.items()} == {name: paid[name] for name in again}


@given(weights.filter(bool), amounts, amounts)
def test_more_money_takes_from_nobody(of: dict[str, int], pool: int, cap: int) -> None:
    """If this fails, a larger pool at the same cap makes somebody poorer before rounding."""
    less, more = owed(fill(of, 0, pool, cap), of), owed(fill(of, 0, pool + 1, cap), of)
    assert all(less[name] <= more[name] for name in of)


def test_what_a_cap_takes_goes_to_those_below_it_not_to_nobody() -> None:
    """If this fails, capping one group also cuts the others, or what is unattributed grows."""
    level = fill({"a": 6, "b": 2}, 2, 100, 50)
    assert owed(level, {"a": 6, "b": 2}) == {"a": 50, "b": 30}
    assert Fraction(level.unattributed, level.denominator) == 20
    assert level.reserve == 0


def test_floored_caps_can_leave_a_residual() -> None:
    """If this fails, what floor(10 / 3) times three groups leaves over goes to somebody instead of the reserve."""
    level = fill({"a": 1, "b": 1, "c": 1}, 0, 10, 10 * 333_333 // 1_000_000)
    assert owed(level, {"a": 1}) == {"a": 3}
    assert Fraction(level.reserve, level.denominator) == 1


def test_an_empty_pool_goes_back_whole() -> None:
    """If this fails, a period without usage breaks, or pays somebody."""
    assert Fraction(fill({}, 0, 100, None).unattributed, 1) == 100
    assert Fraction(fill({}, 7, 100, 10).unattributed, 7) == 100


def test_the_level_has_one_form() -> None:
    """If this fails, a published run, whose digest covers its level, is not found again when it is recomputed."""
    assert fill({}, 0, 100, 7) == Level(cap=7, numerator=0, denominator=1, unattributed=100, reserve=0)
    assert fill({"a": 3}, 1, 100, 75) == Level(cap=75, numerator=100, denominator=4, unattributed=100, reserve=0)
    assert fill({"a": 6, "b": 2}, 2, 100, 40) == Level(
        cap=40, numerator=400, denominator=20, unattributed=400, reserve=0
    )
    assert fill({}, 4, 1000, 1) == Level(cap=1, numerator=1000, denominator=4, unattributed=4000, reserve=0)
