"""Check the whole log: recompute everything that is stored about its entries.

Every entry is encoded again, hashed, chained and put into a new tree, which is compared with the stored tiles (so that
the first bad entry has an index), with every checkpoint and with every seal. An event names the vector that its track
was assigned at that point of the log, or one that came with it: its evidence is then a `vector` leaf of the same track
in the same batch. Leaves with an author are read by `ledger.reading`, like everywhere else: a void leaf is a problem.
An event that stands in a signed batch says what the platform signed at that place. Then the tables beside the entries:
event ids, the projection of tracks, content-addressed matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select
from sqlmodel import col

from ledger.errors import VerificationError
from ledger.event import EventLeaf
from ledger.log.anchor import content
from ledger.log.append import Log
from ledger.log.fsck_batches import Batches, blob_of
from ledger.log.store import edge as right_edge
from ledger.log.store import queries
from ledger.log.store.edge import Edge
from ledger.log.store.queries import StoredCheckpoint
from ledger.log.store.schema import BlobRow, EventRow, TrackProjection
from ledger.proofs import canon, checkpoint, keyring, leaf
from ledger.proofs.canon import INT_MAX
from ledger.proofs.note import Vkey
from ledger.proofs.tile import WIDTH
from ledger.proofs.tree import HASH_SIZE, leaf_hashes
from ledger.reading.gate import Void
from ledger.reading.reading import Reading
from ledger.types import Head

PROBLEMS_MAX: Final = 20
"""Reported; the count goes on."""

_DECODE: Final = msgspec.json.Decoder(EventLeaf).decode
_ENCODE: Final = msgspec.json.Encoder().encode


@dataclass(slots=True, kw_only=True)
class Examined:
    """The result of fsck. `first_bad` is the index of the first changed entry."""

    ok: bool = True
    origin: str
    entries: int = 0
    root: str = ""
    chain: str = ""
    first_bad: int | None = None
    checkpoints: int = 0
    blobs: int = 0
    problems: list[str] = field(default_factory=list)
    voids: list[Void] = field(default_factory=list)
    """Leaves without effect; each is among the problems as well."""
    unchecked: list[str] = field(default_factory=list)

    def bad(self, index: int | None, problem: str) -> None:
        self.ok = False
        if index is not None and (self.first_bad is None or index < self.first_bad):
            self.first_bad = index
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def fsck(
    log: Log, *, types: Collection[str] | None = None, on_progress: Callable[[int, int | None], None] | None = None
) -> Examined:
    """Examine a log from its first entry to its last. Leaves of none of these `types` are listed as unchecked."""
    return _Walk(log, types, on_progress).run()


class _Walk:
    def __init__(
        self, log: Log, types: Collection[str] | None, on_progress: Callable[[int, int | None], None] | None
    ) -> None:
        self._log = log
        self._types = types
        self._edge = Edge.empty(log.origin)
        self._stated: list[tuple[int, dict[str, Any]]] = []
        """Leaves of the block at hand that state a tree of this log: seals, ends of log keys, the line of form 2."""
        self._report = Examined(origin=log.origin)
        self._on_progress = on_progress
        self._tracks: dict[str, tuple[int, str | None, int | None]] = {}  # as the projection: index, vector, since
        self._assigned: dict[str, str] = {}
        self._carried: set[tuple[str, str]] = set()  # (track, vector) whose evidence stands in the batch at hand
        self._events = 0
        self._signers: Callable[[int], list[Vkey]] | None = None
        self._batches = Batches(self._report.bad)
        self._reading = Reading(log.origin, None, lambda _: b"")

    def run(self) -> Examined:
        report = self._report
        anchored = self._log.anchor.read()
        with self._log.store.reading() as connection:
            self._walk(connection)
            self._check_beside(connection)
            try:
                right_edge.check_anchor(connection, self._edge, anchored)
            except VerificationError as problem:
                report.bad(None, str(problem))
        head = self._edge.head
        report.entries, report.root, report.chain = head.size, head.root.hex(), head.chain.hex()
        return report

    # --- entries ----------------------------------------------------------------------------------

    def _walk(self, connection: Connection) -> None:
        """Walk from checkpoint to checkpoint, each as far as its entries are stored."""
        last = None
        trusted = self._log.trusted
        if trusted is not None:
            try:
                self._signers = right_edge.signers(
                    self._log.origin, right_edge.ring_of(connection, self._log.origin, trusted)
                )
                trusted = right_edge.dated_in(connection, trusted)
            except (VerificationError, KeyError) as problem:
                self._report.bad(None, str(problem))
        self._reading = Reading(self._log.origin, trusted, blob_of(connection))
        for signed in queries.checkpoints(connection):
            last = signed
            self._report.checkpoints += 1
            self._carried.clear()
            if not self._reach(connection, signed.size):
                return
            self._check_checkpoint(signed)
        count = queries.entry_count(connection)
        covered = last.size if last else 0
        if count > covered:
            self._report.bad(covered, f"entries {covered} to {count - 1} are covered by no checkpoint")

    def _reach(self, connection: Connection, size: int) -> bool:
        """Read the entries up to this size; False if there are fewer."""
        while (done := self._edge.head.size) < size:
            rows = queries.typed_page(connection, done, size)
            if not rows or rows[0][0] != done:
                missing = f"{rows[0][0] - 1}" if rows else f"{size - 1}"
                self._report.bad(done, f"entries {done} to {missing} are missing; a checkpoint covers {size}")
                return False
            gap = next((i for i, row in enumerate(rows) if row[0] != done + i), len(rows))
            self._take(connection, done, rows[:gap])
            if self._on_progress is not None:
                self._on_progress(self._edge.head.size, None)
        return True

    def _take(self, connection: Connection, first: int, rows: list[tuple[int, str, bytes]]) -> None:
        events: dict[str, dict[str, int]] = {}
        assigned = self._assigned
        signed: dict[int, str] = {}
        for index, kind, body in rows:
            event = _event(body) if kind == "event" else None
            if event is not None:
                events.setdefault(event.source, {})[event.event_id] = index
                speaker = self._reading.sources.get(event.source)
                if speaker is not None and speaker.signed:
                    signed[index] = event.source
                if event.vector != assigned.get(event.track):
                    self._check_binding(index, event.source, event.track, event.vector)
                continue
            try:
                self._take_other(index, kind, leaf.decode(body), events)
            except (VerificationError, KeyError, TypeError) as problem:
                self._report.bad(index, f"entry {index}: {problem}")
        self._batches.compare(connection, first, rows)
        self._batches.check_signed(connection, signed)
        hashes = leaf_hashes([body for _, _, body in rows])
        self._compare_tiles(connection, first, hashes)
        self._check_event_ids(connection, events)
        self._check_stated(connection, first, hashes)
        self._edge, _ = self._edge.extended(hashes)

    def _check_stated(self, connection: Connection, first: int, hashes: list[bytes]) -> None:
        """Check the trees, and the chain heads of seals, that leaves of this block state, against those derived.

        Only a seal may state a size before this block, and then that of a checkpoint.
        """
        for index, body in self._stated:
            size, head = body.get("size"), None
            if type(size) is int and first <= size <= index:
                head = self._edge.extended(hashes[: size - first])[0].head
            elif type(size) is int and (signed := queries.checkpoint_at(connection, size)) is not None:
                head = Head(self._log.origin, size, signed.root, signed.chain)
            stated = (body.get("root"), body.get("chain") if body["type"] == "seal" else None)
            expected = None if head is None else (head.root.hex(), head.chain.hex() if body["type"] == "seal" else None)
            if stated != expected:
                self._report.bad(index, f"{body['type']} {index} commits to another tree or chain at size {size}")
        self._stated.clear()

    def _take_other(self, index: int, kind: str, body: dict[str, Any], events: dict[str, dict[str, int]]) -> None:
        """Check a leaf that is not an event in the usual form."""
        if body["type"] != kind:
            self._report.bad(index, f"entry {index} is filed as {kind!r} and is a {body['type']!r}")
        if self._types is not None and kind not in self._types:
            self._report.unchecked.append(f"what entry {index} means: its type {kind!r} is not known to this version")
        if kind == "seal" or (kind in keyring.TYPES and "root" in body):
            self._stated.append((index, body))
        if kind == "event":
            # Refused for its form alone: no batch names it, so it would count as unsigned (finding V14).
            self._report.bad(index, f"entry {index} is an event in a form of its own; docs/formats.md gives the fields")
            events.setdefault(body["source"], {})[body["event_id"]] = index
        elif kind in Reading.TYPES:
            self._take_signed(index, body)
        elif kind == "track":
            self._tracks.setdefault(body["id"], (index, None, None))
        elif kind == "expire" and (remark := leaf.remark(index, body)) is not None:
            self._report.unchecked.append(remark)

    def _take_signed(self, index: int, body: dict[str, Any]) -> None:
        """Check a signed leaf; it is void, and has no effect, unless its author may write it."""
        if not self._reading.take(index, body):
            void = self._reading.voids[-1]
            self._report.voids.append(void)
            self._report.bad(index, str(void))
        elif body["type"] == "follow":
            for track in body["tracks"]:
                self._tracks.setdefault(track, (index, None, None))
        elif body["type"] == "vector":
            self._carried.add((body["track"], body["statement"]))
        elif body["type"] == "assign" and body["track"] in self._tracks:
            self._tracks[body["track"]] = (self._tracks[body["track"]][0], body["vector"], index)
            self._assigned[body["track"]] = body["vector"]

    def _check_binding(self, index: int, source: str, track: str, vector: str | None) -> None:
        """Check that an event with another vector than its track's brought it along, as its source was permitted to."""
        if vector is not None and (track, vector) in self._carried:
            if not self._reading.pays(track, vector, index, source):
                self._report.bad(index, f"entry {index} pays by a vector for which {source} did not sign (finding D2)")
        else:
            due = self._assigned.get(track)
            self._report.bad(
                index,
                f"entry {index} binds track {track!r} to {_named(vector)}; assigned to it there is {_named(due)}",
            )

    def _compare_tiles(self, connection: Connection, first: int, hashes: list[bytes]) -> None:
        """Report the entries whose hash differs from the stored tree."""
        stop = first + len(hashes)
        for n in range(first // WIDTH, -(-stop // WIDTH)):
            start, end = max(first, n * WIDTH), min(stop, (n + 1) * WIDTH)
            try:
                tile = queries.read_tile(connection, 0, n)
            except VerificationError as problem:
                self._report.bad(None, str(problem))
                continue
            stored = tile[(start - n * WIDTH) * HASH_SIZE : (end - n * WIDTH) * HASH_SIZE]
            if b"".join(hashes[start - first : end - first]) != stored:
                for index in range(start, end):
                    offset = (index - start) * HASH_SIZE
                    if stored[offset : offset + HASH_SIZE] != hashes[index - first]:
                        self._report.bad(index, f"entry {index} is not the one whose hash is in the tree")

    def _check_event_ids(self, connection: Connection, events: dict[str, dict[str, int]]) -> None:
        for source, ids in events.items():
            self._events += len(ids)
            indexes = queries.find_events(connection, source, list(ids))
            for event_id, index in ids.items():
                if indexes.get(event_id) != index:
                    self._report.bad(
                        index,
                        f"event {event_id!r} of {source!r} is entry {index}; its id leads to {indexes.get(event_id)}",
                    )

    def _check_checkpoint(self, signed: StoredCheckpoint) -> None:
        """Check that each checkpoint matches the entries before it."""
        head, size = self._edge.head, signed.size
        try:
            checkpoint_text = content(signed.note)
        except VerificationError as problem:
            self._report.bad(None, f"checkpoint {size}: {problem}")
            return
        if (checkpoint_text.origin, checkpoint_text.size) != (self._log.origin, size):
            self._report.bad(None, f"checkpoint {size} is of {checkpoint_text.origin!r} at size {checkpoint_text.size}")
        if not head.root == checkpoint_text.root == signed.root:
            self._report.bad(
                None, f"checkpoint {size} has root {checkpoint_text.root.hex()}, the entries have {head.root.hex()}"
            )
        if self._signers is not None:
            try:
                checkpoint.open(signed.note, self._log.origin, self._signers(size))
            except VerificationError as problem:
                self._report.bad(None, str(problem))
        if head.chain != signed.chain:
            self._report.bad(
                None, f"checkpoint {size} has chain {signed.chain.hex()}, the entries have {head.chain.hex()}"
            )

    # --- beside the entries -----------------------------------------------------------------------

    def _check_beside(self, connection: Connection) -> None:
        self._batches.check_projection(connection, self._edge.head.size)
        stored = connection.execute(select(func.count()).select_from(EventRow)).scalar_one()
        if stored != self._events:
            self._report.bad(None, f"{stored} event ids are stored for {self._events} events")
        query = select(
            col(TrackProjection.id),
            col(TrackProjection.idx),
            col(TrackProjection.vector),
            col(TrackProjection.assigned_idx),
        )
        stored_rows = {(row[0], (row[1], row[2], row[3])) for row in connection.execute(query)}
        differing = sorted({track for track, _ in stored_rows ^ set(self._tracks.items())})
        for track in differing[:PROBLEMS_MAX]:
            self._report.bad(None, f"the projection of track {track!r} differs from the log")
        for digest, data in _blobs(connection):
            self._report.blobs += 1
            if canon.digest(data) != digest.hex():
                self._report.bad(None, f"what is kept under digest {digest.hex()} has another")


def _event(body: bytes) -> EventLeaf | None:
    """Return an event in the usual form, which encodes to its own bytes; None for any other leaf."""
    try:
        event = _DECODE(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    gross = event.gross_micros
    usual = 0 <= event.units <= INT_MAX and (isinstance(gross, msgspec.UnsetType) or 0 <= gross <= INT_MAX)
    return event if usual and event.type == "event" and event.v == 1 and _ENCODE(event) == body else None


def _named(vector: str | None) -> str:
    return "no vector" if vector is None else f"vector {vector[:16]}"


def _blobs(connection: Connection) -> Iterator[tuple[bytes, bytes]]:
    for digest, data in connection.execute(select(col(BlobRow.digest), col(BlobRow.data))).yield_per(100):
        yield bytes(digest), bytes(data)
