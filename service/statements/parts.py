"""The contents of a run's statements by party: computed once, stored next to the log, then looked up.

The contents never change after the run, except which signatures under its streams are valid: those are part of the
file's name. A lost file is no problem; the next statement writes it again. The operator's key signs the digests of all
parts, so that a statement is not printed from a part that somebody changed; where the key is not at hand, the parts
stay in memory.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ledger.errors import SettleError, TransientError, VerificationError
from ledger.files import make_folder, sync_folder
from ledger.proofs import canon, dsse
from ledger.proofs.keys import PrivateKey, PublicKey
from ledger.registry.view import View
from ledger.types import Digest
from payouts.compute import Line
from payouts.division.breakdown import Piece, break_down
from payouts.life.book import Book
from payouts.statements.line_factors import Factors, value_in_words
from payouts.statements.statement import (
    Background,
    Earning,
    Streams,
    Waiting,
    earnings_of,
    waiting_of,
)
from service.log.logs import listed
from service.settlement.runs import again
from service.settlement.step import read_book
from service.settlement.stored import Stored, load
from service.statements.platforms import Counts, behind, counted, signers_of

if TYPE_CHECKING:
    from service.workspace import Workspace

FOLDER: Final = "statement-parts"
FORM: Final = 2
"""Of the files; raised when a part's fields change, so that older files are left aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPart:
    """A run's result for one party: the origins of its money, and the money that waits."""

    unit_value: str
    earnings: tuple[Earning, ...] = ()
    streams: tuple[Streams, ...] = ()
    territories: tuple[str, ...] = ()
    waiting: tuple[Waiting, ...] = ()


Part = tuple[str, StatementPart]
_SCHEMA: Final = (
    "CREATE TABLE part (party TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE digest (party TEXT PRIMARY KEY, sha256 BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE signed (statement BLOB NOT NULL)",
)
_SIGNED_TYPE: Final = "application/vnd.settle.statement-parts+json"
_NOBODY: Final = ""
"""The party under which a run's own figures stand, for those who have no part in it."""


class StatementParts:
    """The parts of one run."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path | None = None, signers: Sequence[PublicKey] = ()
    ) -> None:
        """`signers`: whose signature the parts in a file need."""
        self._connection = connection
        self._path = path
        self._decode = msgspec.msgpack.Decoder(StatementPart).decode
        with self._removed_if_unreadable():
            self._digests: dict[str, bytes] = dict(connection.execute("SELECT party, sha256 FROM digest"))
            if path is not None:
                (statement,) = connection.execute("SELECT statement FROM signed").fetchone()
                _check_signed(statement, _payload(path.name, self._digests), signers)

    @classmethod
    def of(cls, ws: Workspace, book: Book, stored: Stored) -> StatementParts:
        """Return the parts of a run from their file, or compute them, which reads the whole run."""
        logs = listed(ws, book, stored.record.period)
        signers = signers_of(logs)
        named = {origin: {str(index): party for index, party in by.items()} for origin, by in signers.items()}
        name = hashlib.sha256(canon.encode([FORM, stored.record.run, named])).hexdigest()
        path = ws.home / FOLDER / f"{stored.record.period}-{name[:32]}.db"
        ring = ws.log.ring()
        operators = () if ring is None else [key.public for key in ring.at(ws.log.head().size, "operator")]
        stored_parts = cls._from_file(path, operators)
        if stored_parts is None and (key := ws.key_without_asking("operator")) is not None:
            parts = _taken_apart(ws, stored, counted(logs, signers, stored))
            with suppress(OSError, sqlite3.OperationalError):
                _write(path, parts, key)
            stored_parts = cls._from_file(path, operators)
        if stored_parts is None:  # a workspace that may be read only, or whose key somebody would have to unlock
            connection = sqlite3.connect(":memory:")
            _insert(connection, _taken_apart(ws, stored, counted(logs, signers, stored)))
            return cls(connection)
        return stored_parts

    @classmethod
    def _from_file(cls, path: Path, operators: Sequence[PublicKey]) -> StatementParts | None:
        """Return the parts in a file; None without a file. One that is unreadable, or nobody signed, is removed."""
        if not path.exists():
            return None
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            parts = cls(connection, path, operators)
            parts.part(_NOBODY)
        except (TransientError, sqlite3.Error):  # the latter where the path is no file
            return None
        return parts

    def close(self) -> None:
        self._connection.close()

    def parties(self) -> set[str]:
        """Return every party with a part in the run."""
        return self._digests.keys() - {_NOBODY}

    def part(self, party: str) -> StatementPart:
        """Return a party's part; an empty one if the run has none."""
        name = party if party in self._digests else _NOBODY
        with self._removed_if_unreadable():
            row = self._connection.execute("SELECT content FROM part WHERE party = ?", (name,)).fetchone()
            if row is None:
                raise sqlite3.DatabaseError("a part is missing")
            if hashlib.sha256(row[0]).digest() != self._digests.get(name):
                raise VerificationError(f"the part of {name or 'nobody'} was changed since it was signed")
            return self._decode(row[0])

    @contextmanager
    def _removed_if_unreadable(self) -> Iterator[None]:
        """Remove a damaged file, which is then written again; otherwise its statements would fail for ever."""
        try:
            yield
        except (sqlite3.Error, msgspec.MsgspecError, TypeError, ValueError, VerificationError) as problem:
            self.close()
            if self._path is not None:
                with suppress(OSError):
                    self._path.unlink()
            raise TransientError(
                f"{self._path}: the parts of the run's statements cannot be used and were removed: {problem}; ask again"
            ) from problem


