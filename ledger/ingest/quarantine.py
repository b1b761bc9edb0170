"""Store quarantined rows as they were sent, until they are replayed or discarded.

A row is stored once however often its file is sent: it is identified by the digest of its bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, select, text
from sqlmodel import col

from ledger.errors import InputError, StateError
from ledger.ingest.rows import RowRefusal
from ledger.log.store.schema import QuarantineRow

Kind = Literal["invalid", "unknown-track", "vector", "source", "conflict", "other-source"]
KINDS: Final[tuple[Kind, ...]] = ("invalid", "unknown-track", "vector", "source", "conflict")
"""The kinds of events that are tried again when all that wait are; other rooms keep rows of theirs here too."""

OTHER_SOURCE: Final[Kind] = "other-source"
"""A row that speaks for another platform than the one whose file it came in: somebody names it, or it waits."""

ID_MAX: Final = 2**63 - 1
"""What the databases can count to; a greater number is no row's id, and they could not even be asked for it."""

State = Literal["waiting", "replayed", "discarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row in quarantine: its file and line, the reason, and the time."""

    id: int
    kind: str
    file: str
    line: int
    reason: str
    raw: str
    at: str
    state: str


_KEEP: Final = text(
    "INSERT INTO quarantine (digest, kind, name, line, reason, raw, at, state) "
    "VALUES (:digest, :kind, :name, :line, :reason, :raw, :at, 'waiting') ON CONFLICT (digest) DO UPDATE SET "
    "state = 'waiting', kind = excluded.kind, name = excluded.name, line = excluded.line, at = excluded.at, "
    "reason = excluded.reason || '; before: ' || quarantine.reason WHERE quarantine.state = 'discarded'"
)
_DISCARD: Final = text("UPDATE quarantine SET state = 'discarded', reason = :reason WHERE id = :number")
_RELEASE: Final = text("UPDATE quarantine SET state = 'replayed' WHERE digest = :digest")


def keep(tx: Connection, name: str, at: str, rows: Iterable[tuple[Kind, RowRefusal]]) -> None:
    """Store rows of a file in quarantine; rows that wait already stay, discarded ones wait again."""
    values: list[dict[str, Any]] = [
        {
            "digest": row_digest(row.raw),
            "kind": kind,
            "name": name,
            "line": row.line,
            "reason": row.reason,
            "raw": row.raw,
            "at": at,
        }
        for kind, row in rows
    ]
    if values:
        tx.execute(_KEEP, values)


def row_digest(raw: bytes) -> bytes:
    """Return the digest that identifies a row."""
    return hashlib.sha256(raw).digest()


def release(tx: Connection, raws: Sequence[bytes]) -> None:
    """Mark these rows as appended."""
    if raws:
        tx.execute(_RELEASE, [{"digest": row_digest(raw)} for raw in raws])


def discarded(connection: Connection) -> set[bytes]:
    """Return the discarded rows by their identity."""
    query = select(col(QuarantineRow.digest)).where(col(QuarantineRow.state) == "discarded")
    return {bytes(digest) for digest in connection.execute(query).scalars()}


def discard(tx: Connection, numbers: Sequence[int], said: str) -> int:
    """Discard rows: they stay, with a remark added to their reason. Return the number discarded."""
    rows = [one(tx, number) for number in numbers]
    if replayed := [row.id for row in rows if row.state == "replayed"]:
        raise StateError(f"row {replayed[0]} was replayed and accepted; there is nothing to discard")
    waiting = [row for row in rows if row.state == "waiting"]
    for row in waiting:
        tx.execute(_DISCARD, {"number": row.id, "reason": f"{row.reason} ({said})"})
    return len(waiting)


def listed(connection: Connection, *, state: State | None = "waiting", kind: str | None = None) -> list[Kept]:
    """Return the quarantined rows, oldest first."""
    query = select(QuarantineRow).order_by(col(QuarantineRow.id))
    if state is not None:
        query = query.where(col(QuarantineRow.state) == state)
    if kind is not None:
        query = query.where(col(QuarantineRow.kind) == kind)
    return [_kept(row) for row in connection.execute(query)]


def one(connection: Connection, number: int) -> Kept:
    """Return one row; InputError if no row has this id."""
    return _kept(_row(connection, number))


def _row(connection: Connection, number: int) -> Any:
    query = select(QuarantineRow).where(col(QuarantineRow.id) == number)
    row = connection.execute(query).first() if 0 < number <= ID_MAX else None
    if row is None:
        raise InputError(f"no row {number} in quarantine; see `settle quarantine list`")
    return row


def raw_of(connection: Connection, number: int) -> bytes:
    """Return the exact bytes of a row."""
    return bytes(_row(connection, number).raw)


def _kept(row: Any) -> Kept:
    return Kept(
        id=row.id,
        kind=row.kind,
        file=row.name,
        line=row.line,
        reason=row.reason,
        raw=bytes(row.raw).decode("utf-8", "backslashreplace"),
        at=row.at,
        state=row.state,
    )
