"""Usage straight from the log's entries: every event of a period, summed. Slow and simple; segments are fast."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ledger.log import Log
from ledger.types import Digest, format_time
from payouts.protocols import UsageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Which events a run takes: below the closed size and before the period's end, and in no earlier period.

    `earlier` is the close before: what lay below its size and before its period's end belongs to it or to
    one before it. All else that is older arrived late and weighs here.
    """

    size: int
    end: datetime
    earlier: tuple[int, datetime] | None = None


class EventLeaf(msgspec.Struct, frozen=True):
    """The fields of an event leaf that usage looks at."""

    source: str
    event_id: str
    track: str
    occurred_at: str
    territory: str
    units: int
    vector: Digest | None
    product: str | None = None
    gross_micros: int | None = None
    currency: str | None = None
    listener: str | None = None


class AssignLeaf(msgspec.Struct, frozen=True):
    """The fields of an assign leaf that usage looks at."""

    track: str
    vector: Digest


def members(log: Log, membership: Membership) -> Iterator[tuple[int, EventLeaf]]:
    """The period's events with their index, in order."""
    end = format_time(membership.end)
    size_before, end_before = (0, "")
    if membership.earlier is not None:
        size_before, end_before = membership.earlier[0], format_time(membership.earlier[1])
    decoder = msgspec.json.Decoder(EventLeaf)
    for entry in log.entries(types={"event"}, stop=membership.size):
        event = decoder.decode(entry.body)
        if event.occurred_at < end and not (entry.index < size_before and event.occurred_at < end_before):
            yield entry.index, event


def bound_members(log: Log, membership: Membership) -> Iterator[tuple[int, EventLeaf, Digest | None]]:
    """The period's events with the vector each pays by.

    An event without one is bound by the first later assignment of its track below the closed size.
    """
    bind = _Assignments(log, membership.size)
    for index, event in members(log, membership):
        yield index, event, event.vector or bind.first_after(event.track, index)


def usage(
    log: Log,
    membership: Membership,
    *,
    listeners: bool,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> list[UsageRow]:
    """The period's usage by track, vector, territory, day, platform, product (and listener, where asked)."""
    sums: dict[tuple[str | None, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for index, event, vector in bound_members(log, membership):
        key = (
            event.track, vector, event.territory, event.occurred_at[:10], event.source, event.product,
            event.listener if listeners else None, event.currency,
        )  # fmt: skip
        one = sums[key]
        one[0] += event.units
        one[1] += event.gross_micros or 0
        one[2] += 1
        one[3] += event.gross_micros is not None
        if on_progress is not None and index % 65_536 == 0:
            on_progress(index, membership.size)
    return [_row(key, one) for key, one in sums.items()]


def _row(key: Sequence[str | None], one: Sequence[int]) -> UsageRow:
    track, vector, territory, day, source, product, listener, currency = key
    units, gross, count, priced = one
    return UsageRow(
        track=track or "", vector=vector, territory=territory or "", at=f"{day}T00:00:00Z", source=source or "",
        product=product, listener=listener, units=units, gross=gross if priced == count else None, currency=currency,
        count=count,
    )  # fmt: skip


class _Assignments:
    """Which vector a track was assigned first after a place in the log."""

    def __init__(self, log: Log, size: int) -> None:
        self._of: dict[str, tuple[list[int], list[Digest]]] = {}
        decoder = msgspec.json.Decoder(AssignLeaf)
        for entry in log.entries(types={"assign"}, stop=size):
            assigned = decoder.decode(entry.body)
            indexes, vectors = self._of.setdefault(assigned.track, ([], []))
            indexes.append(entry.index)
            vectors.append(assigned.vector)

    def first_after(self, track: str, index: int) -> Digest | None:
        indexes, vectors = self._of.get(track, ([], []))
        place = bisect.bisect_right(indexes, index)
        return vectors[place] if place < len(vectors) else None
