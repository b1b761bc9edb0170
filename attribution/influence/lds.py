"""The linear datamodelling score: do item scores, added over a random half, predict the model trained on it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from attribution.influence.retraining import TrainingJob
from ledger.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lds:
    """The score, its 95 % bootstrap interval over subsets, and the most that the truth's seed noise allows."""

    score: float
    low: float
    high: float
    ceiling: float
    subsets: int
    seeds: int


def measure(scores: Floats, jobs: Sequence[TrainingJob], values: Floats, *, seed: int = 0, rounds: int = 200) -> Lds:
    """`scores`: queries x items. `values`: jobs x queries, each subset with the same number of seeds."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, job in enumerate(jobs):
        groups.setdefault(job.left_out, []).append(number)
    seeds = len(next(iter(groups.values()), []))
    if len(groups) < 3 or any(len(rows) != seeds for rows in groups.values()):
        raise InputError(f"LDS over {len(groups)} subsets: at least 3 are needed, with equally many seeds each")
    present = np.ones((len(groups), scores.shape[1]))
    for row, left_out in enumerate(groups):
        present[row, list(left_out)] = 0
    truth = np.stack([values[rows].mean(axis=0) for rows in groups.values()])
    predicted = present @ scores.T
    generator = np.random.default_rng(seed)
    picks = [generator.integers(0, len(groups), len(groups)) for _ in range(rounds)]
    spread = [spearman(predicted[pick], truth[pick]) for pick in picks]
    low, high = np.quantile(spread, [0.025, 0.975])
    ceiling = float("nan")
    if seeds >= 2:
        halves = [np.stack([values[rows[n]] for rows in groups.values()]) for n in (0, 1)]
        between = max(spearman(halves[0], halves[1]), 0.0)
        ceiling = float(np.sqrt(seeds * between / (1 + (seeds - 1) * between)))
    return Lds(spearman(predicted, truth), float(low), float(high), ceiling, len(groups), seeds)


def spearman(left: Floats, right: Floats) -> float:
    """The rank correlation along the first axis, averaged over the columns; a column without order counts 0."""
    a, b = (rankdata(table, axis=0) - (len(table) + 1) / 2 for table in (left, right))
    scale = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    return float(np.divide((a * b).sum(axis=0), scale, out=np.zeros(a.shape[1]), where=scale > 0).mean())
