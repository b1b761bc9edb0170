"""The usage of an open month, summed as its events come, and continued where it stopped.

Events keep the vector that they name and their own territory; assignments and pools are applied when rows are read.
So a vector that comes late, or a change of a pool, needs no event again. What decides how events are summed (the
month, the cuts at which shares change, the listeners under holds) is the fold's `basis`: another basis, another fold.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ledger.errors import VerificationError
from payouts.protocols import UsageRow
from payouts.terms import Terms
from payouts.usage.grain import Grain
from payouts.usage.plain import NO_HOLDS, EntrySelection, ListenerHolds, VectorBinding, events, hold_of

VERSION: Final = 1

Key = tuple[str, str | None, str, str, str, str | None, str | None]
"""Track, vector that the event names, territory, time bucket, source, product, hold on the listener."""


class UsageFold:
    """Sums of events by all that a payout may depend on. Its size is the number of these sums, not of events."""

    def __init__(self, basis: str, *, grain: Grain, holds: ListenerHolds = NO_HOLDS) -> None:
        self.basis = basis
        self.position: dict[str, int] = {}
        """Of each log, the entries that were looked at."""
        self._grain = grain
        self._holds = holds
        self._sums: dict[str, dict[Key, list[int]]] = {}

    def take(self, part: EntrySelection) -> None:
        """Add the next entries of a log, from its position up to the membership's size."""
        sums = self._sums.setdefault(part.origin, {})
        bucket, holds = self._grain.bucket, self._holds
        for _, event in events(part):
            hold = hold_of(event, holds)
            key = (
                event.track,
                event.vector,
                event.territory,
                bucket(event.occurred_at),
                event.source,
                event.product,
                hold,
            )
            totals = sums.get(key)
            if totals is None:
                sums[key] = [event.units, 1]
            else:
                totals[0] += event.units
                totals[1] += 1
        self.position[part.origin] = part.membership.size

    def rows(self, origin: str, *, assigned: VectorBinding, terms: Terms) -> list[UsageRow]:
        """The usage of one log that a pool covers; the pool's computation sums what is alike."""
        return [
            UsageRow(
                track=track,
                vector=assigned.of(source, track, vector),
                territory=territory,
                at=at,
                source=source,
                product=product if terms.products else None,
                units=units,
                count=count,
                hold=hold,
            )
            for (track, vector, territory, at, source, product, hold), (units, count) in self._sums.get(
                origin, {}
            ).items()
            if terms.cover(source, product, territory)
        ]

    def encode(self) -> bytes:
        """The fold as a file, from which another process continues."""
        sums = {origin: [[*key, *totals] for key, totals in by_key.items()] for origin, by_key in self._sums.items()}
        return msgspec.json.encode({"v": VERSION, "basis": self.basis, "position": self.position, "sums": sums})

    def restore(self, data: bytes) -> None:
        """Continue from a file; refuses one of another basis, or a damaged one."""
        try:
            saved: Any = msgspec.json.decode(data)
            if saved["v"] != VERSION or saved["basis"] != self.basis:
                raise VerificationError("the saved accrual is of another month, registry or set of holds")
            sums = {
                origin: {tuple(row[:7]): [int(row[7]), int(row[8])] for row in rows}
                for origin, rows in saved["sums"].items()
            }
            position = {origin: int(size) for origin, size in saved["position"].items()}
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError) as problem:
            raise VerificationError(f"the saved accrual cannot be read: {problem}") from None
        # Both or neither: sums beside an older position would be counted a second time.
        self._sums, self.position = sums, position
