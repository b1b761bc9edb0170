"""The registry of a log: read its views, register facts in it.

This module does the reading and writing. All decisions are pure functions elsewhere: `rows`, `intake` and `compare`
decide what may be registered, `fold` and `view` compute the state.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from ledger.errors import ConflictError, VerificationError
from ledger.event import Entry
from ledger.log.append import LeafBatch, Log
from ledger.log.store import edge, queries
from ledger.proofs import canon, tree
from ledger.proofs.keyring import KeyRing
from ledger.registry import facts as f
from ledger.registry import personal, statement, tables
from ledger.registry.fold import State
from ledger.registry.intake import Planned
from ledger.registry.model import Instant, Recording
from ledger.registry.reading import RegistryReading, Stated, Statements, read
from ledger.registry.statement import Registration, Signer
from ledger.registry.view import View
from ledger.types import Digest, Head, format_time

CHUNK: Final = 10_000
"""Rows per statement and per append: one transaction's worth."""

PAGE: Final = 65_536
"""Leaves read at a time: every page sorts what is left of many types, so few large ones are quicker."""
INDEX_ROWS: Final = 200_000
"""Rows of the index written at a time."""

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class RegisteredFacts:
    """The result of a registration: number of leaves, size of the log, digests of the statements."""

    leaves: int
    size: int
    statements: tuple[Digest, ...]


