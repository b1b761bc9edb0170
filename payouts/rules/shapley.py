"""The exact Shapley value of the saturating game v(S) = min(a(S), t), in which masses beyond t add nothing.

Each path returns integer numerators over k! * t, equal bit for bit, so that v(everybody) = min(sum(a), t) is
the sum of the numerators over k!:

- up to 32 players by halves: the coalitions of one half, each against the other half's sorted by mass
  (meet in the middle), in Python ints of any size, or in numpy;
- up to 12 in numpy also by plain enumeration, many games at once;
- up to 66 by counting coalitions by (size, mass): in Python by keeping a whole row of counts in one big
  integer, in numpy as int64 rows (66 is the last k whose counts fit). Beyond 32 players masses are first
  brought to parts per million of the whole, a declared approximation.

With A = sum(a), the game and the one with A - t in place of t are each other's dual: phi_t = a - phi_(A-t),
so the smaller of the two is counted (O'Neill 1982: the random-arrival rule is self-dual).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import comb, factorial, gcd
from typing import Final

BATCHED_MAX: Final = 12
HALVED_MAX: Final = 32
COUNTED_MAX: Final = 66
INT64_MAX: Final = 2**63 - 1


def size_sums_fit(k: int, target: int, mass: int) -> bool:
    """Return whether every sum of the int64 enumeration stays in range."""
    return mass <= INT64_MAX and comb(k, k // 2) * target <= INT64_MAX


def by_halves(masses: Sequence[int], target: int) -> list[int]:
    """Numerators over k! * target; masses may be of any size.

    T[s] sums min(a(S), t) over coalitions of size s, T[i][s] over those with i; the marginal contributions of
    i to coalitions of size s then sum to T[i][s + 1] - (T[s] - T[i][s]).
    """
    k = len(masses)
    left, right = masses[: k // 2], masses[k // 2 :]
    sums_left, sums_right = coalitions(left), coalitions(right)
    totals, with_left = _meet(sums_left, sums_right, len(left), len(right), target)
    _, with_right = _meet(sums_right, sums_left, len(right), len(left), target)
    return [numerator(totals, with_i, k) for with_i in (*with_left, *with_right)]


def coalitions(masses: Sequence[int]) -> list[int]:
    """Return the mass of each coalition, by bit mask."""
    masses_of = [0]
    for mass in masses:
        masses_of += [sum_before + mass for sum_before in masses_of]
    return masses_of


def numerator(totals: Sequence[int], with_i: Sequence[int], k: int) -> int:
    """Return a player's numerator from T and T[i]."""
    return weighted([with_i[s + 1] - (totals[s] - with_i[s]) for s in range(k)], k)


def _meet(ours: Sequence[int], others: Sequence[int], k: int, m: int, target: int) -> tuple[list[int], list[list[int]]]:
    """T, and T[i] of each of our k players, from every one of our coalitions joined by all of theirs."""
    sizes: list[list[int]] = [[] for _ in range(m + 1)]
    for mask, mass in enumerate(others):
        sizes[mask.bit_count()].append(mass)
    groups = [(sorted(mass), list(accumulate(sorted(mass), initial=0))) for mass in sizes]
    totals = [0] * (k + m + 2)
    with_i = [[0] * (k + m + 2) for _ in range(k)]
    for mask, mass in enumerate(ours):
        row = []
        for their_size, prefix in groups:
            below = bisect_left(their_size, target - mass)
            row.append(below * mass + prefix[below] + (len(their_size) - below) * target)
        size = mask.bit_count()
        for sums in (totals, *(with_i[i] for i in range(k) if mask >> i & 1)):
            for s, worth in enumerate(row, size):
                sums[s] += worth
    return totals, with_i


def weighted(gains: Sequence[int], k: int) -> int:
    """Sum of gains by size of the coalition joined, each with its s! (k-1-s)! orders of arrival."""
    return sum(gain * factorial(s) * factorial(k - 1 - s) for s, gain in enumerate(gains))


def count_exactly(masses: Sequence[int], target: int) -> list[int]:
    """Numerators over k! * target by counting coalitions of each size and mass below the target.

    A row of counts lives in one integer, a slot per mass: adding a player is a shift and an add, taking one
    out a shift and a subtraction. Slots are wide enough that no sum of counts times masses can carry.
    """
    k = len(masses)
    common = gcd(target, *masses)
    small = [mass // common for mass in masses]
    t = target // common
    dual = sum(small) - t
    if dual <= 0:
        return [mass * factorial(k) for mass in masses]
    counted = min(t, dual)
    by_mass = _numerators_by_mass(small, counted, slot=k + counted.bit_length() + 1)
    numerators = [by_mass[mass] for mass in small]
    if counted != t:
        numerators = [mass * factorial(k) - lost for mass, lost in zip(small, numerators, strict=True)]
    return [common * numerator for numerator in numerators]


def _numerators_by_mass(masses: Sequence[int], t: int, *, slot: int) -> dict[int, int]:
    k = len(masses)
    keep = (1 << (slot * t)) - 1
    rows = [1] + [0] * k
    for n, mass in enumerate(masses):
        if mass < t:
            for s in range(n, -1, -1):
                rows[s + 1] += (rows[s] << (slot * mass)) & keep
    out: dict[int, int] = {}
    for mass in sorted(set(masses)):
        gains: list[int] = []
        without = 0
        for s in range(k):
            without = rows[s] - ((without << (slot * mass)) & keep if mass < t else 0)
            gains.append(_gain(without, mass, t, slot))
        out[mass] = weighted(gains, k)
    return out


def _gain(row: int, mass: int, t: int, slot: int) -> int:
    """Sum over the slots x of row[x] * min(mass, t - x)."""
    full = max(t - mass, 0)
    low = row & ((1 << (slot * full)) - 1)
    high = row >> (slot * full)
    below, _ = _moments(low, slot)
    count, first = _moments(high, slot)
    return mass * below + (t - full) * count - first


def _moments(row: int, slot: int) -> tuple[int, int]:
    """(sum of row[x], sum of x * row[x]): b^x = 1 + x (b - 1) modulo (b - 1)^2, with b the slot's base."""
    base = (1 << slot) - 1
    first, count = divmod(row % (base * base), base)
    return count, first


def bring_to(masses: Sequence[int], whole: int, resolution: int) -> list[int]:
    """Masses in coarser units by largest remainder, what they leave of the whole as one more entry.

    Equal masses must stay equal, so of equal remainders at the cut-off none gets a unit; the few units that
    stay behind are unattributed.
    """
    floors = [mass * resolution // whole for mass in masses]
    missing = whole - sum(masses)
    remainders = [mass * resolution % whole for mass in masses]
    left = resolution - sum(floors) - missing * resolution // whole
    ordered = sorted([*remainders, missing * resolution % whole], reverse=True)
    threshold = ordered[left] if left < len(ordered) else -1
    return [floor + (remainder > threshold) for floor, remainder in zip(floors, remainders, strict=True)]
