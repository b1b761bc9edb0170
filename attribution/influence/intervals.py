"""Intervals of owners' shares: how wide they are, and how often they hold for owners that they were not fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.9
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cover:
    """The part of the errors of half of the owners within the width that the other half gave; 95 % interval."""

    mean: float
    low: float
    high: float


def half_width(errors: Floats) -> float:
    """Return the width within which nine in ten errors lie."""
    return float(np.quantile(np.abs(errors), LEVEL))


def cover_of_new_owners(errors: Floats, *, seed: int = 2, rounds: int = 200) -> Cover:
    """Fit a width on a random half of the owners, count the errors of the other half within it, and do so again.

    `errors`: owners x works, or owners x months. Works of one owner err together, so owners are drawn, not works.
    """
    generator, count = np.random.default_rng(seed), len(errors)
    covers = []
    for _ in range(rounds):
        order = generator.permutation(count)
        width = half_width(errors[order[: count // 2]])
        covers.append(float((np.abs(errors[order[count // 2 :]]) <= width).mean()))
    low, high = np.quantile(covers, [0.025, 0.975])
    return Cover(float(np.mean(covers)), float(low), float(high))