class Registry:
    """The registry that a log holds. One writer at a time; any number of views."""

    def __init__(self, log: Log, *, entropy: personal.Entropy = secrets.token_bytes) -> None:
        self.log: Final = log
        self._entropy = entropy
        self._reading = self._fresh()
        self._read = 0
        self._view: View | None = None

    # --- reading ----------------------------------------------------------------------------------

    def now(self) -> Instant:
        """Return the ledger's time."""
        return format_time(self.log.clock())

    def view(self, size: int | None = None) -> View:
        """Return the registry as known when the log had `size` leaves; by default as known now."""
        at = self.log.head().size if size is None else size
        if at < self._read:
            earlier = self._fresh()
            self._fold(earlier, 0, at)
            return earlier.state.view(at)
        if self._fold(self._reading, self._read, at) or self._view is None:
            self._view = self._reading.state.view(at)
        elif self._view.size != at:
            self._view = replace(self._view, size=at)
        self._read = at
        return self._view

    def _fresh(self) -> RegistryReading:
        return RegistryReading(self.log.origin, self.log.blob, self._page)

    def _page(self, start: int, stop: int) -> list[Entry]:
        return list(self._entries(start, stop))

    def _fold(self, reading: RegistryReading, start: int, stop: int) -> int:
        leaves = reading.leaves
        for _ in reading.take(self._ring(), self._entries(start, stop)):
            pass
        return reading.leaves - leaves

    def _ring(self) -> KeyRing | None:
        if self.log.trusted is None:
            return None
        with self.log.store.reading() as connection:
            return edge.ring_of(connection, self.log.origin, self.log.trusted)

    def facts(self, *, stop: int | None = None, types: Collection[str] = f.TYPES) -> Iterator[tuple[int, f.AnyFact]]:
        """Return the registry's facts that count, in log order, each with its index."""
        end = self.log.head().size if stop is None else stop
        self.view(max(end, self._read))
        for entry in self._entries(0, end, types):
            if entry.index not in self._reading.void_leaves:
                yield entry.index, f.decode(entry.body)

    def _entries(self, start: int, stop: int, types: Collection[str] = f.TYPES) -> Iterator[Entry]:
        while start < stop:
            with self.log.store.reading() as connection:
                entries = queries.page(connection, start, stop, types, limit=PAGE)
            yield from entries
            start = entries[-1].index + 1 if len(entries) == PAGE else stop

    def view_of(self, subject: str, *, size: int | None = None) -> View:
        """Return a view that can answer questions about one id: it has the facts of the id and of its owners.

        Reads few leaves through the registry's index instead of all.
        """
        self.catch_up()
        at = self.log.head().size if size is None else size
        first = self._facts_about([subject], at)
        works = [fact.work for fact in first.values() if isinstance(fact, f.LinkFact)]
        more = self._facts_about(works, at) if works else {}
        facts = first | more
        owners = {fact.party for fact in facts.values() if isinstance(fact, f.ShareFact)}
        owners |= {part.party for fact in facts.values() if isinstance(fact, f.ResolveFact) for part in fact.parts}
        facts |= self._facts_about([key for party in sorted(owners) for key in (party, f"all:{party}")], at)
        state = State()
        for index in sorted(facts):
            state.take(index, facts[index], self._said(facts[index].statement))
        return state.view(at)

    def _said(self, digest: Digest) -> Registration:
        return statement.read(self.log.blob(digest))

    def _facts_about(self, keys: Sequence[str], stop: int) -> dict[int, f.AnyFact]:
        about = tables.ABOUT
        with self.log.store.reading() as connection:
            query = select(about.c.idx).where(about.c.key.in_(keys), about.c.idx < stop).order_by(about.c.idx)
            indexes = list(dict.fromkeys(connection.execute(query).scalars()))
            bodies = queries.bodies(connection, indexes)
        return {index: f.decode(bodies[index]) for index in indexes}

    def author_of(self, index: int) -> str:
        """Return the party whose statement registered the leaf at this index."""
        with self.log.store.reading() as connection:
            body = queries.bodies(connection, [index])[index]
        return statement.party_of(self.log.blob(f.decode(body).statement))

    def size_at(self, moment: Instant) -> int:
        """Return the size of the log after its last registry leaf up to an instant."""
        size = 0
        for index, fact in self.facts():
            if fact.at > moment:
                return size
            size = index + 1
        return self.log.head().size

    def personal_of_all(self, kind: str) -> dict[str, personal.Fields]:
        """Return the erasable fields of every id of a kind, read at once."""
        with self.log.store.reading() as connection:
            return {name: fields for (_, name), (_, fields) in personal.load(connection, kind).items()}

    def personal(self, kind: str, one: str) -> personal.Fields:
        """Return the erasable fields of one id."""
        with self.log.store.reading() as connection:
            fields = personal.find(connection, kind, one)
        return {} if fields is None else fields[1]

    def catalogue(self, size: int | None = None) -> list[Recording]:
        """Return every recording in the order of registration, with its artist if that was not erased."""
        with self.log.store.reading() as connection:
            personal_rows = personal.load(connection)
        return [
            msgspec.structs.replace(recording, artist=personal_rows["recording", recording.id][1].get("artist"))
            if ("recording", recording.id) in personal_rows
            else recording
            for recording in self.view(size).recordings()
        ]

    # --- the index --------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Extend the index of ids to the current size of the log."""
        head = self.log.head().size
        with self.log.store.reading() as connection:
            behind = queries.page(connection, tables.projected(connection), head, f.TYPES, limit=1)
        if not behind:
            return
        with self.log.projection() as connection:
            tables.ensure(connection)
            start = tables.projected(connection)
            rows: list[tuple[str, int]] = []
            for stated in self._counting(start, head):
                if not _repeated(connection, stated):
                    rows += _keys(stated)
                if len(rows) > INDEX_ROWS:
                    self._index(connection, rows)
                    rows = []
            self._index(connection, rows)
            tables.set_projected(connection, head)

    def _index(self, connection: Connection, rows: list[tuple[str, int]]) -> None:
        rows.sort()  # neighbours in the index are written together
        self.log.store.insert(connection, ("registry_about", ("key", "idx")), rows)

    def _counting(self, start: int, stop: int) -> Iterator[Stated]:
        """Return the statements that count; the rules decide about their rows when these are folded."""
        ring, statements = self._ring(), Statements(self.log.origin, self.log.blob, self._page)
        for stated in read(self._entries(start, stop), []):
            with suppress(VerificationError):
                yield statements.check(ring, stated)[1]

    def index_differences(self) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        """Return the index's missing (key, leaf) and its superfluous ones, compared with the log."""
        about = tables.ABOUT
        with self.log.store.reading() as connection:
            size = tables.projected(connection)
            exists = tables.made(connection, about)
            stored = (
                {(key, idx) for key, idx in connection.execute(select(about.c.key, about.c.idx))} if exists else set()
            )
        derived = {pair for stated in self._counting(0, size) for pair in _keys(stated)}
        return sorted(derived - stored), sorted(stored - derived)

    def rebuild(self) -> None:
        """Delete the index and build it again from the log."""
        with self.log.projection() as connection:
            tables.ensure(connection)
            connection.execute(tables.ABOUT.delete())
            tables.set_projected(connection, 0)
        self.catch_up()

    # --- writing ----------------------------------------------------------------------------------

    def register(
        self,
        planned: Iterable[Planned],
        signer: Signer,
        *,
        known: int,
        at: Instant | None = None,
        blobs: Sequence[bytes] = (),
        on_progress: Progress | None = None,
    ) -> RegisteredFacts:
        """Sign and append facts, in a fixed order, in as many statements as they need.

        `known` is the size of the view they were planned against: ConflictError if another registry leaf has been
        appended since. `at` is the ledger time for all of them, by default now. The rows of one statement are appended
        all or nothing.
        """
        moment = self.now() if at is None else at
        ordered = sorted(planned, key=_order)
        statements: list[Digest] = []
        for start in range(0, len(ordered), CHUNK):
            chunk = ordered[start : start + CHUNK]
            digest, known = self._append(chunk, signer, known, moment, blobs if start == 0 else ())
            statements.append(digest)
            if on_progress is not None:
                on_progress(start + len(chunk), len(ordered))
        return RegisteredFacts(len(ordered), known, tuple(statements))

    def _append(
        self, chunk: Sequence[Planned], signer: Signer, known: int, at: Instant, blobs: Sequence[bytes]
    ) -> tuple[Digest, int]:
        personal_rows: list[tuple[str, str, bytes, personal.Fields]] = []
        rows: list[f.AnyFact] = []
        for item in chunk:
            fact = item.fact
            if item.personal:
                salt = self._entropy(personal.SALT_SIZE)
                personal_rows.append((fact.type, f.id_of(fact), salt, item.personal))
                fact = msgspec.structs.replace(fact, personal=personal.digest(salt, item.personal))
            rows.append(fact)
        encoded = [f.encode(fact) for fact in rows]
        envelope = statement.sign(encoded, signer, self.log.origin).encode()
        if self._has(canon.digest(envelope)):
            envelope = statement.sign(encoded, signer, self.log.origin, after=known).encode()
        digest = canon.digest(envelope)
        bodies = [f.encode_leaf(fact, at=at, statement=digest, row=row) for row, fact in enumerate(rows)]

        def unchanged(connection: Connection, head: Head) -> None:
            if queries.page(connection, known, head.size, f.TYPES, limit=1):
                raise ConflictError("the registry changed meanwhile; nothing of this batch was registered, try again")
            if personal_rows:
                tables.ensure(connection)
                personal.keep(connection, personal_rows)

        matter = {bytes.fromhex(canon.digest(blob)): blob for blob in (envelope, *blobs)}
        batch = LeafBatch(
            bodies=bodies, types=[fact.type for fact in rows], hashes=tree.leaf_hashes(bodies), blobs=matter
        )
        appended = self.log.commit(batch, unchanged)
        return digest, appended.size

    def _has(self, digest: Digest) -> bool:
        with self.log.store.reading() as connection:
            return queries.blob(connection, bytes.fromhex(digest)) is not None


def _keys(stated: Stated) -> list[tuple[str, int]]:
    """Return the index keys of a statement and its rows."""
    rows = zip(stated.places, stated.facts, strict=True)
    return [(_STATEMENT + stated.digest, stated.start), *((key, i) for i, fact in rows for key in set(f.keys_of(fact)))]


def _repeated(connection: Connection, stated: Stated) -> bool:
    """Return whether the statement is in the index already, with rows elsewhere in the log."""
    about = tables.ABOUT
    query = select(about.c.idx).where(about.c.key == _STATEMENT + stated.digest, about.c.idx != stated.start)
    return connection.execute(query).first() is not None


_STATEMENT: Final = "statement:"


_ORDER: Final = {name: place for place, name in enumerate(f.TYPES)}


def _order(one: Planned) -> tuple[int, str, bytes]:
    """Sort leaves of one import by type, then by id, so that the order of its rows has no effect."""
    return _ORDER[one.fact.type], f.id_of(one.fact), f.encode(one.fact)
