"""Count the streams of a statement that their platform signed, and those that are unsigned."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import msgspec

from ledger.log.store import queries, signed
from ledger.proofs.batch import label
from ledger.segments.manifest import manifests
from payouts.statements.statement import Streams
from payouts.terms import Terms
from payouts.usage.plain import UsageLeaf
from service.log import batches
from service.log.logs import Listed
from service.settlement.stored import Stored
from service.settlement.usage import SEGMENTS, sealed_up_to

Counts = Mapping[str, Mapping[tuple[str, str], int]]
"""By track: how many streams of each (source, label) a run took."""

Signers = Mapping[str, Mapping[int, str]]
"""By log, whose signature counts for each batch leaf."""


def signers_of(logs: Sequence[Listed]) -> Signers:
    """Return the signers of the batches of each log; a later revocation may change them."""
    return {closed.log.origin: batches.signers(closed.log) for closed in logs}


def counted(logs: Sequence[Listed], signers: Signers, stored: Stored, *, from_leaves: bool = False) -> Counts:
    """Count the run's streams: signed ones event by event, unsigned ones as the remainder of the usage.

    `from_leaves`: read the log's leaves and not the sealed segments, which only the operator has.
    """
    counts: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    totals: Counter[tuple[str, str]] = Counter()
    for row in stored.usage:
        totals[row.track, row.source] += row.count
    for closed in logs:
        stretches = _signed_stretches(closed, signers[closed.log.origin])
        for (track, source, party), count in _signed_in(
            closed, stretches, stored.terms, from_leaves=from_leaves
        ).items():
            counts[track][source, label(party)] += count
            totals[track, source] -= count
    for (track, source), count in totals.items():
        if count:
            counts[track][source, label(None)] += count
    return counts


SignedCounts = Counter[tuple[str, str, str]]
"""How many events of a track and a source a party signed."""
Stretches = Sequence[tuple[int, int, str]]
"""Entries of a log from the first up to the second, and who signed them."""


def _signed_stretches(closed: Listed, signers: Mapping[int, str]) -> Stretches:
    size = closed.membership.size
    with closed.log.store.reading() as connection:
        rows = signed.ranges(connection, 0, size).rows
    return [
        (first, min(stop, size), signers[batch]) for first, stop, batch, _ in rows if batch in signers and first < size
    ]


def _signed_in(closed: Listed, stretches: Stretches, terms: Terms, *, from_leaves: bool) -> SignedCounts:
    by_the_column = not from_leaves and stretches and sealed_up_to(closed.log, closed.membership.size)
    if by_the_column and (closed.folder / SEGMENTS).is_dir():
        with suppress(ImportError):
            return _by_the_column(closed, stretches, terms)
    return _one_by_one(closed, stretches, terms)


def _one_by_one(closed: Listed, stretches: Stretches, terms: Terms) -> SignedCounts:
    counts: SignedCounts = Counter()
    decode = msgspec.json.Decoder(UsageLeaf).decode
    for first, stop, party in stretches:
        for start in range(first, stop, queries.PAGE):
            with closed.log.store.reading() as connection:
                page = queries.page(connection, start, min(stop, start + queries.PAGE))
            for entry in page:
                event = decode(entry.body)
                if closed.membership.takes(entry.index, event.occurred_at) and terms.cover(
                    event.source, event.product, event.territory
                ):
                    counts[event.track, event.source, party] += 1
    return counts


def _by_the_column(closed: Listed, stretches: Stretches, terms: Terms) -> SignedCounts:
    """Do the same from sealed segments, after checking their files against the log.

    This counts millions a second.
    """
    from ledger.segments import files
    from ledger.segments.bindings import load
    from payouts.usage.segments import SegmentSelection, taken_files
    from payouts.usage.stretches import counted_by_party

    sealed = [manifest for manifest in manifests(closed.log) if manifest.start < closed.membership.size]
    folder = closed.folder / SEGMENTS
    for file in taken_files(sealed, closed.membership):
        files.check(folder, file)
    selection = SegmentSelection(
        origin=closed.log.origin,
        base=str(folder),
        manifests=sealed,
        membership=closed.membership,
        bindings=load(folder, sealed),
    )
    counts: SignedCounts = Counter()
    for party, track, source, count in counted_by_party(selection, stretches, terms):
        counts[track, source, party] += count
    return counts


def behind(counts: Counts, tracks: Collection[str]) -> tuple[Streams, ...]:
    """Return the streams of these tracks, by source and signer."""
    sums: Counter[tuple[str, str]] = Counter()
    for track in tracks:
        sums.update(counts.get(track, {}))
    return tuple(
        Streams(source=source, platform=platform, count=count) for (source, platform), count in sorted(sums.items())
    )
