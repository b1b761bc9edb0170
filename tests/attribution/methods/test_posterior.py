"""The posterior over sources and "none", and how its odds are fitted."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from attribution.index.evidence import Evidence
from attribution.methods.posterior import Odds, fit, posterior, shares


def evidence(table: list[list[list[float]]], loud: list[bool] | None = None) -> Evidence:
    rows = np.array(table, np.float32)
    flags = np.ones(len(rows), np.bool_) if loud is None else np.array(loud)
    return Evidence(rows=np.arange(rows.shape[1]), table=rows, loud=flags, marks=(), lines=())


def test_odds_are_weighed_against_none() -> None:
    """If this fails, a share is not the chance that its channels' odds give."""
    odds = Odds(slopes=(2.0, 1.0), bias=-1.0)
    found = posterior(evidence([[[1.0, 0.5], [0.25, 0.0]]]), odds)[0]
    one, other = exp(2 * 1 + 0.5 - 1), exp(2 * 0.25 - 1)
    assert found == pytest.approx([one / (1 + one + other), other / (1 + one + other)])


def test_overwhelming_odds_are_no_overflow() -> None:
    """If this fails, a certain source is not a number, and neither is what it is paid."""
    certain = posterior(evidence([[[1.0], [0.0]], [[-1.0], [-1.0]]]), Odds(slopes=(5000.0,), bias=0.0))
    assert certain[0] == pytest.approx([1.0, 0.0])
    assert certain[1] == pytest.approx([0.0, 0.0])


def test_shares_are_means_over_the_whole_track() -> None:
    """If this fails, a source is paid for silence, or a short track has no shares at all."""
    odds = Odds(slopes=(1.0,), bias=0.0)
    assert shares(evidence([[[0.0]], [[9.0]]], loud=[True, False]), odds) == pytest.approx([0.25])
    assert shares(evidence([[]]), odds).tolist() == []
    assert shares(
        Evidence(
            rows=np.arange(2), table=np.zeros((0, 2, 1), np.float32), loud=np.zeros(0, np.bool_), marks=(), lines=()
        ),
        odds,
    ).tolist() == [0.0, 0.0]


def test_the_last_bit_of_a_similarity_decides_nothing() -> None:
    """If this fails, two machines whose sums differ in the last bit sign different vectors."""
    odds = Odds(slopes=(40.0,), bias=-32.0)
    near = np.nextafter(np.float32(0.8), np.float32(1))
    assert (posterior(evidence([[[0.8]]]), odds) == posterior(evidence([[[float(near)]]]), odds)).all()


def test_fitted_odds_find_the_channel_that_tells_the_truth() -> None:
    """If this fails, the shipped odds trust a channel that says nothing, or one that may not speak."""
    rng = np.random.default_rng(5)
    samples = []
    for number in range(6):
        rows = rng.uniform(0, 0.2, (2, 3, 3))
        truth = np.zeros(3)
        if number % 3:
            truth[number % 3] = 1.0
            rows[:, number % 3, [0, 2]] = 0.9
        samples.append((evidence(rows.tolist()), truth))
    odds = fit(samples, (True, True, False), steps=60)
    assert odds.slopes[0] > max(4, odds.slopes[1])
    assert odds.slopes[2] == 0
    assert odds.bias < -1
    found = [shares(sample, odds) for sample, _ in samples]
    assert max(np.abs(values - truth).max() for values, (_, truth) in zip(found, samples, strict=True)) < 0.25
    assert fit(samples, (True, True, False), steps=5) == fit(samples, (True, True, False), steps=5)