def prepare(ws: Workspace, run: Digest) -> None:
    """Store the parts of a published run. Without them the first statement takes the run apart, and says what fails."""
    book = read_book(ws)
    with suppress(SettleError):
        StatementParts.of(ws, book, load(ws.log, book.runs[run])).close()


def _payload(name: str, digests: Mapping[str, bytes]) -> bytes:
    """Return what the operator's key signs of a file of parts."""
    hashes = hashlib.sha256()
    for party, digest in sorted(digests.items()):
        hashes.update(hashlib.sha256(party.encode()).digest() + digest)
    return canon.encode({"v": FORM, "file": name, "parts": len(digests), "sha256": hashes.hexdigest()})


def _check_signed(statement: bytes, payload: bytes, signers: Sequence[PublicKey]) -> None:
    envelope = dsse.parse(statement)
    if (envelope.payload_type, envelope.payload) != (_SIGNED_TYPE, payload):
        raise VerificationError("their list was changed since it was signed")
    if not dsse.signers(envelope, signers):
        raise VerificationError("no key of the operator that counts now signed them")


def _write(path: Path, parts: Iterable[Part], key: PrivateKey) -> None:
    """Write a file of parts atomically, signed."""
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        with closing(sqlite3.connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            payload = _payload(path.name, _insert(connection, parts))
            with connection:
                statement = dsse.sign(_SIGNED_TYPE, payload, [key]).encode()
                connection.execute("INSERT INTO signed VALUES (?)", (statement,))
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _insert(connection: sqlite3.Connection, parts: Iterable[Part]) -> dict[str, bytes]:
    """Store the parts; return their digests by party."""
    encode = msgspec.msgpack.Encoder().encode
    digests: dict[str, bytes] = {}

    def encoded() -> Iterator[tuple[str, bytes]]:
        for party, part in parts:
            content = encode(part)
            digests[party] = hashlib.sha256(content).digest()
            yield party, content

    with connection:
        for table in _SCHEMA:
            connection.execute(table)
        connection.executemany("INSERT INTO part VALUES (?, ?)", encoded())
        connection.executemany("INSERT INTO digest VALUES (?, ?)", digests.items())
    return digests


def _taken_apart(ws: Workspace, stored: Stored, streams: Counts) -> Iterator[Part]:
    """Compute everybody's part, in the order of the parties."""
    inputs = again(ws, stored)
    view = ws.registry.view(stored.payload["inputs"]["registry_size"])
    background = Background.of(stored.paid_usage, inputs.vectors, lambda name: title(view, name))
    factors = Factors(
        period=stored.record.period,
        aspects=stored.terms.aspects,
        usage=stored.paid_usage,
        view=inputs.view,
        outcome=stored.outcome,
    )
    unit_value = value_in_words(factors.value)
    yield _NOBODY, StatementPart(unit_value=unit_value)
    lines: dict[str, list[tuple[Line, Sequence[Piece]]]] = defaultdict(list)
    for line, behind_line in break_down(inputs, stored.outcome):
        if line.party:
            lines[line.party].append((line, behind_line))
    for party, line in _suspended(view, stored):
        lines[party].append((line, ()))
    for party in sorted(lines):
        lines_of_party = lines.pop(party)
        pieces = [
            piece
            for line, behind_line in lines_of_party
            if line.state == "allocated"
            for piece in behind_line
            if piece.micros
        ]
        tracks = {piece.track for piece in pieces}
        yield (
            party,
            StatementPart(
                unit_value=unit_value,
                earnings=earnings_of(pieces, background, factors, party),
                streams=behind(streams, tracks),
                territories=tuple(sorted({place for track in tracks for place in factors.territories.get(track, ())})),
                waiting=waiting_of(stored.record.run, lines_of_party, background.title),
            ),
        )


def title(view: View, subject: str) -> str:
    """Return the title of a track, a recording or a work; empty where nothing of this id has a title."""
    for records in (view.tracks, view.all_recordings, view.works):
        if subject in records:
            return records[subject].title or ""
    return ""


def _suspended(view: View, stored: Stored) -> Iterator[tuple[str, Line]]:
    """Return lines in suspense by the parties that claim a share of their subject."""
    for line in stored.outcome.lines:
        right, colon, subject = line.group.removeprefix("?").partition(":")
        if line.state == "suspense" and colon:
            for party in sorted({share.party for share in view.shares_of.get((subject, right), ())}):
                yield party, line
