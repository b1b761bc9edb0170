"""Turn weights into exact amounts: pro rata, or under a cap with one level for all groups below it.

A group gets min(cap, level x weight). The level is the one at which everything above the cap goes to groups below it;
money that no group may take is the reserve. Nothing is rounded here: amounts are numerators over one denominator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How a weight becomes an amount; with the rounding cut-off, it lets a holder check its own amount.

    A group of weight w is owed min(cap, w x numerator / denominator) micros; `cap` None means no cap.
    """

    cap: int | None
    numerator: int
    denominator: int
    unattributed: int
    """Numerator of what nobody is named for."""
    reserve: int
    """Numerator of what caps leave over."""

    def owed(self, weight: int) -> int:
        """Return the numerator of a group's exact amount."""
        exact = weight * self.numerator
        return exact if self.cap is None else min(exact, self.cap * self.denominator)


def fill(weights: Mapping[str, int], unattributed: int, pool: int, cap: int | None) -> Level:
    """Return the level at which the weights, the unattributed weight and the reserve add up to the pool exactly."""
    total = sum(weights.values()) + unattributed
    if total <= 0:
        return Level(cap=cap, numerator=0, denominator=1, unattributed=pool, reserve=0)
    if cap is None or pool * max(weights.values(), default=0) <= cap * total:
        return Level(cap=cap, numerator=pool, denominator=total, unattributed=pool * unattributed, reserve=0)
    left = pool * (total - unattributed)
    below = total - unattributed
    for weight in sorted(weights.values(), reverse=True):
        if left * weight <= cap * total * below:
            return Level(
                cap=cap,
                numerator=left,
                denominator=total * below,
                unattributed=pool * unattributed * below,
                reserve=0,
            )
        left -= cap * total
        below -= weight
    # Every group is at the cap; a numerator that puts any positive weight there keeps one formula for all cases.
    return Level(
        cap=cap,
        numerator=cap * total,
        denominator=total,
        unattributed=pool * unattributed,
        reserve=left,
    )
