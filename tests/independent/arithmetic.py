"""The sums of a settlement done with fractions: what is owed, and how what is owed becomes whole micro-units.

Written from docs/formats.md and docs/rules.md alone. Nothing here is fast and nothing is shared with the engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import combinations
from math import factorial, floor

Amounts = dict[str, Fraction]


def whole(owed: Mapping[str, Fraction], salt: bytes) -> dict[str, int]:
    """Integers for fractions that sum to one: floors, then one each to the largest remainders."""
    total = sum(owed.values())
    assert total == floor(total), f"what is divided must be whole, not {total}"
    floors = {name: floor(amount) for name, amount in owed.items()}
    rest = {name: owed[name] - floors[name] for name in owed}
    order = sorted(owed, key=lambda name: (-rest[name], hashlib.sha256(salt + name.encode()).digest(), name))
    for name in order[: int(total) - sum(floors.values())]:
        floors[name] += 1
    return floors


def divided(total: int, weights: Mapping[str, int], salt: bytes) -> dict[str, int]:
    """A whole number in proportion to weights."""
    sum_of_weights = sum(weights.values())
    return whole({name: Fraction(total * weight, sum_of_weights) for name, weight in weights.items()}, salt)


def pro_rata(masses: Amounts, **_: object) -> Amounts:
    return masses


def thresholded(masses: Amounts, *, min_influence: int, below: str, **_: object) -> Amounts:
    """Groups that hold too little of the track get nothing; those above keep their own, or share all of it."""
    kept = {group: mass if mass * 1_000_000 >= min_influence else Fraction(0) for group, mass in masses.items()}
    left = sum(kept.values())
    if below == "unattributed" or not left:
        return kept
    return {group: mass * sum(masses.values()) / left for group, mass in kept.items()}


def shapley(masses: Amounts, *, tau: int, **_: object) -> Amounts:
    """Each group's mean contribution to min(a(S), tau) / tau over all orders of arrival, one coalition at a time."""
    target, n = Fraction(tau, 1_000_000), len(masses)

    def worth(coalition: tuple[str, ...]) -> Fraction:
        return min(sum((masses[group] for group in coalition), Fraction(0)), target) / target

    out: Amounts = {}
    for group in masses:
        others = [other for other in masses if other != group]
        out[group] = sum(
            (
                Fraction(factorial(size) * factorial(n - size - 1), factorial(n))
                * (worth((*coalition, group)) - worth(coalition))
                for size in range(n)
                for coalition in combinations(others, size)
            ),
            Fraction(0),
        )
    return out


RULES: Mapping[str, Callable[..., Amounts]] = {
    "pro-rata": pro_rata,
    "thresholded": thresholded,
    "shapley-capped": shapley,
}


def capped(weights: Mapping[str, int], unattributed: int, pool: int, cap: int | None) -> tuple[Amounts, Fraction]:
    """What each group is owed of the pool, none more than the cap; and what caps leave over.

    Groups at the cap step aside one after the other, the heaviest first; the rest share what is left.
    """
    total = sum(weights.values()) + unattributed
    left, open_weight = Fraction(pool * (total - unattributed), total), total - unattributed
    owed: Amounts = {}
    for group in sorted(weights, key=lambda name: -weights[name]):
        mine = left * weights[group] / open_weight
        if cap is None or mine <= cap:
            break
        owed[group] = Fraction(cap)
        left, open_weight = left - cap, open_weight - weights[group]
    free = [group for group in weights if group not in owed]
    owed |= {group: left * weights[group] / open_weight for group in free}
    return owed, Fraction(0) if free else left
