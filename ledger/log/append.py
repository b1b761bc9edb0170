"""The log: append, read, prove. All entries are written through this object.

Appending, in the order in which things reach the disk, and what a crash means at each point:

1. hash the leaves; 2. take the anchor, then the database's write lock; 3. read the right edge again
if another writer moved it, and compare it with the anchor; 4. sign the new checkpoint;
5. commit leaves, tiles, checkpoint, ids and blobs as one transaction; 6. move the anchor; 7. answer.

A crash before 5 ends leaves nothing. Between 5 and 6 the entries are stored but not acknowledged: the same events sent
again are duplicates, and the next append moves the anchor past them. After 6 the entries are acknowledged, and a
database without them is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.event import Entry
from ledger.log.anchor import Anchor
from ledger.log.store import edge as right_edge
from ledger.log.store import queries
from ledger.log.store.edge import Edge
from ledger.log.store.nodes import NodeReader
from ledger.log.store.store import BLOB, CHECKPOINT, ENTRY, EVENT, Store
from ledger.log.store.tracks import AssignPlaces, project_tracks
from ledger.log.store.tracks import after as ring_after
from ledger.proofs import canon, checkpoint, keyring, leaf, member, note, tile, tlog_proof, tree
from ledger.proofs import source as sourcing
from ledger.proofs.batch import TYPE as BATCH
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.keys import PrivateKey
from ledger.proofs.note import Vkey
from ledger.proofs.source import EventSource
from ledger.proofs.tree import Read, leaf_hashes
from ledger.proofs.trust import TrustedLog
from ledger.reading.reading import Reading
from ledger.types import Digest, Head, Leaf, parse_time

Clock = Callable[[], datetime]
Check = Callable[[Connection, Head], None]
"""Asked inside the write lock, before anything is written; raising gives the append up."""


class HandedOverError(StateError):
    """Another process rotated the log's key: nothing was written, and the log must be opened again."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Leaves `first` to `size - 1` are in the log, under this signed checkpoint."""

    first: int
    size: int
    checkpoint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafBatch:
    """Encoded leaves, ready to be appended. `types` and `bodies` are parallel; event keys are listed by offset."""

    bodies: Sequence[bytes]
    types: Sequence[str]
    hashes: Sequence[bytes]
    events: Sequence[tuple[str, str, int]] = ()
    blobs: dict[bytes, bytes] = field(default_factory=dict)


def batch_of(leaves: Sequence[Leaf], blobs: Iterable[bytes] = ()) -> LeafBatch:
    """Return leaves as a batch; InputError for an invalid leaf."""
    bodies = [leaf.encode(record) for record in leaves]
    return LeafBatch(
        bodies=bodies,
        types=[record["type"] for record in leaves],
        hashes=leaf_hashes(bodies),
        events=[
            (record["source"], record["event_id"], i) for i, record in enumerate(leaves) if record["type"] == "event"
        ],
        blobs={bytes.fromhex(canon.digest(data)): data for data in blobs},
    )


class _Dated(msgspec.Struct):
    """Return a leaf's ledger time; events have none."""

    at: str | None = None


_DATED: Final = msgspec.json.Decoder(_Dated).decode
CLOCKS_APART: Final = timedelta(minutes=1)
"""By which a leaf may be older than one before it: it is made before the lock is there, maybe on another machine."""
LOOKED_BACK: Final = 64
"""Leaves whose times are read on opening: so many that nobody gets far back in steps of a minute unnoticed."""


def _time_of(body: bytes) -> str | None:
    try:
        return _DATED(body).at
    except msgspec.MsgspecError as problem:
        raise VerificationError(f"a leaf is not what the log takes ({problem}); run `settle ledger fsck`") from None


