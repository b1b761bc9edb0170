"""The exact Shapley value of the saturating game v(S) = min(a(S), t): once t is explained, more adds nothing.

Each path returns integer numerators over k! * t, equal bit for bit, so that v(everybody) = min(sum(a), t) is
the sum of the numerators over k!:

- up to 20 players by enumeration, in Python ints, or in numpy batches where the sums fit int64;
- up to 66 by counting coalitions by (size, mass): in Python by keeping a whole row of counts in one big
  integer, in numpy as int64 rows (66 is the last k whose counts fit). Beyond 20 players masses are first
  brought to parts per million of the whole, a declared approximation.

With A = sum(a), the game and the one with A - t in place of t are each other's dual: phi_t = a - phi_(A-t),
so the smaller of the two is counted (O'Neill 1982: the random-arrival rule is self-dual).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, factorial, gcd
from typing import Final

ENUMERATED_MAX: Final = 20
COUNTED_MAX: Final = 66
INT64_MAX: Final = 2**63 - 1


def size_sums_fit(k: int, target: int, mass: int) -> bool:
    """Whether every sum that the int64 enumeration forms stays in range."""
    return mass <= INT64_MAX and comb(k, k // 2) * target <= INT64_MAX


def enumerate_exactly(masses: Sequence[int], target: int) -> list[int]:
    """Numerators over k! * target by walking all coalitions; masses may be of any size.

    T[s] sums min(a(S), t) over coalitions of size s, T[i][s] over those with i; the marginal contributions of
    i to coalitions of size s then sum to T[i][s + 1] - (T[s] - T[i][s]).
    """
    k = len(masses)
    coalition = [0]
    size = [0]
    for mass in masses:
        coalition += [held + mass for held in coalition]
        size += [n + 1 for n in size]
    value = [min(held, target) for held in coalition]
    totals = [0] * (k + 2)
    for s, worth in zip(size, value, strict=True):
        totals[s] += worth
    out = []
    for i in range(k):
        with_i = [0] * (k + 2)
        bit = 1 << i
        for block in range(bit, 1 << k, 2 * bit):
            for n in range(block, block + bit):
                with_i[size[n]] += value[n]
        gains = [with_i[s + 1] - (totals[s] - with_i[s]) for s in range(k)]
        out.append(weighted(gains, k))
    return out


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
        numerators = [mass * factorial(k) - found for mass, found in zip(small, numerators, strict=True)]
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
    rest = whole - sum(masses)
    remainders = [mass * resolution % whole for mass in masses]
    left = resolution - sum(floors) - rest * resolution // whole
    ordered = sorted([*remainders, rest * resolution % whole], reverse=True)
    threshold = ordered[left] if left < len(ordered) else -1
    return [floor + (remainder > threshold) for floor, remainder in zip(floors, remainders, strict=True)]
