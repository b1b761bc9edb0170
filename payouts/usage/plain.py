"""The usage stage without an engine: event by event, straight from a log's entries.

For small logs, for machines without DuckDB, and as the reference for tests of the expression: both give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from ledger.errors import VerificationError
from ledger.event import Entry
from ledger.types import Digest
from payouts.errors import UsageError
from payouts.protocols import UsageRow
from payouts.terms import Terms
from payouts.usage.grain import Grain, Membership
from payouts.usage.intake import row_key

_TOLD_EVERY: Final = 65_536
_MONTH: Final = len("2026-06")

ListenerHolds = Mapping[tuple[str, Digest, str], str]
"""By source, listener and month, the id of the hold that their streams fall under."""
NO_HOLDS: Final[ListenerHolds] = {}


class UsageLeaf(msgspec.Struct, frozen=True):
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


@dataclass(frozen=True, slots=True)
class VectorBinding:
    """The vector of each event, from the log's reading.

    `first` is each track's first assignment, for events without a vector: an event binds to its track's
    assignment when it is appended, so one without a vector came before all of them. `pays` says whether a
    source's event of a track may pay by the vector that it names; otherwise it is as if the event named none.
    """

    first: Mapping[str, Digest]
    pays: Callable[[str, str, Digest], bool]
    """Of source, track and vector."""

    def of(self, source: str, track: str, vector: Digest | None) -> Digest | None:
        return self.first.get(track) if vector is None or not self.pays(source, track, vector) else vector


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySelection:
    """One log's part in a run: its `event` entries in order, and which of them are taken."""

    origin: str
    membership: Membership
    entries: Iterable[Entry]


def events(
    part: EntrySelection, on_progress: Callable[[int, int | None], None] | None = None
) -> Iterator[tuple[int, UsageLeaf]]:
    """The events of a log that are taken, each with its index."""
    decode = msgspec.json.Decoder(UsageLeaf).decode
    for entry in part.entries:
        try:
            event = decode(entry.body)
        except msgspec.MsgspecError as problem:
            raise VerificationError(f"entry {entry.index} of log {part.origin} is no event: {problem}") from None
        if on_progress is not None and entry.index % _TOLD_EVERY == 0:
            on_progress(entry.index, part.membership.size)
        if part.membership.takes(entry.index, event.occurred_at):
            yield entry.index, event


def usage(
    parts: Iterable[EntrySelection],
    *,
    assigned: VectorBinding,
    terms: Terms,
    grain: Grain,
    holds: ListenerHolds = NO_HOLDS,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> list[UsageRow]:
    """The usage of a pool, sorted: what `payouts.usage.segments.usage` gives."""
    sums: dict[tuple[str | None, ...], list[int]] = {}
    for part in parts:
        for index, event in events(part, on_progress):
            if not terms.cover(event.source, event.product, event.territory):
                continue
            if grain.gross:
                _check_gross(part.origin, index, event, terms)
            totals = sums.setdefault(_key(event, assigned, grain, holds), [0, 0, 0])
            totals[0] += event.units
            totals[1] += event.gross_micros or 0
            totals[2] += 1
    return sorted((_row(key, totals, terms, grain) for key, totals in sums.items()), key=row_key)


def _key(event: UsageLeaf, assigned: VectorBinding, grain: Grain, holds: ListenerHolds) -> tuple[str | None, ...]:
    return (
        event.track,
        assigned.of(event.source, event.track, event.vector),
        grain.territory(event.territory),
        grain.bucket(event.occurred_at),
        event.source,
        event.product if grain.products else None,
        event.listener if grain.listeners else None,
        hold_of(event, holds),
    )


def hold_of(event: UsageLeaf, holds: ListenerHolds) -> str | None:
    """Return the id of the hold on listeners that an event falls under: a list is about its own month's events."""
    if not holds or event.listener is None:
        return None
    return holds.get((event.source, event.listener, event.occurred_at[:_MONTH]))


def _row(key: tuple[str | None, ...], sums: list[int], terms: Terms, grain: Grain) -> UsageRow:
    track, vector, territory, at, source, product, listener, hold = key
    return UsageRow(
        track=track or "",
        vector=vector,
        territory=territory or "",
        at=at or "",
        source=source or "",
        product=product,
        listener=listener,
        units=sums[0],
        gross=sums[1] if grain.gross else None,
        currency=terms.currency if grain.gross else None,
        count=sums[2],
        hold=hold,
    )


def no_gross(origin: str, index: int, source: str, event_id: str, currency: str) -> UsageError:
    """The error of both ways of summing for the first event without an amount."""
    return UsageError(
        f"event {source}:{event_id} (entry {index} of log {origin}) has no gross amount in {currency}: weight=gross "
        "expects one on every event; limit the pool with --param sources=..., or weigh by units"
    )


def _check_gross(origin: str, index: int, event: UsageLeaf, terms: Terms) -> None:
    if event.gross_micros is None or event.currency != terms.currency:
        raise no_gross(origin, index, event.source, event.event_id, terms.currency)