class Log:
    """One append-only log. Safe to share between threads; any number of processes may open the same one."""

    def __init__(
        self,
        store: Store,
        anchor: Anchor,
        *,
        origin: str,
        signer: PrivateKey | Callable[[], PrivateKey],
        clock: Clock,
        trusted: Sequence[Key] | None = None,
    ) -> None:
        self.origin: Final = origin
        self.store: Final = store
        self.anchor: Final = anchor
        self.clock: Final = clock
        self.trusted: Final = trusted
        self._signer = signer
        self._edge: Edge | None = None
        self._assigns = AssignPlaces()
        self._readings: dict[tuple[str, ...], Reading] = {}
        self._reading_lock = threading.Lock()  # its own, so that nobody who reads waits for a commit
        self._written: tuple[int, str] = (0, "")  # the size up to which times have been read, and the latest of them
        self.wrote_old_form = False
        """Whether this program has appended to the log before its line of form 2 was drawn."""
        self._lock = threading.RLock()
        self.read: Final[Read] = NodeReader(self._read_tile)
        """Hashes of complete subtrees, for provers."""

    # --- opening ----------------------------------------------------------------------------------

    def check(self) -> Head:
        """Check at opening that tiles, checkpoint, last entries and anchor agree, or raise VerificationError."""
        anchored = self.anchor.read()  # before the database, which may only be ahead of it
        with self.store.reading() as connection:
            edge = right_edge.load(connection, self.origin, self.trusted)
            right_edge.check_last_entries(connection, edge.head.size)
            right_edge.check_anchor(connection, edge, anchored)
        self._edge = edge
        return edge.head

    def begin(self, *first: Leaf) -> Appended:
        """Start an empty log: anchor the empty tree, then append its first leaves."""
        with self.anchor.held() as anchor:
            if anchor.note is None:
                anchor.advance(checkpoint.sign(self.origin, 0, tree.EMPTY_ROOT, self.signer))
        return self.append(first or [leaf.log(self.clock(), origin=self.origin)], expect_size=0)

    @property
    def signer(self) -> PrivateKey:
        """Return the log's private key; if a callable was passed, it is called at the first signature."""
        if not isinstance(self._signer, PrivateKey):
            self._signer = self._signer()
        return self._signer

    def sign_with(self, signer: Callable[[], PrivateKey]) -> None:
        """Sign with the new key after the log key was rotated."""
        self._signer = signer

    def close(self) -> None:
        """Close the database and the anchor."""
        self.store.close()
        self.anchor.close()

    # --- appending --------------------------------------------------------------------------------

    def append(
        self, leaves: Sequence[Leaf], *, blobs: Iterable[bytes] = (), expect_size: int | None = None
    ) -> Appended:
        """Leaves and the matter they name, all or nothing; on return they are durable, signed for and anchored.

        With `expect_size`, raises ConflictError if the log has another size: the caller reads it and decides again.
        """
        return self.commit(batch_of(leaves, blobs), None if expect_size is None else self._unmoved(expect_size))

    def _unmoved(self, size: int) -> Check:
        """Abandon the append, under the lock, if the log no longer has this size."""

        def check(_: Connection, head: Head) -> None:
            if head.size != size:
                raise ConflictError(f"log {self.origin} has {head.size} entries, expected {size}; it moved meanwhile")

        return check

    def hand_over(self, end: Callable[[Head], Leaf], successor: PrivateKey) -> Appended:
        """Append the leaf that ends this log's key at the head passed to it; the successor signs from there on.

        The leaf must state the tree just before it: if another writer appended meanwhile, the leaf is made again.
        """
        while True:
            head = self.head()
            with suppress(ConflictError):
                done = self.commit(batch_of([end(head)]), self._unmoved(head.size), successor)
                self._signer = successor
                return done

    def commit(self, batch: LeafBatch, check: Check | None = None, signer: PrivateKey | None = None) -> Appended:
        """Append a prepared batch; the module's docstring gives the order of the steps.

        `signer` is the successor key to which this batch hands the log over, if any.
        """
        if not batch.bodies:
            raise InputError("an append needs at least one leaf")
        key = signer or self.signer
        with self._lock, self.anchor.held() as anchor:
            try:
                with self.store.writing() as tx:
                    edge = self._edge_in(tx)
                    right_edge.check_anchor(tx, edge, anchor.note)
                    if check is not None:
                        check(tx, edge.head)
                    latest = self._check_time(tx, edge.head.size, batch)
                    extended, tiles = self._extended(edge, batch, key)
                    signed = checkpoint.sign(self.origin, extended.head.size, extended.head.root, key)
                    self._write(tx, batch, edge, tiles, (extended.head, signed))
            except BaseException:
                self._edge = None  # what the database now holds is for it to say
                raise
            self._edge, self._written = extended, (extended.head.size, latest)
            line = None if extended.ring is None else extended.ring.line
            self.wrote_old_form = line is not None and line.index is None
            anchor.advance(signed)
        return Appended(edge.head.size, extended.head.size, signed)

    def _check_time(self, tx: Connection, size: int, batch: LeafBatch) -> str:
        """Refuse leaves dated before the log's latest time; return the latest time including this batch.

        A clock that was set back would reopen an ended grant or a closed period.
        """
        read, latest = self._written
        if read != size:
            latest = max([latest, *(_time_of(body) or "" for body in queries.last_bodies(tx, read, LOOKED_BACK))])
            self._written = (size, latest)
        if len(batch.events) == len(batch.bodies):
            return latest
        times = [_time_of(body) for body, kind in zip(batch.bodies, batch.types, strict=True) if kind != "event"]
        dated = [at for at in times if at is not None]
        if dated and latest and min(dated) < latest and parse_time(min(dated)) + CLOCKS_APART < parse_time(latest):
            raise StateError(
                f"this machine's clock says {min(dated)}, the log was last written at {latest}; set the clock right"
            )
        return max([latest, *dated])

    def _edge_in(self, tx: Connection) -> Edge:
        """Return the right edge; it is read again at the first append and after another writer's append."""
        last = queries.last_checkpoint(tx)
        if self._edge is not None and last is not None and last.size == self._edge.head.size:
            if last.root != self._edge.head.root:
                raise VerificationError(
                    f"log {self.origin}: the tree of size {last.size} changed; {right_edge.RECOVER}"
                )
            return self._edge
        edge = right_edge.load(tx, self.origin, self.trusted)
        if self._edge is None:
            right_edge.check_last_entries(tx, edge.head.size)
        return edge

    def _extended(self, before: Edge, batch: LeafBatch, signer: PrivateKey) -> tuple[Edge, list[tile.Changed]]:
        """The edge after a batch; StateError unless the signing key counts at its size.

        Checked under the lock: another process may have handed the log's key over meanwhile, and a checkpoint signed by
        the old key after that would make the log impossible to open.
        """
        edge, tiles = before.extended(batch.hashes)
        ring = before.ring
        if ring is None:
            return edge, tiles
        for offset, kind in enumerate(batch.types):
            if kind in keyring.TYPES:
                ring = ring_after(ring, before.head.size + offset, batch.bodies[offset])
        if not any(key.public == signer.public for key in ring.at(edge.head.size, "log")):
            raise HandedOverError("the log's key was handed over; open the log again")
        return replace(edge, ring=ring), tiles

    def _write(
        self, tx: Connection, batch: LeafBatch, before: Edge, tiles: list[tile.Changed], signed: tuple[Head, bytes]
    ) -> None:
        head, checkpoint_note = signed
        first = head.size - len(batch.bodies)
        store = self.store
        store.insert(tx, ENTRY, list(zip(range(first, head.size), batch.types, batch.bodies, strict=True)))
        store.insert(tx, EVENT, [(source, event_id, first + offset) for source, event_id, offset in batch.events])
        store.put_tiles(tx, tiles)
        store.insert(tx, CHECKPOINT, [(head.size, head.root, head.chain, checkpoint_note)])
        new_blobs = [(digest, data) for digest, data in batch.blobs.items() if queries.blob(tx, digest) is None]
        store.insert(tx, BLOB, new_blobs)
        if len(batch.events) < len(batch.bodies):
            project_tracks(tx, first, batch.types, batch.bodies, before.ring, assigns=self._assigns)

    def put_blob(self, data: bytes) -> Digest:
        """Store a content-addressed blob that a later leaf will name."""
        digest = canon.digest(data)
        with self.store.writing() as tx:
            if queries.blob(tx, bytes.fromhex(digest)) is None:
                self.store.insert(tx, BLOB, [(bytes.fromhex(digest), data)])
        return digest

    def seal(self) -> Appended:
        """Commit the tree to the chain's head, hourly and at a period's close."""
        while True:
            with suppress(ConflictError):  # another writer was faster; seal what there is now
                return self._seal(self.head())

    def seal_since(self, start: datetime) -> Appended | None:
        """Seal the log; None if it was sealed since then, or if there is no entry after the last seal.

        However many processes ask at once, one of them seals: the log must not have moved since it looked.
        """
        while True:
            head = self.head()
            with self.store.reading() as connection:
                last = queries.last_of_type(connection, "seal")
            if last is not None and (
                last.index == head.size - 1 or parse_time(leaf.decode(last.body)["at"]) >= start.replace(microsecond=0)
            ):
                return None
            with suppress(ConflictError):
                return self._seal(head)

    def _seal(self, head: Head) -> Appended:
        sealing = leaf.seal(self.clock(), size=head.size, root=head.root, chain=head.chain)
        return self.append([sealing], expect_size=head.size)

    # --- reading ----------------------------------------------------------------------------------

    def head(self, size: int | None = None) -> Head:
        """Return the log's head now, or at the size of one of its checkpoints."""
        with self.store.reading() as connection:
            signed = queries.last_checkpoint(connection)
        if signed is None:
            return Edge.empty(self.origin, self.trusted).head
        if size not in (None, signed.size):
            signed = self._signed(size)
        return Head(self.origin, signed.size, signed.root, signed.chain)

    def entries(
        self, *, types: Collection[str] | None = None, start: int = 0, stop: int | None = None
    ) -> Iterator[Entry]:
        """Yield entries in order, optionally only those of some types; fast for all types but `event`."""
        end = self.head().size if stop is None else stop
        while start < end:
            with self.store.reading() as connection:
                rows = queries.page(connection, start, end, types)
            yield from rows
            if len(rows) < queries.PAGE:
                return
            start = rows[-1].index + 1

    def entry(self, index: int) -> Entry:
        """Return one entry; InputError if the log has no such index."""
        with self.store.reading() as connection:
            rows = queries.page(connection, index, index + 1)
        if not rows:
            raise InputError(f"log {self.origin} has no entry {index}")
        return rows[0]

    def blob(self, digest: Digest) -> bytes:
        """Return the content with this digest after hashing it; InputError if it is not stored here."""
        with self.store.reading() as connection:
            data = queries.blob(connection, bytes.fromhex(digest))
        if data is None:
            raise InputError(f"log {self.origin} keeps nothing with digest {digest}")
        if canon.digest(data) != digest:
            raise VerificationError(f"what log {self.origin} keeps under digest {digest} has another digest")
        return data

    def find_event(self, source: str, event_id: str) -> int | None:
        """Return the index of a source's event, or None."""
        with self.store.reading() as connection:
            return queries.find_event(connection, source, event_id)

    def reading(self) -> Reading:
        """Return the reading of this log's own leaves, from the leaves themselves, not from projections.

        It is cached and extended by new leaves. A log opened without trusted keys checks no signatures.
        """
        return self._carried_forward(Reading.TYPES)

    def signed_batches(self) -> Reading:
        """Return the same reading, limited to signed batches and the parties of their sources; no vector is checked."""
        return self._carried_forward((*keyring.TYPES, sourcing.TYPE, BATCH))

    def sources(self) -> dict[str, EventSource]:
        """Return the party of each source, from the `source` and `key` leaves."""
        return dict(self._carried_forward((*keyring.TYPES, sourcing.TYPE)).sources)

    def members(self) -> dict[str, TrustedLog]:
        """Return every log that was registered here, with its first keys; reads only `member` leaves."""
        return dict(self._carried_forward((*keyring.TYPES, member.TYPE)).members)

    def _carried_forward(self, types: tuple[str, ...]) -> Reading:
        """Return a cached reading of the leaves of these types, after applying the leaves that are new."""
        with self._reading_lock:
            size = self.head().size
            if types not in self._readings:
                self._readings[types] = Reading(self.origin, self._dated(), self.blob)
            reading = self._readings[types]
            for entry in self.entries(types=types, start=reading.size, stop=size):
                reading.take(entry.index, leaf.decode(entry.body))
            reading.size = size
            return reading

    def _dated(self) -> tuple[Key, ...] | None:
        if self.trusted is None:
            return None
        with self.store.reading() as connection:
            return right_edge.dated_in(connection, self.trusted)

    def ring(self) -> KeyRing | None:
        """Return the keys after all key leaves; None for a log that was opened without trusted keys."""
        if self.trusted is None:
            return None
        with self.store.reading() as connection:
            return right_edge.ring_of(connection, self.origin, self.trusted)

    def assignments(self) -> dict[str, tuple[Digest, int]]:
        """Return, for every assigned track, its vector and the index of the assignment."""
        with self.store.reading() as connection:
            return {track: (vector, index) for track, vector, index in queries.assignments(connection)}

    @contextmanager
    def projection(self) -> Iterator[Connection]:
        """Open a transaction on a package's own `<name>_*` tables next to the log's; it commits when the block ends.

        It holds the database's write lock: do not append inside it.
        """
        with self.store.writing() as connection:
            yield connection

    # --- proving ----------------------------------------------------------------------------------

    def checkpoint(self, size: int | None = None) -> bytes:
        """Return the signed checkpoint of this size, by default the newest."""
        return self._signed(size).note

    def covering(self, index: int) -> bytes:
        """Return the checkpoint with which this entry was acknowledged."""
        with self.store.reading() as connection:
            signed = queries.checkpoint_covering(connection, index)
        if signed is None:
            raise InputError(f"log {self.origin} has no entry {index}")
        return signed.note

    def has_retired(self, signed: bytes) -> bool:
        """Return whether only retired log keys signed this checkpoint, so that it proves nothing on its own (V6)."""
        ring = self.ring()
        if ring is None:
            return False
        current = {Vkey(self.origin, key.public).id for key in ring.of("log") if key.until is None}
        return not any(line.name == self.origin and line.id in current for line in note.parse(signed).signatures)

    def inclusion(self, index: int, size: int | None = None) -> bytes:
        """Return a `.tlog-proof` of an entry in the tree of a checkpoint, by default the newest."""
        signed = self._signed(size)
        hashes = tree.prove_inclusion(index, signed.size, self.read)
        return tlog_proof.Proof(index=index, hashes=tuple(hashes), checkpoint=signed.note).encode()

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the hashes that prove the tree of size `old` to be a prefix of that of size `new`."""
        if new > self.head().size:
            raise InputError(f"log {self.origin} has {self.head().size} entries, not {new}")
        return tree.prove_consistency(old, new, self.read)

    def _read_tile(self, level: int, n: int) -> bytes:
        with self.store.reading() as connection:
            return queries.read_tile(connection, level, n)

    def _signed(self, size: int | None) -> queries.StoredCheckpoint:
        with self.store.reading() as connection:
            stored = queries.last_checkpoint(connection) if size is None else queries.checkpoint_at(connection, size)
        if stored is None:
            raise InputError(
                f"log {self.origin} has no checkpoint"
                + (
                    ""
                    if size is None
                    else f" of size {size}; there is one per batch, and `settle ledger head` names the newest"
                )
            )
        return stored
