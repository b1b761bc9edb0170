"""The figures by which methods are compared, on answers that can be counted by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.lab.evaluate import (
    bootstrap,
    calibration_error,
    conformal,
    ranked,
    top_hits,
    weight_error,
    whole_error,
)


def test_ranks_go_by_share_then_by_name() -> None:
    """If this fails, two runs of one benchmark rank equal shares differently, or count an empty share as an answer."""
    assert ranked({"b": 0.2, "a": 0.2, "c": 0.5, "d": 0.0}) == ["c", "a", "b"]


def test_hits_count_true_sources_of_as_many_as_there_can_be() -> None:
    """If this fails, a method is praised or blamed for the number of sources that a track has."""
    truth = {"a": 0.5, "b": 0.3}
    assert top_hits({"a": 0.9, "x": 0.5, "y": 0.4, "b": 0.1}, truth) == 0.5
    assert top_hits({"a": 0.9, "b": 0.1}, truth) == 1.0
    assert top_hits({"a": 0.9, "x": 0.8, "b": 0.1}, truth, count=1) == 1.0
    five = dict.fromkeys("abcde", 0.2)
    assert top_hits({"a": 0.9, "b": 0.8, "x": 0.1}, five) == pytest.approx(2 / 3)


def test_weights_are_compared_on_one_scale() -> None:
    """If this fails, a method that claims less of a track is blamed for weights that are right."""
    truth = {"a": 0.6, "b": 0.2}
    assert weight_error({"a": 0.3, "b": 0.1}, truth) == pytest.approx(0)
    assert weight_error({"x": 0.5}, truth) == pytest.approx(1)
    assert weight_error({"a": 0.4, "b": 0.4}, truth) == pytest.approx(0.25)
    assert weight_error({}, truth) == 1.0


def test_the_whole_track_counts_what_is_claimed_too_much_or_too_little() -> None:
    """If this fails, a method that attributes nothing, or everything, has no error."""
    truth = {"a": 0.6, "b": 0.2}
    assert whole_error(truth, truth) == 0
    assert whole_error({}, truth) == pytest.approx(0.8)
    assert whole_error({"a": 0.6, "b": 0.2, "x": 0.2}, truth) == pytest.approx(0.2)
    assert whole_error({"a": 0.3, "b": 0.5}, truth) == pytest.approx(0.3)


@given(values=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_a_bootstrap_interval_lies_around_its_mean(values: list[float]) -> None:
    """If this fails, a printed interval does not contain the figure beside it."""
    interval = bootstrap(values, rounds=50)
    assert interval.n == len(values)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.mean == pytest.approx(sum(values) / len(values))
    assert bootstrap(values, rounds=50) == interval


def test_a_bootstrap_says_its_interval_in_words() -> None:
    """If this fails, the tables of the benchmarks show other figures than were measured."""
    assert str(bootstrap([0.25, 0.25])) == "0.25 (0.25-0.25)"
    assert math.isnan(bootstrap([]).mean)
    wide = bootstrap([0.0, 1.0] * 50, seed=3)
    assert (round(wide.low, 1), round(wide.high, 1)) == (0.4, 0.6)


def test_calibration_error_weighs_each_bin_by_its_answers() -> None:
    """If this fails, confidence that is wrong in most answers looks like a small error."""
    assert calibration_error([0.05] * 4, [False] * 4) == pytest.approx(0.05)
    assert calibration_error([1.0, 1.0], [True, False]) == pytest.approx(0.5)
    assert calibration_error([0.9, 0.9, 0.9, 0.1], [True, True, False, False]) == pytest.approx(
        0.75 * (0.9 - 2 / 3) + 0.25 * 0.1
    )


def test_a_conformal_width_covers_as_many_as_promised() -> None:
    """If this fails, intervals that are said to hold nine times in ten hold less often."""
    residuals = [n / 100 for n in range(19)]
    assert conformal(residuals, 0.9) == pytest.approx(0.17)
    assert conformal(residuals, 0.5) == pytest.approx(0.09)
    assert conformal(residuals[:3], 0.9) == 1.0
    assert conformal([], 0.9) == 1.0
    assert conformal([-0.2, -0.1, -0.3], 0.5) == 0.0
