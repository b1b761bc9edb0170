"""Read the registry's leaves: check each leaf's statement and rules before it has an effect.

A statement counts if a key of the party and role that it names signed it for this log, and if all its rows are in the
log, in order and once. A row counts if its author may state it (`ledger.registry.rules`). A row that fails is void: it
has no effect anywhere, and the reading keeps the reason, which `settle registry audit` lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ledger.errors import InputError, VerificationError
from ledger.event import Entry
from ledger.proofs.keyring import KeyRing
from ledger.registry import facts as f
from ledger.registry import statement
from ledger.registry.fold import State
from ledger.registry.statement import Registration
from ledger.types import Digest

Blob = Callable[[Digest], bytes]
Page = Callable[[int, int], Sequence[Entry]]
"""The registry's leaves between two indexes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditNote:
    """A remark of the audit about one id."""

    kind: str
    id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Stated:
    """Rows of one statement that follow each other in the log; `bodies` are the leaves, `facts` their content."""

    digest: Digest
    places: tuple[int, ...]
    bodies: tuple[bytes, ...]
    facts: tuple[f.AnyFact, ...]

    @property
    def start(self) -> int:
        """Return the index of the statement's first row, computed from the row number in the first of these leaves."""
        return self.places[0] - self.facts[0].row

    def below(self, row: int) -> Stated:
        """Return only the rows below a number; later leaves name the statement without being part of it."""
        count = max(0, row - self.facts[0].row)
        return Stated(self.digest, self.places[:count], self.bodies[:count], self.facts[:count])


def read(entries: Iterable[Entry], voids: list[AuditNote]) -> Iterator[Stated]:
    """Group the leaves by statement; a leaf that the registry cannot read is void."""

    def facts() -> Iterator[tuple[Entry, f.AnyFact]]:
        for entry in entries:
            try:
                yield entry, f.decode(entry.body)
            except VerificationError as problem:
                voids.append(AuditNote(kind="leaf", id=f"leaf {entry.index}", detail=str(problem)))

    # A statement's rows stand one after the other: a leaf that only names the statement is not among them.
    for (digest, _), group in groupby(facts(), key=lambda item: (item[1].statement, item[0].index - item[1].row)):
        items = list(group)
        yield Stated(
            digest=digest,
            places=tuple(entry.index for entry, _ in items),
            bodies=tuple(entry.body for entry, _ in items),
            facts=tuple(fact for _, fact in items),
        )


class Statements:
    """Decides which statements count, in the order of the log."""

    def __init__(self, origin: str, blob: Blob, page: Page | None = None) -> None:
        self._origin: Final = origin
        self._blob: Final = blob
        self._page: Final = page
        self._first: dict[Digest, int] = {}

    def check(self, ring: KeyRing | None, stated: Stated) -> tuple[Registration, Stated]:
        """Return the statement's content and its rows.

        Raises VerificationError unless the statement counts. Call it once for each, in order.
        """
        start = stated.start
        if self._first.get(stated.digest, start) != start:
            raise VerificationError("its rows stand in the log twice")
        try:
            envelope = self._blob(stated.digest)
        except InputError as problem:
            raise VerificationError(str(problem)) from None
        registration = statement.check(ring, stated.places[0], envelope, self._origin)
        if registration.after is not None and start < registration.after:
            raise VerificationError(
                f"it was signed when the log had {registration.after} entries, and stands at {start}"
            )
        stated = stated.below(registration.count)
        if not stated.places:
            raise VerificationError(f"it covers {registration.count} rows")
        stop = stated.places[-1] + 1
        whole = stated
        if self._page is not None and (start < stated.places[0] or len(stated.places) < registration.count):
            whole = self._whole(stated, start, stop, registration.count)
        statement.check_rows(registration, [fact.row for fact in whole.facts], statement.read_rows(whole.bodies))
        self._first.setdefault(stated.digest, start)  # not before: rows that fail must not void the genuine ones
        return registration, stated

    def _whole(self, stated: Stated, start: int, stop: int, count: int) -> Stated:
        """Return the statement with the rows before and after these: a reading may begin or end in the middle of it."""
        if self._page is None or start < 0:
            return stated
        earlier = read(self._page(start, stated.places[0]), [])
        later = read(self._page(stop, start + count), [])
        parts = [part for part in (*earlier, stated, *later) if part.digest == stated.digest]
        return Stated(
            digest=stated.digest,
            places=tuple(index for part in parts for index in part.places),
            bodies=tuple(body for part in parts for body in part.bodies),
            facts=tuple(fact for part in parts for fact in part.facts),
        )


class RegistryReading:
    """The registry's leaves so far: the state after them, and the leaves without effect."""

    def __init__(self, origin: str, blob: Blob, page: Page | None = None) -> None:
        self.state: Final = State()
        self.voids: list[AuditNote] = []
        self.void_leaves: set[int] = set()
        self.leaves = 0
        self.statements = 0
        self._statements = Statements(origin, blob, page)

    def take(self, ring: KeyRing | None, entries: Iterable[Entry]) -> Iterator[Stated]:
        """Apply the next leaves; yield what was applied, statement by statement."""
        for stated in read(entries, self.voids):
            self.statements += 1
            self.leaves += len(stated.facts)
            try:
                registration, counting = self._statements.check(ring, stated)
            except VerificationError as problem:
                self._void(stated.digest, stated.places, str(problem))
                continue
            if excess := stated.places[len(counting.places) :]:
                self._void(stated.digest, excess, f"it covers {registration.count} rows")
            for index, fact in zip(counting.places, counting.facts, strict=True):
                refusal = self.state.take(index, fact, registration)
                if refusal is not None:
                    self.voids.append(AuditNote(kind=fact.type, id=f"leaf {index}", detail=refusal))
                    self.void_leaves.add(index)
            yield counting

    def _void(self, digest: Digest, places: Sequence[int], reason: str) -> None:
        self.voids.append(AuditNote(kind="statement", id=digest, detail=f"leaves {places[0]} on: {reason}"))
        self.void_leaves.update(places)
