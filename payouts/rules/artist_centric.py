"""Artist-centric: streams of tracks with an audience count more, and each listener's streams are limited.

The defaults follow what Deezer published for its artist-centric model: double for tracks with at least 1,000
streams a month from at least 500 listeners, and at most 1,000 streams a month per listener. Its second boost,
for music that was searched for, needs a signal that stream events do not carry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from payouts.protocols import UsageRow
from payouts.rules.base import Rule, base_weights, parameter
from payouts.rules.listeners import QUANTUM, Listener, by_listener, divide_money
from payouts.terms import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtistCentric(Rule):
    """Events without a listener count once each: they are neither capped nor an audience."""

    name: ClassVar[str] = "artist-centric"
    listeners: ClassVar[bool] = True

    boost: int = parameter(default=2, low=1, high=100, doc="how many times a stream of a boosted track counts")
    min_streams: int = parameter(default=1000, doc="units a track needs in the period to be boosted")
    min_listeners: int = parameter(default=500, doc="different listeners it needs as well")
    listener_max: int = parameter(default=1000, low=1, doc="units of one listener that count in the period")

    def weigh(self, rows: Sequence[UsageRow], weight: Weight) -> Sequence[int]:
        base = base_weights(rows, weight)
        listeners = by_listener(rows)
        money = {who: self._counted(who, at, rows, base) for who, at in listeners.items()}
        weights = divide_money(rows, listeners, money, base)
        boosted = self._boosted(rows)
        return [part * self.boost if row.track in boosted else part for row, part in zip(rows, weights, strict=True)]

    def _counted(self, who: Listener, at: Sequence[int], rows: Sequence[UsageRow], base: Sequence[int]) -> int:
        """What a listener's rows weigh together, scaled down where that listener passes the most that counts."""
        total = QUANTUM * sum(base[n] for n in at)
        units = sum(rows[n].units for n in at)
        return total if who[1] is None or units <= self.listener_max else total * self.listener_max // units

    def _boosted(self, rows: Sequence[UsageRow]) -> set[str]:
        units: dict[str, int] = defaultdict(int)
        audience: dict[str, set[Listener]] = defaultdict(set)
        for row in rows:
            units[row.track] += row.units
            if row.listener is not None:
                audience[row.track].add((row.source, row.listener))
        return {
            track
            for track, played in units.items()
            if played >= self.min_streams and len(audience[track]) >= self.min_listeners
        }
