"""Thresholds are eligibility: where what is below goes is a term, and groups are judged whole."""

from __future__ import annotations

import pytest

from payouts.compute import compute
from payouts.rules.base import WHOLE, Split
from payouts.rules.thresholded import Thresholded
from tests.payouts.worlds import inputs, plays, sole, vector

PERCENT = WHOLE // 100


def test_small_influences_become_unattributed_or_go_to_the_rest() -> None:
    """If this fails, money below the threshold goes where nobody said."""
    masses = (60 * PERCENT, 20 * PERCENT, 4 * PERCENT)
    apart = Thresholded(min_influence=50_000).kernel(masses)
    assert apart == Split((60 * PERCENT, 20 * PERCENT, 0), WHOLE)
    assert Thresholded(min_influence=40_000).kernel(masses) == Split(masses, WHOLE)
    spread = Thresholded(min_influence=50_000, below="redistribute").kernel(masses)
    assert spread.numerators[0] * 4 == spread.denominator * 84 // 100 * 3
    assert sum(spread.numerators) * 100 == spread.denominator * 84


def test_nobody_above_leaves_it_unattributed() -> None:
    """If this fails, redistribution divides by zero or invents a payee."""
    assert Thresholded(min_influence=500_000, below="redistribute").kernel((PERCENT,)) == Split((0,), WHOLE)


def test_a_group_is_judged_by_all_it_holds() -> None:
    """If this fails, a catalogue split over many recordings falls below the threshold."""
    world = sole("a", "b")
    world.groups = {"p-a": "g", "p-b": "g"}
    made = [vector("t", {"a": 30_000, "b": 30_000})]
    outcome = compute(inputs(world, [plays("t", 1)], made, rule=Thresholded(min_influence=50_000), micros=100))
    assert outcome.allocated == 6


@pytest.mark.parametrize(("units", "paid"), [(999, 0), (1000, 1000)])
def test_the_stream_threshold_is_inclusive_and_counts_all_rows(units: int, paid: int) -> None:
    """If this fails, a track is judged row by row, or a thousand streams are not enough."""
    usage = [plays("t", units - 500), plays("t", 500, territory="NO")]
    made = [vector("t", {"a": 1_000_000})]
    outcome = compute(inputs(sole("a"), usage, made, rule=Thresholded(min_streams=1000), micros=1000))
    assert outcome.allocated == paid
    assert outcome.unattributed == 1000 - paid
