"""Store quarantined rows as they were sent, until they are replayed or discarded.

A row is stored once however often its file is sent: it is identified by the digest of its bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, LargeBinary, and_, func, select, text
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

RAW_SHOWN: Final = 2_000
"""Bytes of a row that a group's example shows: a row may be a megabyte long."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineGroup:
    """The waiting rows of one kind, file and reason: how many, the ids of the oldest, and a few of them to look at."""

    kind: str
    file: str
    reason: str
    count: int
    ids: list[int]
    examples: list[Kept]


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


def count(connection: Connection, *, name: str | None = None) -> int:
    """Return how many rows wait, of all files or of the one with this name."""
    query = select(func.count()).where(*_waiting(name))
    return int(connection.execute(query).scalar_one())


def count_by_kind(connection: Connection) -> dict[str, int]:
    """Return how many rows of each kind wait."""
    kind = col(QuarantineRow.kind)
    rows = connection.execute(select(kind, func.count()).where(*_waiting(None)).group_by(kind).order_by(kind))
    return {name: number for name, number in rows}  # noqa: C416  dict() does not type rows


def waiting_page(connection: Connection, name: str, *, after: int, most: int, most_bytes: int) -> list[Kept]:
    """Return the oldest waiting rows of a file after an id: no more than this many, nor bytes, but at least one."""
    if not 0 <= after <= ID_MAX:
        return []
    where = (*_waiting(name), col(QuarantineRow.id) > after)
    lengths = (
        select(col(QuarantineRow.id), func.length(col(QuarantineRow.raw))).where(*where).order_by(col(QuarantineRow.id))
    )
    last, total = after, 0
    for number, length in connection.execute(lengths.limit(most)):
        total += length
        if total > most_bytes and last != after:
            break
        last = number
    query = select(QuarantineRow).where(*where, col(QuarantineRow.id) <= last).order_by(col(QuarantineRow.id))
    return [_kept(row) for row in connection.execute(query)]


def grouped(connection: Connection, *, most: int, most_ids: int, examples: int) -> tuple[list[QuarantineGroup], int]:
    """Return the largest groups of waiting rows, and how many groups there are in all.

    A sender decides how many rows and reasons there are: the database counts them, and only what is shown is loaded.
    """
    key = (col(QuarantineRow.kind), col(QuarantineRow.name), col(QuarantineRow.reason))
    groups = select(*key, func.count().label("size")).where(*_waiting(None)).group_by(*key)
    total = connection.execute(select(func.count()).select_from(groups.subquery())).scalar_one()
    top = groups.order_by(func.count().desc(), *key).limit(most).subquery()
    turn = func.row_number().over(partition_by=key, order_by=col(QuarantineRow.id)).label("turn")
    ranked = select(col(QuarantineRow.id), *key, turn).where(*_waiting(None)).subquery()
    same = and_(*(top.c[name] == ranked.c[name] for name in ("kind", "name", "reason")))
    query = (
        select(ranked.c.id, top.c.kind, top.c.name, top.c.reason, top.c.size)
        .select_from(ranked.join(top, same))
        .where(ranked.c.turn <= most_ids)
        .order_by(top.c.size.desc(), top.c.kind, top.c.name, top.c.reason, ranked.c.id)
    )
    shown: dict[tuple[str, str, str, int], list[int]] = {}
    for number, *group in connection.execute(query):
        shown.setdefault((group[0], group[1], group[2], group[3]), []).append(number)
    first = _examples(connection, [number for ids in shown.values() for number in ids[:examples]])
    return [
        QuarantineGroup(
            kind=kind, file=name, reason=reason, count=size, ids=ids, examples=[first[n] for n in ids[:examples]]
        )
        for (kind, name, reason, size), ids in shown.items()
    ], total


def _examples(connection: Connection, ids: list[int]) -> dict[int, Kept]:
    """These rows by their ids, each with the beginning of what was sent."""
    columns = [column for column in QuarantineRow.__table__.columns if column.name != "raw"]  # type: ignore[attr-defined]
    beginning = func.substr(col(QuarantineRow.raw), 1, RAW_SHOWN, type_=LargeBinary).label("raw")
    query = select(*columns, beginning).where(col(QuarantineRow.id).in_(ids))
    return {row.id: _kept(row) for row in connection.execute(query)}


def _waiting(name: str | None) -> tuple[Any, ...]:
    waits = col(QuarantineRow.state) == "waiting"
    return (waits,) if name is None else (waits, col(QuarantineRow.name) == name)


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
