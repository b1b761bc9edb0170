"""Comparisons of rules: known spreads, reproducible draws, attacks that cost what they should."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.types import MILLION
from payouts.compute import compute
from payouts.rules.user_centric import UserCentric
from payouts.simulation.simulate import Draws, attack, concentration, moved, resampled, sensitivity
from tests.payouts.worlds import digest, inputs, plays, sole, vector

amounts = st.lists(st.integers(0, 10**15), max_size=30)


@given(amounts)
def test_gini_is_the_mean_difference(given_amounts: list[int]) -> None:
    """If this fails, the Gini coefficient is not half the mean difference over the mean."""
    found = concentration(given_amounts)
    total, count = sum(given_amounts), len(given_amounts)
    differences = sum(abs(a - b) for a in given_amounts for b in given_amounts)
    exact = Fraction(differences, 2 * count * total) if total else Fraction(0)
    assert found.gini_ppm == int(exact * MILLION)


@given(amounts)
def test_a_lorenz_curve_rises_from_nothing_to_everything_below_the_diagonal(given_amounts: list[int]) -> None:
    """If this fails, the curve is not one."""
    curve = concentration(given_amounts).lorenz
    assert (len(curve), curve[0], curve[-1]) == (101, 0, MILLION)
    assert list(curve) == sorted(curve)
    assert all(point <= MILLION * n // 100 for n, point in enumerate(curve))


@pytest.mark.parametrize(
    ("given_amounts", "gini", "top1"),
    [([5, 5, 5, 5], 0, 250_000), ([0, 0, 0, 8], 750_000, MILLION), ([1, 3], 250_000, 750_000), ([], 0, 0)],
)
def test_known_spreads(given_amounts: list[int], gini: int, top1: int) -> None:
    """If this fails, equality or its opposite is reported wrongly."""
    found = concentration(given_amounts)
    assert (found.gini_ppm, found.top1_ppm) == (gini, top1)


def test_winners_and_losers() -> None:
    """If this fails, a comparison names the wrong people."""
    found = moved({"a": 5, "b": 5, "c": 1}, {"a": 2, "b": 8, "d": 1, "c": 1})
    assert (found.winners, found.losers, found.changes) == (2, 1, (("a", -3), ("b", 3), ("d", 1)))
    assert found.moved_micros == 3


def test_draws_are_the_same_everywhere_and_uniform_enough() -> None:
    """If this fails, nobody else can repeat a simulation, or an end of an interval is never drawn."""
    draws = Draws(b"seed")
    first = [draws.between(1, 6) for _ in range(600)]
    assert first[:8] == [Draws(b"seed").between(1, 6), *first[1:8]]
    assert set(first) == {1, 2, 3, 4, 5, 6}
    assert min(first.count(face) for face in range(1, 7)) > 60


@given(st.binary(max_size=4))
def test_a_resampled_vector_is_a_vector(seed: bytes) -> None:
    """If this fails, noise makes influence from nothing or leaves an aspect that does not sum."""
    made = resampled(vector("t", {"a": 700_000, "b": 300_000}), Draws(seed)).recording
    assert sum(source.ppm for source in made.sources) + made.unattributed == MILLION
    assert all(source.low <= source.ppm <= source.high for source in made.sources)


def test_noise_moves_money_within_ranges_that_hold_the_estimate() -> None:
    """If this fails, an estimate is reported as certain, or its range leaves it out."""
    pool = inputs(sole("a", "b"), [plays("t", 3)], [vector("t", {"a": 500_000, "b": 500_000})])
    outcome = compute(pool)
    found = sensitivity(pool, outcome, seed=b"s", draws=8)
    assert found == sensitivity(pool, outcome, seed=b"s", draws=8)
    assert found.moved_ppm > 0
    paid = outcome.allocated_by_party()
    assert all(low < paid[party] < high for party, low, high in found.ranges)


def test_made_up_streams_pay_less_where_a_listener_counts_once() -> None:
    """If this fails, the comparison hides that pro-rata rewards a loop and user-centric does not."""
    vectors = [vector("t", {"a": MILLION}), vector("u", {"b": MILLION})]
    usage = [plays("t", 1, listener="l0")] + [plays("u", 10, listener=f"l{n}") for n in range(1, 10)]
    gains = []
    for rule in (None, UserCentric()):
        pool = inputs(sole("a", "b"), usage, vectors, rule=rule)
        found = attack(pool, compute(pool), units=10_000)
        assert found is not None
        assert (found.track, found.party) == ("t", "p-a")
        gains.append(found.gain_ppm_of_pool)
    assert gains[0] > 900_000
    assert gains[1] < 100_000


def test_nothing_played_cannot_be_attacked() -> None:
    """If this fails, an empty month cannot be simulated."""
    pool = inputs(sole("a"), [plays("t", 1, vector=None)])
    assert attack(pool, compute(pool), units=5) is None
    assert digest("t") not in pool.vectors
