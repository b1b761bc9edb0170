"""Evaluate a method: hits, weight error, calibration, coverage, false attribution. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean with the 95 % interval of its bootstrap over queries."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} ({self.low:.2f}-{self.high:.2f})"


def ranked(shares: Mapping[str, float]) -> list[str]:
    """Names by share, largest first, ties by name; zero shares are no answer."""
    return sorted((name for name, share in shares.items() if share > 0), key=lambda name: (-shares[name], name))


def top_hits(shares: Mapping[str, float], truth: Mapping[str, float], count: int = 3) -> float:
    """True sources among the `count` best, of as many as there can be."""
    return len(set(ranked(shares)[:count]) & set(truth)) / min(count, len(truth))


def weight_error(shares: Mapping[str, float], truth: Mapping[str, float]) -> float:
    """Half the sum of absolute differences, both scaled to one: 0 perfect, 1 nothing in common (also for no answer)."""
    share_total, truth_total = sum(shares.values()), sum(truth.values())
    if share_total <= 0:
        return 1.0
    return 0.5 * sum(
        abs(shares.get(name, 0.0) / share_total - truth.get(name, 0.0) / truth_total)
        for name in shares.keys() | truth.keys()
    )


def whole_error(shares: Mapping[str, float], truth: Mapping[str, float]) -> float:
    """The same on shares of the whole track, the unattributed rest counting as one more source."""
    unexplained = abs(sum(truth.values()) - sum(shares.values()))
    return 0.5 * (
        unexplained + sum(abs(shares.get(name, 0.0) - truth.get(name, 0.0)) for name in shares.keys() | truth.keys())
    )


def bootstrap(values: Sequence[float], *, seed: int = 0, rounds: int = 1_000) -> Interval:
    """Mean and its percentile interval over resampled queries."""
    if not values:
        return Interval(mean=float("nan"), low=float("nan"), high=float("nan"), n=0)
    rng = np.random.default_rng(seed)
    data = np.asarray(values, dtype=np.float64)
    means = data[rng.integers(len(data), size=(rounds, len(data)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(mean=float(data.mean()), low=float(low), high=float(high), n=len(data))


def calibration_error(confidences: Sequence[float], hits: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: how far, bin by bin, confidence is from the rate of being right."""
    sure, right = np.asarray(confidences, np.float64), np.asarray(hits, np.float64)
    bin_of = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [
        abs(sure[bin_of == k].mean() - right[bin_of == k].mean()) * (bin_of == k).mean()
        for k in range(bins)
        if (bin_of == k).any()
    ]
    return float(sum(gaps))


def conformal(residuals: Sequence[float], level: float) -> float:
    """The split-conformal quantile: as large as the ceil((n + 1) level)-th smallest residual; never below zero."""
    if not residuals:
        return 1.0
    ordered = sorted(residuals)
    rank = int(np.ceil((len(ordered) + 1) * level)) - 1
    return max(0.0, ordered[rank]) if rank < len(ordered) else 1.0
