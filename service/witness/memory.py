"""A witness's database: the largest cosigned tree of each log, and proofs of forks.

One SQLite row a log. The decision and its storage are one transaction under the database's write lock, durable before
the answer is sent: a witness that loses its state can be made to cosign a fork. For the same reason `serve` never
creates a missing database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import ConflictError, StateError, TransientError
from ledger.files import keep_private
from ledger.proofs.witness import OK, CosignDecision, CosignedHead

REFUSED_MAX: Final = 1_000
"""Contradictions that are kept of one log: the first proves the fork, and a log must not be able to fill the disk."""

_SCHEMA: Final = """
CREATE TABLE held (
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE refused (
  id INTEGER PRIMARY KEY, origin TEXT NOT NULL, time INTEGER NOT NULL, reason TEXT NOT NULL,
  held BLOB, note BLOB NOT NULL, UNIQUE (origin, note)
) STRICT;
CREATE TRIGGER held_forward BEFORE UPDATE ON held WHEN NEW.size < OLD.size OR NEW.origin <> OLD.origin
  OR (NEW.size = OLD.size AND NEW.root <> OLD.root) BEGIN SELECT RAISE(ABORT, 'a witness never goes back'); END;
CREATE TRIGGER held_kept BEFORE DELETE ON held BEGIN SELECT RAISE(ABORT, 'a witness never forgets'); END;
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """The last cosigned checkpoint of a log, with its cosignature."""

    origin: str
    size: int
    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class ForkReport:
    """A checkpoint that contradicts the stored one of the same log: proof of a fork."""

    origin: str
    time: int
    reason: str
    held: bytes | None
    note: bytes


class WitnessStore:
    """The database of one witness; safe for any number of threads and processes."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StateError(
                f"no witness database {path}; a witness that lost its memory must not go on under the same key: "
                "restore it, or make a new witness with `settle witness init`"
            )
        self.path: Final = path

    @classmethod
    def create(cls, path: Path) -> WitnessStore:
        """Create the empty database of a new witness."""
        if path.exists():
            raise ConflictError(f"witness database {path} exists already; nothing was changed")
        with closing(sqlite3.connect(path)) as connection:
            keep_private(path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        return cls(path)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA recursive_triggers = ON")
                yield connection
        except sqlite3.Error as failure:
            raise TransientError(f"witness database {self.path}: {failure}; nothing was cosigned") from failure

    def compare_and_swap(
        self,
        origin: str,
        signed: bytes,
        *,
        time: int,
        decide: Callable[[CosignedHead], CosignDecision],
        cosign: Callable[[], bytes],
    ) -> tuple[CosignDecision, bytes]:
        """Decide from the stored state and store the outcome in one step; return the note if it was cosigned."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute("SELECT size, root, note FROM held WHERE origin = ?", (origin,)).fetchone()
            decision = decide(CosignedHead() if row is None else CosignedHead(row[0], row[1]))
            cosigned = b""
            if decision.status == OK and decision.checkpoint is not None:
                cosigned = cosign()
                connection.execute(
                    "INSERT INTO held VALUES (?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE "
                    "SET size = excluded.size, root = excluded.root, note = excluded.note",
                    (origin, decision.checkpoint.size, decision.checkpoint.root, cosigned),
                )
            elif decision.evidence:
                connection.execute(
                    "INSERT INTO refused (origin, time, reason, held, note) SELECT ?, ?, ?, ?, ? "
                    "WHERE (SELECT COUNT(*) FROM refused WHERE origin = ?) < ? ON CONFLICT (origin, note) DO NOTHING",
                    (origin, time, decision.reason, None if row is None else row[2], signed, origin, REFUSED_MAX),
                )
            connection.execute("COMMIT")
            return decision, cosigned

    def seen(self) -> Sequence[Seen]:
        """Return every log with its last cosigned checkpoint."""
        with self._connection() as connection:
            rows = connection.execute("SELECT origin, size, root, note FROM held ORDER BY origin").fetchall()
        return [Seen(*row) for row in rows]

    def refused(self) -> Sequence[ForkReport]:
        """Return every contradiction that was ever presented."""
        with self._connection() as connection:
            rows = connection.execute("SELECT origin, time, reason, held, note FROM refused ORDER BY id").fetchall()
        return [ForkReport(*row) for row in rows]
