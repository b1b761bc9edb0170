"""Decide for each decoded event: append it, or report it as duplicate, conflict or quarantined.

Per batch: check every event, look up tracks, listeners and event ids in one snapshot, build the leaves, then append
them in one transaction with the new salts and the refused rows. If another writer appended meanwhile, the look-ups are
checked again under the lock; the batch is prepared again only if one of them changed. So a repeated file changes
nothing, and an interrupted file can be sent again. Several callers' batches may share a transaction (`take_together`);
each caller gets its own result.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection

from ledger.errors import InputError, StateError
from ledger.event import EventLeaf, StreamEvent
from ledger.ingest import quarantine
from ledger.ingest.acknowledged import Acknowledged, Counts, Handed
from ledger.ingest.carried import Admit, CarriedVector, CarriedVectors, same_payload
from ledger.ingest.checks import Checker
from ledger.ingest.listener import Commitments, Entropy
from ledger.ingest.quarantine import Kind
from ledger.ingest.rows import Joined, RowRefusal, Rows
from ledger.ingest.signed import DeclaredVectors, Place, Places
from ledger.log.append import Appended, LeafBatch, Log
from ledger.log.store import queries, signed, tracks
from ledger.log.store.store import SALT, SIGNED
from ledger.lookalikes import skeleton
from ledger.proofs import leaf
from ledger.proofs import source as sourcing
from ledger.proofs.source import EventSource, Home
from ledger.proofs.tree import leaf_hashes
from ledger.types import Digest, Head, format_time

TRACKS_MAX: Final = 200_000
_BINDING: Final = (*tracks.TYPES, sourcing.TYPE)
"""Leaves that change what becomes of an event."""

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(EventLeaf)


class _MovedError(StateError):
    """Another writer changed something that this batch was prepared with."""


@dataclass(slots=True)
class _Plan:
    """A batch in preparation: the entries to append, and the rejected rows with reasons."""

    size: int
    parts: Sequence[Handed]
    bodies: list[bytes] = field(default_factory=list)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    repeated: list[tuple[int, int]] = field(default_factory=list)  # (position, index in the log)
    doubled: list[tuple[int, int]] = field(default_factory=list)  # (position, position of the first in this batch)
    conflicts: set[int] = field(default_factory=set)  # those of `repeated` that say something else
    refused: list[list[tuple[Kind, RowRefusal]]] = field(default_factory=list)  # by part
    vectors: dict[Digest, CarriedVector] = field(default_factory=dict)
    signed: Sequence[Place | None] = ()  # by position; empty where nothing of the batch is signed
    unresolved: list[int] = field(default_factory=list)  # positions
    reopened: Sequence[bytes] = ()  # rows given up in quarantine that are accepted after all


class Ingest:
    """Appends the events of one file, or of one connection, to a log."""

    def __init__(
        self,
        log: Log,
        *,
        name: str,
        entropy: Entropy,
        admit: Admit | None = None,
        source: str | None = None,
        places: Places | None = None,
        home: Home | None = None,
    ) -> None:
        """`name` stands in quarantine for where rows came from; `admit` signs vectors that events carry.

        With a `source`, rows of every other go to quarantine; `places` finds events in signed batches; `home`
        says which sources this log takes, unless it is the home log itself.
        """
        self.counts = Counts()
        self._log = log
        self._name = name
        self._checker = Checker(self._tomorrow)
        self._commitments = Commitments(entropy)
        self._tracks: dict[str, Digest | None] = {}
        self._tracks_at = 0
        self._sources: dict[str, EventSource] = {}
        self._source = source
        self._places = places
        self._home = home
        self._carried = None if admit is None else CarriedVectors(admit, self._logged)
        self._declared = DeclaredVectors(log.signed_batches, log.blob)

    def _tomorrow(self) -> date:
        return (self._log.clock() + timedelta(days=1)).date()

    def take(self, rows: Rows) -> Acknowledged:
        """Append a batch; on return its events are acknowledged and its refused rows are in quarantine."""
        return self.take_together([Handed(rows=rows, name=self._name, source=self._source)])[0]

    def take_together(self, parts: Sequence[Handed]) -> list[Acknowledged]:
        """Append several callers' batches in one transaction; return the result of each, in their order."""
        rows = Joined([part.rows for part in parts])
        invalid: dict[int, tuple[Kind, str]] = {
            i: ("invalid", reason) for i, reason in self._checker.run(rows.events).items()
        }
        invalid |= _of_other_sources(rows, parts)
        places = [] if self._places is None else self._places.of(rows.events, invalid)
        while True:
            try:
                return self._attempt(parts, rows, invalid, places)
            except _MovedError:
                self._tracks.clear()

    def _attempt(
        self,
        parts: Sequence[Handed],
        rows: Joined,
        invalid: Mapping[int, tuple[Kind, str]],
        places: Sequence[Place | None],
    ) -> list[Acknowledged]:
        with self._log.store.reading() as connection:
            plan = self._prepare(connection, parts, rows, invalid, places)
            duplicates, conflicts = self._compare(connection, rows, plan)
            if closed := quarantine.discarded(connection):
                accepted = map(rows.raw, plan.places.values())
                plan.reopened = [raw for raw in accepted if quarantine.row_digest(raw) in closed]
        for i, reason in conflicts:
            self._refuse(plan, rows, i, "conflict", reason)
        for refused in plan.refused:
            refused.sort(key=lambda entry: entry[1].line)
        try:
            appended = self._commit(plan)
        except BaseException:
            self._commitments.forget()  # which of the new salts the database now holds is for it to say
            raise
        self._commitments.stored()
        return self._count(rows, plan, duplicates, [i for i, _ in conflicts], appended)

    # --- preparing --------------------------------------------------------------------------------

    def _prepare(
        self,
        connection: Connection,
        parts: Sequence[Handed],
        rows: Joined,
        invalid: Mapping[int, tuple[Kind, str]],
        places: Sequence[Place | None],
    ) -> _Plan:
        """Build the leaves of a batch's valid events, in order, and the reasons for the other rows."""
        newest = queries.last_checkpoint(connection)
        plan = _Plan(size=0 if newest is None else newest.size, parts=parts, signed=places)
        plan.refused = [[("invalid", refused) for refused in part.rows.refused] for part in parts]
        used = self._look_up(connection, rows.events, plan.size)
        speaking = [
            None if (speaker := e.listener) is None else (e.source, speaker, e.occurred_at[:7]) for e in rows.events
        ]
        listeners = self._commitments.prepare(connection, filter(None, speaking))
        tracks, event_places, bodies, unset = self._tracks, plan.places, plan.bodies, msgspec.UNSET
        sources = {event.source for event in rows.events}
        barred, elsewhere = self._barred(sources), self._elsewhere(sources)
        for i, event in enumerate(rows.events):
            if i in invalid:
                self._refuse(plan, rows, i, *invalid[i])
                continue
            source, event_id, track = event.source, event.event_id, event.track
            key = (source, event_id)
            if key in used:
                plan.repeated.append((i, used[key]))
                continue
            if key in event_places:
                plan.doubled.append((i, event_places[key]))
                continue
            if source in elsewhere:
                self._refuse(plan, rows, i, "source", _ELSEWHERE.format(source, elsewhere[source]))
                continue
            if source in barred and not (places and places[i]):
                self._refuse(plan, rows, i, "source", barred[source])
                continue
            if track not in tracks:
                self._refuse(plan, rows, i, "unknown-track", _UNKNOWN.format(track))
                continue
            vector = tracks[track]
            if event.vector is not None:
                try:
                    vector = self._carry(plan, event, places[i] if places else None)
                except InputError as problem:
                    self._refuse(plan, rows, i, "vector", str(problem))
                    continue
            if vector is None:
                plan.unresolved.append(i)
            listener = speaking[i]
            bodies.append(
                _ENCODE(
                    EventLeaf(
                        currency=unset if event.currency is None else event.currency,
                        event_id=event_id,
                        gross_micros=unset if event.gross_micros is None else event.gross_micros,
                        listener=unset if listener is None else listeners[listener],
                        occurred_at=event.occurred_at,
                        product=unset if event.product is None else event.product,
                        source=source,
                        territory=event.territory,
                        track=track,
                        units=event.units,
                        vector=vector,
                    )
                )
            )
            event_places[key] = i
        return plan

    def _barred(self, sources: Iterable[str]) -> dict[str, str]:
        """Return the sources whose events are refused, with the reason for their platform.

        Refused are a source that must sign, if the file is not signed, and an unregistered source whose name looks like
        a registered one: the same streams would count twice, or unsigned (finding M10).
        """
        looks = {skeleton(name, fold=True): name for name in self._sources}
        barred: dict[str, str] = {}
        for name in sources:
            registered, double = self._sources.get(name), looks.get(skeleton(name, fold=True))
            if registered is not None and registered.signed:
                barred[name] = _UNSIGNED.format(name, registered.party)
            elif registered is None and double is not None:
                barred[name] = _LOOKS_LIKE.format(name, double)
        return barred

    def _elsewhere(self, sources: Iterable[str]) -> dict[str, str]:
        """Return sources of other logs, with the log's origin: an event may be in one log only."""
        home = self._home or Home(self._log.origin, self._sources)
        return {name: origin for name in sources if (origin := home.log_of(name)) != self._log.origin}

    def _look_up(self, connection: Connection, events: list[StreamEvent], size: int) -> dict[tuple[str, str], int]:
        """Load the batch's registered tracks; return the event ids that are used already."""
        if len(self._tracks) > TRACKS_MAX or queries.page(connection, self._tracks_at, size, _BINDING, limit=1):
            self._tracks.clear()
            self._sources = self._log.sources()
        self._tracks_at = size
        if missing := {event.track for event in events if event.track not in self._tracks}:
            self._tracks.update(queries.find_tracks(connection, sorted(missing)))
        by_source: dict[str, list[str]] = defaultdict(list)
        for event in events:
            by_source[event.source].append(event.event_id)
        return {
            (source, event_id): index
            for source, ids in by_source.items()
            for event_id, index in queries.find_events(connection, source, ids).items()
        }

    def _carry(self, plan: _Plan, event: StreamEvent, place: Place | None) -> Digest:
        assigned = self._tracks[event.track]
        if assigned is not None and event.vector == assigned:  # the vector that it would pay by anyway
            return assigned
        if self._carried is None or event.vector is None:
            raise InputError("the event carries a vector, and this log signs no vectors for this source")
        if assigned is not None:
            raise InputError(
                f"vector: track {event.track!r} pays by the vector assigned to it, {assigned[:16]}; send none"
            )
        speaker = self._sources.get(event.source)
        if speaker is not None and speaker.party is not None:
            self._declared.check(event, place, speaker.party)
        carried = self._carried.take(event.vector, track=event.track, territory=event.territory)
        plan.vectors[carried.digest] = carried
        return carried.digest

    def _logged(self, track: str, digest: Digest) -> bytes | None:
        return self._log.blob(digest) if (track, digest) in self._log.reading().vectors else None

    @staticmethod
    def _refuse(plan: _Plan, rows: Joined, i: int, kind: Kind, reason: str) -> None:
        plan.refused[rows.part(i)].append((kind, RowRefusal(rows.line(i), rows.raw(i), reason)))

    # --- duplicates -------------------------------------------------------------------------------

    def _compare(
        self, connection: Connection, rows: Joined, plan: _Plan
    ) -> tuple[list[tuple[int, int | None]], list[tuple[int, str]]]:
        """Return positions of events with a used id: duplicates with their index, and conflicts with the reason."""
        duplicates: list[tuple[int, int | None]] = []
        conflicts: list[tuple[int, str]] = []
        stored = queries.bodies(connection, [index for _, index in plan.repeated]) if plan.repeated else {}
        for i, index in plan.repeated:
            event = rows.events[i]
            if self._same(connection, event, _DECODER.decode(stored[index])):
                duplicates.append((i, index))
            else:
                plan.conflicts.add(i)
                conflicts.append((i, f"entry {index} has this event id with another body"))
        for i, first in plan.doubled:
            event = rows.events[i]
            if _body(event) == _body(rows.events[first]) and event.vector == rows.events[first].vector:
                duplicates.append((i, None))
            else:
                where = f"line {rows.line(first)}" if rows.part(first) == rows.part(i) else "an event sent just before"
                conflicts.append((i, f"{where} has this event id with another body"))
        return duplicates, conflicts

    def _same(self, connection: Connection, event: StreamEvent, stored: EventLeaf) -> bool:
        """Return whether an event equals an entry, apart from listener and bound vector."""
        if _body(event) != _stored_body(stored):
            return False
        if event.vector is None or self._carried is None or event.vector == stored.vector:
            return True
        try:
            carried = self._carried.take(event.vector, track=event.track, territory=event.territory)
        except InputError:
            return False
        if stored.vector is None or carried.digest == stored.vector:
            return carried.digest == stored.vector
        return same_payload(carried, queries.blob(connection, bytes.fromhex(stored.vector)))

    # --- appending --------------------------------------------------------------------------------

    def _commit(self, plan: _Plan) -> Appended | None:
        """Store the batch's leaves, salts and refused rows in one transaction."""
        at = format_time(self._log.clock())

        def settle(tx: Connection, head: Head) -> None:
            if head.size != plan.size:
                self._check_still_true(tx, plan, head.size)
            self._log.store.insert(tx, SALT, self._commitments.new())
            self._keep(tx, at, plan, head.size + len(plan.vectors))

        if plan.bodies:
            return self._log.commit(self._batch(plan), settle)
        if any(plan.refused) or any(plan.signed) or any(part.record for part in plan.parts):
            with self._log.store.writing() as tx:
                self._keep(tx, at, plan, plan.size)
        self._commitments.forget()  # salts of listeners none of whose events was accepted are not kept
        return None

    def _keep(self, tx: Connection, at: str, plan: _Plan, first: int) -> None:
        """Store the refused rows, mark replayed rows as accepted, and record each event's place in its signed batch."""
        for part, refused in zip(plan.parts, plan.refused, strict=True):
            quarantine.keep(tx, part.name, at, refused)
            if part.record is not None:
                part.record(tx)
        quarantine.release(tx, plan.reopened)
        if not any(plan.signed):
            return
        accepted = enumerate(plan.places.values(), start=first)
        ranges = _ranges_of(tx, plan.repeated)
        repeated = {index: i for i, index in plan.repeated if ranges.find(index) is None and i not in plan.conflicts}
        placed = ((index, plan.signed[i]) for index, i in sorted([*repeated.items(), *accepted]))
        self._log.store.insert(
            tx, SIGNED, signed.compress((index, *batch_place) for index, batch_place in placed if batch_place)
        )

    def _batch(self, plan: _Plan) -> LeafBatch:
        """Return the leaves to append: first the vectors that came with the events, then the events."""
        now = self._log.clock()
        vectors = [
            leaf.encode(leaf.vector(now, track=carried.track, statement=carried.digest, method=carried.method))
            for carried in plan.vectors.values()
        ]
        bodies = vectors + plan.bodies
        return LeafBatch(
            bodies=bodies,
            types=["vector"] * len(vectors) + ["event"] * len(plan.bodies),
            hashes=leaf_hashes(bodies),
            events=[(*key, len(vectors) + offset) for offset, key in enumerate(plan.places)],
            blobs={bytes.fromhex(carried.digest): carried.envelope for carried in plan.vectors.values()},
        )

    def _check_still_true(self, tx: Connection, plan: _Plan, size: int) -> None:
        """Check that the look-ups made at `plan.size` are still valid at `size`: bindings, free event ids, salts."""
        bindings = queries.page(tx, plan.size, size, _BINDING, limit=1)
        by_source: dict[str, list[str]] = defaultdict(list)
        for source, event_id in plan.places:
            by_source[source].append(event_id)
        appended = any(queries.find_events(tx, source, ids) for source, ids in by_source.items())
        if bindings or appended or self._commitments.raced(tx):
            raise _MovedError(f"log {self._log.origin} moved from {plan.size} to {size} meanwhile")

    # --- counting ---------------------------------------------------------------------------------

    def _count(
        self,
        rows: Joined,
        plan: _Plan,
        duplicates: list[tuple[int, int | None]],
        conflicts: list[int],
        appended: Appended | None,
    ) -> list[Acknowledged]:
        """Split the result of the transaction into one result per part."""
        first = 0 if appended is None else appended.size - len(plan.places)
        keys, positions = list(plan.places), list(plan.places.values())
        offsets = dict(zip(keys, range(first, first + len(keys)), strict=True)) if duplicates else {}
        results = []
        for number, (part, start, stop) in enumerate(zip(plan.parts, rows.starts, rows.starts[1:], strict=False)):
            begin, end = bisect_left(positions, start), bisect_left(positions, stop)
            repeated = [(i, index) for i, index in duplicates if start <= i < stop]
            counts = Counts(
                read=len(part.rows.events) + len(part.rows.refused),
                accepted=end - begin,
                unresolved=sum(start <= i < stop for i in plan.unresolved),
                duplicates=len(repeated),
                conflicts=(disagreeing := sum(start <= i < stop for i in conflicts)),
                quarantined=len(plan.refused[number]) - disagreeing,
            )
            self.counts.add(counts)
            results.append(
                Acknowledged(
                    appended=appended,
                    first=first + begin,
                    keys=keys[begin:end],
                    refused=plan.refused[number],
                    counts=counts,
                    duplicates=[
                        (*key, offsets[key] if index is None else index)
                        for i, index in repeated
                        for key in ((rows.events[i].source, rows.events[i].event_id),)
                    ],
                )
            )
        return results


