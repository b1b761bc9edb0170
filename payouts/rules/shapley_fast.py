"""The same Shapley numerators in numpy: many small games at once, and wide rows of counts in int64.

An optional fast path: `payouts.rules.shapley` gives the same integers without numpy. Every sum formed here is shown
to fit int64 before it is formed; numpy would wrap silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import factorial, gcd
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from payouts.rules.shapley import COUNTED_MAX, INT64_MAX, coalitions, numerator, weighted

Ints = npt.NDArray[np.int64]

CELLS_MAX: Final = 1 << 18
"""Coalition values held at once (2 MiB, so that they stay in cache): a batch of games is cut to it."""

COUNTED_TARGET_MAX: Final = 1 << 20
"""The widest row of counts: three 21-bit limbs times a gain below 2^20, summed 2^20 times, stay below 2^63."""


@lru_cache(maxsize=32)
def _by_size(k: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], tuple[Ints, ...], tuple[Any, ...]]:
    """Coalitions of k players sorted by size: order, starts of each size; and the same for those with player i."""
    sizes = np.array([bin(n).count("1") for n in range(1 << k)])
    order = np.argsort(sizes, kind="stable")
    starts = np.searchsorted(sizes[order], np.arange(k + 1))
    members, offsets = [], []
    for i in range(k):
        chosen = order[(order >> i) & 1 == 1]
        members.append(chosen)
        offsets.append(np.searchsorted(sizes[chosen], np.arange(1, k + 1)))
    return order, starts, tuple(members), tuple(offsets)


def enumerate_batch(games: Sequence[Sequence[int]], target: int) -> list[list[int]]:
    """Numerators of games with equally many players, whose sums fit int64, by plain enumeration."""
    k = len(games[0])
    step = max(1, CELLS_MAX >> k)
    out: list[list[int]] = []
    for start in range(0, len(games), step):
        out.extend(_enumerate(np.array(games[start : start + step], dtype=np.int64), target))
    return out


def _enumerate(masses: Ints, target: int) -> list[list[int]]:
    """Coalitions down, games across. With k! * target inside int64 the orders of arrival are weighed here too."""
    count, k = masses.shape
    value = np.zeros((1 << k, count), dtype=np.int64)
    for i in range(k):
        np.add(value[: 1 << i], masses[:, i], out=value[1 << i : 2 << i])
    np.minimum(value, target, out=value)
    order, starts, members, offsets = _by_size(k)
    totals = np.add.reduceat(value[order], starts)
    orders = np.array([factorial(s) * factorial(k - 1 - s) for s in range(k)], dtype=object)
    if factorial(k) * target <= INT64_MAX:
        orders = orders.astype(np.int64)
    numerators = []
    for i in range(k):
        with_i = np.zeros((k + 1, count), dtype=np.int64)
        with_i[1:] = np.add.reduceat(value[members[i]], offsets[i])
        gains = with_i[1:] - (totals[:-1] - with_i[:-1])
        numerators.append((orders @ gains).tolist())
    return [list(game) for game in zip(*numerators, strict=True)]


def by_halves(masses: Sequence[int], target: int) -> list[int]:
    """`shapley.by_halves` of one game whose masses and target are at most 10^12."""
    k = len(masses)
    halves = masses[: k // 2], masses[k // 2 :]
    left, right = (np.array(coalitions(half), dtype=np.int64) for half in halves)
    totals, with_left = _meet(left, right, target)
    _, with_right = _meet(right, left, target)
    return [numerator(totals, with_i, k) for with_i in (*with_left, *with_right)]


def _meet(ours: Ints, others: Ints, target: int) -> tuple[list[int], list[list[int]]]:
    """T, and T[i] of each of our players. A cell sums at most C(16, 8) x 10^12; further sums go by 32-bit limbs."""
    k, m = len(ours).bit_length() - 1, len(others).bit_length() - 1
    order, starts, members, offsets = _by_size(k)
    their_order, their_starts, _, _ = _by_size(m)
    worth = np.empty((len(ours), m + 1), dtype=np.int64)
    for size, their_masses in enumerate(np.split(others[their_order], their_starts[1:])):
        their_masses.sort()
        prefix = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(their_masses)))
        below = np.searchsorted(their_masses, target - ours)
        worth[:, size] = below * ours + prefix[below] + (len(their_masses) - below) * target
    totals = _by_total_size(worth[order], starts, 0, k + m)
    return totals, [_by_total_size(worth[members[i]], offsets[i], 1, k + m) for i in range(k)]


def _by_total_size(worth: Ints, starts: npt.NDArray[np.intp], first: int, k: int) -> list[int]:
    """Rows sorted by our size (from `first` up), columns by theirs: exact sums by the size of both together."""
    low = np.add.reduceat(worth & ((1 << 32) - 1), starts).tolist()
    high = np.add.reduceat(worth >> 32, starts).tolist()
    sums = [0] * (k + 2)
    for size, (lows, highs) in enumerate(zip(low, high, strict=True), first):
        for s, (a, b) in enumerate(zip(lows, highs, strict=True), size):
            sums[s] += (b << 32) + a
    return sums


def can_count(masses: Sequence[int], target: int) -> bool:
    """Whether the int64 rows are safe and of a sensible width for this game."""
    common = gcd(target, *masses)
    width = min(target, sum(masses) - target) // common
    return len(masses) <= COUNTED_MAX and 0 < width <= COUNTED_TARGET_MAX


def count_one(masses: Sequence[int], target: int) -> list[int]:
    """`shapley.count_exactly` of one game that `can_count`."""
    k = len(masses)
    common = gcd(target, *masses)
    small = [mass // common for mass in masses]
    t = target // common
    counted = min(t, sum(small) - t)
    rows = np.zeros((k + 1, counted), dtype=np.int64)
    rows[0, 0] = 1
    for n, mass in enumerate(small):
        if mass < counted:
            for s in range(n, -1, -1):
                rows[s + 1, mass:] += rows[s, : counted - mass]
    by_mass = {mass: _numerator(rows, mass, counted) if mass else 0 for mass in set(small)}
    numerators = [by_mass[mass] for mass in small]
    if counted != t:
        numerators = [mass * factorial(k) - lost for mass, lost in zip(small, numerators, strict=True)]
    return [common * numerator for numerator in numerators]


def _numerator(rows: Ints, mass: int, t: int) -> int:
    k = len(rows) - 1
    gain = np.minimum(mass, t - np.arange(t, dtype=np.int64))
    without = np.zeros(t, dtype=np.int64)
    gains = []
    for s in range(k):
        if s and mass < t:
            without[mass:] = rows[s, mass:] - without[:-mass]
            without[:mass] = rows[s, :mass]
        else:
            without = rows[s].copy()
        gains.append(_dot(without, gain))
    return weighted(gains, k)


def _dot(counts: Ints, gain: Ints) -> int:
    """An exact dot product: counts in three limbs of 21 bits, recombined as Python ints."""
    limb = (1 << 21) - 1
    parts = (int(np.dot((counts >> shift) & limb, gain)) << shift for shift in (0, 21, 42))
    return sum(parts)
