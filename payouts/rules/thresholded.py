"""Thresholded: tracks with too few streams, and influences that are too small, earn nothing.

Both are eligibility rules, not values of coalitions. The influence threshold looks at an owner group's whole
part of a vector, so that splitting a catalogue into many recordings changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ledger.types import MILLION
from payouts.protocols import UsageRow
from payouts.rules.base import WHOLE, Masses, Rule, Split, Verdict, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholded(Rule):
    """Pro-rata over tracks of `min_streams` units or more in the pool and influences of `min_influence` ppm or more."""

    name: ClassVar[str] = "thresholded"

    min_streams: int = parameter(default=0, doc="units a track needs in the period to be eligible")
    min_influence: int = parameter(
        default=0, high=MILLION, doc="ppm of a vector an owner group needs to be paid for it"
    )
    below: str = parameter(
        default="unattributed",
        choices=("unattributed", "redistribute"),
        doc="where the money of what is below goes: nobody, or those above",
    )

    def filter(self, rows: Sequence[UsageRow]) -> Sequence[Verdict]:
        units: dict[str, int] = defaultdict(int)
        for row in rows:
            units[row.track] += row.units
        below: Verdict = "leaves" if self.below == "redistribute" else "unattributed"
        return ["counts" if units[row.track] >= self.min_streams else below for row in rows]

    def kernel(self, masses: Masses) -> Split:
        """Groups at or above the threshold; under `redistribute` they share, by their masses, what all groups held."""
        least = self.min_influence * (WHOLE // MILLION)
        above = tuple(mass if mass >= least else 0 for mass in masses)
        total = sum(above)
        if self.below == "unattributed" or total == 0:
            return Split(above, WHOLE)
        whole = sum(masses)
        return Split(tuple(mass * whole for mass in above), total * WHOLE)