def _of_other_sources(rows: Joined, parts: Sequence[Handed]) -> dict[int, tuple[Kind, str]]:
    """Return kinds and reasons by position for rows that name another source than their sender's."""
    return {
        i: (quarantine.OTHER_SOURCE, f"source: {event.source!r}, and this file is taken as one of {part.source!r}")
        for part, start, stop in zip(parts, rows.starts, rows.starts[1:], strict=False)
        if part.source is not None
        for i, event in enumerate(rows.events[start:stop], start=start)
        if event.source != part.source
    }


_UNKNOWN: Final = "track {!r} is not registered; register it, then `settle quarantine replay`"
_ELSEWHERE: Final = "source {!r} is assigned to log {}: hand its events in there"
_LOOKS_LIKE: Final = "source {!r} looks like {!r}, which is registered, and is not: hand its events in under that name"
_UNSIGNED: Final = "source {!r} takes only events that {} signed; hand them in with --batch, see `settle batch sign`"


def _ranges_of(tx: Connection, repeated: Sequence[tuple[int, int]]) -> signed.Ranges:
    """Return the stored batch positions of the entries that were sent again."""
    indexes = [index for _, index in repeated]
    return signed.ranges(tx, min(indexes), max(indexes) + 1) if indexes else signed.Ranges([])


def _body(event: StreamEvent) -> tuple[object, ...]:
    """Return an event's content without listener and vector."""
    return (
        event.track,
        event.occurred_at,
        event.territory,
        event.units,
        event.product,
        event.gross_micros,
        event.currency,
    )


def _stored_body(entry: EventLeaf) -> tuple[object, ...]:
    optional = (entry.product, entry.gross_micros, entry.currency)
    return (
        entry.track,
        entry.occurred_at,
        entry.territory,
        entry.units,
        *(None if value is msgspec.UNSET else value for value in optional),
    )


def ingest(
    log: Log,
    batches: Iterable[Rows],
    *,
    name: str,
    entropy: Entropy,
    admit: Admit | None = None,
    on_batch: Callable[[Acknowledged], None] | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
    total: int | None = None,
) -> Counts:
    """Append the events of a file; every batch is acknowledged before the next is read."""
    run = Ingest(log, name=name, entropy=entropy, admit=admit)
    for rows in batches:
        done = run.take(rows)
        if on_batch is not None:
            on_batch(done)
        if on_progress is not None:
            on_progress(rows.position, total)
    return run.counts
