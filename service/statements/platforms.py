"""On whose word the streams behind a statement stand: signed by their platform, or unsigned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from ledger.log.append import Log
from ledger.log.store import queries, signed
from ledger.proofs.batch import label
from payouts.statements.statement import Streams
from payouts.terms import Terms
from payouts.usage.grain import Membership
from payouts.usage.plain import UsageLeaf
from service.log import batches
from service.log.logs import listed
from service.settlement.step import read_book
from service.settlement.stored import Stored

if TYPE_CHECKING:
    from service.workspace import Workspace

Counts = Mapping[str, Mapping[tuple[str, str], int]]
"""By track: how many streams of each (source, label) a run took."""


def counted(ws: Workspace, stored: Stored) -> Counts:
    """The run's streams: those that stand in a signed batch one by one, the rest by what is left of the usage."""
    counts: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    totals: Counter[tuple[str, str]] = Counter()
    for row in stored.usage:
        totals[row.track, row.source] += row.count
    for event, party in _signed(ws, stored):
        counts[event.track][event.source, label(party)] += 1
        totals[event.track, event.source] -= 1
    for (track, source), count in totals.items():
        if count:
            counts[track][source, label(None)] += count
    return counts


def _signed(ws: Workspace, stored: Stored) -> Iterator[tuple[UsageLeaf, str]]:
    """The events of a run that a platform signed, and who did."""
    for closed in listed(ws, read_book(ws), stored.record.period):
        yield from _signed_in(closed.log, closed.membership, stored.terms)


def _signed_in(log: Log, place: Membership, terms: Terms) -> Iterator[tuple[UsageLeaf, str]]:
    signers = batches.signers(log)
    decode = msgspec.json.Decoder(UsageLeaf).decode
    with log.store.reading() as connection:
        rows = signed.ranges(connection, 0, place.size).rows
    for first, stop, batch, _ in rows:
        if batch not in signers:
            continue
        for start in range(first, min(stop, place.size), queries.PAGE):
            end = min(stop, place.size, start + queries.PAGE)
            with log.store.reading() as connection:
                page = queries.page(connection, start, end)
            for entry in page:
                event = decode(entry.body)
                if place.takes(entry.index, event.occurred_at) and terms.cover(
                    event.source, event.product, event.territory
                ):
                    yield event, signers[batch]


def behind(counts: Counts, tracks: Collection[str]) -> tuple[Streams, ...]:
    """The streams of these tracks, by source and by who signed them."""
    sums: Counter[tuple[str, str]] = Counter()
    for track in tracks:
        sums.update(counts.get(track, {}))
    return tuple(
        Streams(source=source, platform=platform, count=count) for (source, platform), count in sorted(sums.items())
    )
