"""Contrasts between owners, from a bank of retrained models or from leaving each owner out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from attribution.influence.adapter import Item
from attribution.influence.retraining import TrainingJob
from ledger.errors import InputError

RIDGE: Final = 0.5
Floats = NDArray[np.float64]


def centred(values: Floats) -> Floats:
    """Each owner minus the mean owner: owners x queries, every column summing to zero."""
    centre: Floats = values - values.mean(axis=0, keepdims=True)
    return centre


def owner_sums(scores: Floats, items: Sequence[Item], owners: Sequence[str]) -> Floats:
    """Item scores added up by owner: owners x queries from queries x items."""
    table = np.zeros((len(owners), scores.shape[0]))
    row_of_owner = {owner: number for number, owner in enumerate(owners)}
    for number, item in enumerate(items):
        table[row_of_owner[item.owner]] += scores[:, number]
    return table


def from_bank(jobs: Sequence[TrainingJob], values: Floats, items: Sequence[Item], owners: Sequence[str]) -> Floats:
    """Contrasts by regression of likelihoods on who was present, with a level for every seed.

    `values`: jobs x queries. The small ridge keeps a bank with few models solvable.
    """
    if len(jobs) != len(values):
        raise InputError(f"bank of {len(jobs)} models, but values of {len(values)}")
    absent = [{items[number].owner for number in job.left_out} for job in jobs]
    present = np.array([[owner not in names for owner in owners] for names in absent], dtype=float)
    if (present.min(axis=0) == 1).any():
        missing = owners[int(present.min(axis=0).argmax())]
        raise InputError(f"bank of {len(jobs)} models: {missing} is never left out; add models, three to a block")
    seeds = sorted({job.seed for job in jobs})
    levels = np.array([[float(job.seed == seed) for seed in seeds] for job in jobs])
    design = np.hstack([levels, present - present.mean(axis=0)])
    penalty = np.diag([0.0] * len(seeds) + [RIDGE] * len(owners)) + 1e-9 * np.eye(design.shape[1])
    coefficients: Floats = np.linalg.solve(design.T @ design + penalty, design.T @ values)
    return centred(coefficients[len(seeds) :])


def from_leaving_out(
    jobs: Sequence[TrainingJob], values: Floats, items: Sequence[Item], owners: Sequence[str]
) -> Floats:
    """Contrasts from leave-one-out models, the mean over their seeds: the model with everybody cancels."""
    total = np.zeros((len(owners), values.shape[1]))
    counts = np.zeros(len(owners))
    row_of_owner = {owner: number for number, owner in enumerate(owners)}
    for job, row in zip(jobs, values, strict=True):
        number = row_of_owner[items[job.left_out[0]].owner]
        total[number] -= row
        counts[number] += 1
    if (counts != counts[0]).any() or counts[0] == 0:
        raise InputError("leave-one-out models: every owner is left out equally often, at least once")
    return centred(total / counts[:, None])


def split_half(
    jobs: Sequence[TrainingJob], values: Floats, items: Sequence[Item], owners: Sequence[str]
) -> tuple[float, Floats, Floats]:
    """How far a bank agrees with itself: correlation of its two halves by seed, and both halves' contrasts."""
    seeds = sorted({job.seed for job in jobs})
    first = {seed for number, seed in enumerate(seeds) if number % 2 == 0}
    picks = [[n for n, job in enumerate(jobs) if (job.seed in first) == in_first] for in_first in (True, False)]
    halves = [from_bank([jobs[n] for n in pick], values[pick], items, owners) for pick in picks]
    return correlation(halves[0], halves[1]), halves[0], halves[1]


def correlation(left: Floats, right: Floats) -> float:
    """Pooled correlation of two tables; 0 where one of them does not vary."""
    a, b = left.ravel() - left.mean(), right.ravel() - right.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / scale) if scale > 0 else 0.0


def like_style(table: Floats, members: Sequence[int], queries: Sequence[int]) -> Floats:
    """The part of a table for owners of one style and tracks nearest to them, centred among themselves."""
    return centred(table[np.ix_(list(members), list(queries))])
