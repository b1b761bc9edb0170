"""Turn influence into shares: base plus contrast, clipping, and the unattributed part.

An owner's worth for a track is phi = c * g * n / N + beta. `g` is what training on everybody gained,
n / N the owner's part of the works (a cluster of duplicates is one work), beta the owner's contrast and
`c` a term of the contract. Base and contrast are kept apart, so that any `c` can be recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.influence.adapter import Item
from ledger.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Division:
    """Return shares by owner (owners x queries; a column sums to 1 or is zero), and the clipped part."""

    shares: Floats
    clipped: Floats


def clusters(items: Sequence[Item]) -> list[int]:
    """A number for each item; items of the same content have the same."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(item.sha256, len(numbers)) for item in items]


def item_sizes(cluster_of: Sequence[int]) -> Floats:
    """What each item counts: one work divided among the copies in its cluster."""
    counts = np.bincount(np.asarray(cluster_of))
    return np.asarray(1.0 / counts[np.asarray(cluster_of)])


def owner_sizes(items: Sequence[Item], owners: Sequence[str], cluster_of: Sequence[int] | None = None) -> Floats:
    """Each owner's part of the works, duplicates counted once and divided inside; the parts sum to 1."""
    sizes = item_sizes(clusters(items) if cluster_of is None else cluster_of)
    row_of_owner = {owner: number for number, owner in enumerate(owners)}
    parts = np.zeros(len(owners))
    for item, size in zip(items, sizes, strict=True):
        parts[row_of_owner[item.owner]] += size
    normalised: Floats = parts / parts.sum()
    return normalised


def worth(beta: Floats, gain: Floats, sizes: Floats, c: float) -> Floats:
    """phi: owners x queries. At c = 1 a column sums to the gain."""
    if not 0 <= c <= 1:
        raise InputError(f"c is {c}, expected 0 to 1: the part of the gain that owners share by size")
    return c * gain[None, :] * sizes[:, None] + beta


def divide(beta: Floats, gain: Floats, sizes: Floats, c: float) -> Division:
    """The shares of each query, and how much of its money the clipping of negative worth moved."""
    phi = worth(beta, gain, sizes, c)
    positive, lost = np.maximum(phi, 0.0), np.maximum(-phi, 0.0).sum(axis=0)
    total = positive.sum(axis=0)
    shares = np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)
    clipped = np.divide(lost, total, out=np.ones_like(total), where=total > 0)
    return Division(shares, np.minimum(clipped, 1.0))


def within_owner(share: float, base: Floats, beta: float, scores: Floats) -> Floats:
    """An owner's share of one query among its recordings.

    The base part goes by `base` (c * g * size / N of each recording). A positive contrast goes by the
    recordings' positive scores, or by base where none has any. The parts sum to `share`.
    """
    positive = np.maximum(scores, 0.0)
    by = positive if positive.sum() > 0 else base
    weights = base + (max(beta, 0.0) * by / by.sum() if by.sum() > 0 else 0.0)
    if weights.sum() <= 0:
        weights = np.ones(len(base))
    parts: Floats = share * weights / weights.sum()
    return parts


def distance(left: Floats, right: Floats) -> float:
    """Mean over queries of the L1 distance between two tables of shares: 0 to 2."""
    return float(np.abs(left - right).sum(axis=0).mean())


def skill(estimate: Floats, truth: Floats, sizes: Floats, floor: float) -> float:
    """0 for paying by size, 1 for being as near to the truth as its own noise allows; never above 1."""
    by_size = distance(np.broadcast_to(sizes[:, None], truth.shape), truth)
    if by_size <= floor:
        return 0.0
    return float(np.clip((by_size - distance(estimate, truth)) / (by_size - floor), -1.0, 1.0))
