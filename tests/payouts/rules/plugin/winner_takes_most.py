"""A rule that a package outside Settle might bring: the strongest influence takes a fixed part of each track."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from payouts.rules.base import WHOLE, Masses, Rule, Split, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class WinnerTakesMost(Rule):
    """`winner` ppm of what is attributed goes to the strongest group, equally if several; others share the rest."""

    name: ClassVar[str] = "winner-takes-most"
    version: ClassVar[str] = "1"

    winner: int = parameter(default=800_000, high=1_000_000, doc="ppm of the attributed part that the strongest gets")

    def kernel(self, masses: Masses) -> Split:
        total = sum(masses)
        first = max(masses, default=0)
        winners, others = masses.count(first), total - first * masses.count(first)
        if not others:
            return Split(masses, WHOLE)
        whole = 1_000_000 * winners * others
        rest = 1_000_000 - self.winner
        return Split(
            tuple(total * self.winner * others if mass == first else total * rest * winners * mass for mass in masses),
            whole * WHOLE,
        )
