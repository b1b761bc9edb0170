"""The contents of a run's statements by party: computed once, stored next to the log, then looked up.

The contents never change after the run, except which signatures under its streams are valid: those are part of the
file's name. A lost file is no problem; the next statement writes it again.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ledger.errors import SettleError, TransientError
from ledger.files import make_folder, sync_folder
from ledger.proofs import canon
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
FORM: Final = 1
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
_SCHEMA: Final = "CREATE TABLE part (party TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID"
_NOBODY: Final = ""
"""The party under which a run's own figures stand, for those who have no part in it."""


class StatementParts:
    """The parts of one run."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None = None) -> None:
        self._connection = connection
        self._path = path
        self._decode = msgspec.msgpack.Decoder(StatementPart).decode

    @classmethod
    def of(cls, ws: Workspace, book: Book, stored: Stored) -> StatementParts:
        """Return the parts of a run from their file, or compute them, which reads the whole run."""
        logs = listed(ws, book, stored.record.period)
        signers = signers_of(logs)
        named = {origin: {str(index): party for index, party in by.items()} for origin, by in signers.items()}
        name = hashlib.sha256(canon.encode([FORM, stored.record.run, named])).hexdigest()
        path = ws.home / FOLDER / f"{stored.record.period}-{name[:32]}.db"
        if (stored_parts := cls._from_file(path)) is None:
            parts = _taken_apart(ws, stored, counted(logs, signers, stored))
            with suppress(OSError, sqlite3.OperationalError):
                _write(path, parts)
            stored_parts = cls._from_file(path)
        if stored_parts is None:  # a workspace that may be read only
            connection = sqlite3.connect(":memory:")
            _insert(connection, _taken_apart(ws, stored, counted(logs, signers, stored)))
            return cls(connection)
        return stored_parts

    @classmethod
    def _from_file(cls, path: Path) -> StatementParts | None:
        """Return the parts in a file; None without a file. An unreadable file is removed."""
        if not path.exists():
            return None
        parts = cls(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True), path)
        try:
            parts.part(_NOBODY)
        except TransientError:
            return None
        return parts

    def close(self) -> None:
        self._connection.close()

    def parties(self) -> set[str]:
        """Return every party with a part in the run."""
        with self._removed_if_unreadable():
            rows = self._connection.execute("SELECT party FROM part WHERE party <> ?", (_NOBODY,))
            return {party for (party,) in rows}

    def part(self, party: str) -> StatementPart:
        """Return a party's part; an empty one if the run has none."""
        query = "SELECT content FROM part WHERE party IN (?, ?) ORDER BY party DESC LIMIT 1"
        with self._removed_if_unreadable():
            row = self._connection.execute(query, (party, _NOBODY)).fetchone()
            if row is None:
                raise sqlite3.DatabaseError("a part is missing")
            return self._decode(row[0])

    @contextmanager
    def _removed_if_unreadable(self) -> Iterator[None]:
        """Remove a damaged file, which is then written again; otherwise its statements would fail for ever."""
        try:
            yield
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as problem:
            self.close()
            if self._path is not None:
                with suppress(OSError):
                    self._path.unlink()
            raise TransientError(
                f"{self._path}: the parts of the run's statements cannot be read and were removed: {problem}; ask again"
            ) from problem


def prepare(ws: Workspace, run: Digest) -> None:
    """Store the parts of a published run. Without them the first statement takes the run apart, and says what fails."""
    book = read_book(ws)
    with suppress(SettleError):
        StatementParts.of(ws, book, load(ws.log, book.runs[run])).close()


def _write(path: Path, parts: Iterable[Part]) -> None:
    """Write a file of parts atomically."""
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        with closing(sqlite3.connect(temporary)) as connection:
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            _insert(connection, parts)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _insert(connection: sqlite3.Connection, parts: Iterable[Part]) -> None:
    encode = msgspec.msgpack.Encoder().encode
    with connection:
        connection.execute(_SCHEMA)
        connection.executemany("INSERT INTO part VALUES (?, ?)", ((party, encode(part)) for party, part in parts))


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
