"""Quarantine rejected rows of an import, with file, line and reason."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update

from ledger.log.store.schema import LogTable as Schema
from ledger.log.store.store import Store
from ledger.proofs import canon
from ledger.registry import tables
from ledger.registry.compare import Author
from ledger.registry.intake import Problem
from ledger.registry.readers import RawRow

_ROWS: Final = Schema.metadata.tables["quarantine"]
_BY: Final = tables.HANDED_IN
_COLUMNS: Final = ("quarantine", ("digest", "kind", "name", "line", "reason", "raw", "at", "state"))
KINDS: Final = ("registry", "registry-conflict")
WAITING: Final = "waiting"
_WAITS: Final = and_(_ROWS.c.state == WAITING, _ROWS.c.kind.in_(KINDS))
REPLAYED: Final = "replayed"


def keep(store: Store, connection: Connection, problems: Sequence[Problem], kind: str, author: Author) -> None:
    """Store these rows as their author's; the same row of the same author is stored once."""
    tables.ensure(connection)
    digests = set(connection.execute(select(_ROWS.c.digest)).scalars())
    rows = {}
    for problem in problems:
        row = problem.row
        digest = bytes.fromhex(canon.digest(f"{kind} {author.role} {author.party} {row.list}\n".encode() + row.raw))
        if digest not in digests:
            rows[digest] = (digest, kind, row.file, row.line, problem.reason, row.raw, author.at, WAITING)
    store.insert(connection, _COLUMNS, list(rows.values()))
    named = set(connection.execute(select(_BY.c.digest)).scalars())
    authors = [
        {"digest": row_digest, "party": author.party, "role": author.role}
        for row_digest in rows
        if row_digest not in named
    ]
    if authors:
        connection.execute(_BY.insert(), authors)


def waiting(connection: Connection, author: Author) -> list[RawRow]:
    """Return an author's waiting rows for another import; `line` is the row's number in quarantine."""
    if not tables.made(connection, _BY):
        return []
    query = select(_ROWS.c.id, _ROWS.c.name, _ROWS.c.raw).join(_BY, _BY.c.digest == _ROWS.c.digest)
    query = query.where(_WAITS, _BY.c.party == author.party, _BY.c.role == author.role)
    rows = []
    for number, name, raw in connection.execute(query.order_by(_ROWS.c.id)):
        ((listed, (value,)),) = json.loads(bytes(raw)).items()
        texts = isinstance(value, dict) and all(isinstance(cell, str | list) for cell in value.values())
        rows.append(RawRow(list=listed, file=name, line=number, value=value, from_text=texts))
    return rows


def others(connection: Connection, author: Author) -> list[tuple[str, int]]:
    """Return the number of waiting rows of other parties, by party; "" if the party was not recorded."""
    if not tables.made(connection, _BY):
        return []
    party = func.coalesce(_BY.c.party, "")
    query = select(party, func.count()).select_from(_ROWS).outerjoin(_BY, _BY.c.digest == _ROWS.c.digest)
    own = and_(_BY.c.party == author.party, _BY.c.role == author.role)
    counts = connection.execute(query.where(_WAITS, or_(_BY.c.party.is_(None), ~own)).group_by(party).order_by(party))
    return [(name, count) for name, count in counts]


def replayed(connection: Connection, numbers: Collection[int]) -> None:
    """Mark these rows as registered."""
    if numbers:
        done = update(_ROWS).where(_ROWS.c.id == bindparam("number")).values(state=REPLAYED)
        connection.execute(done, [{"number": number} for number in numbers])


def forget(connection: Connection, party: str) -> int:
    """Delete the rows that describe a party or its accounts, in any state; return their number."""
    forgotten = []
    rows = select(_ROWS.c.id, _ROWS.c.digest, _ROWS.c.raw).where(_ROWS.c.kind.in_(KINDS))
    digests = []
    for number, digest, raw in connection.execute(rows):
        ((listed, (value,)),) = json.loads(bytes(raw)).items()
        if isinstance(value, dict) and party == value.get({"parties": "id", "payees": "party"}.get(listed, "")):
            forgotten.append(number)
            digests.append(digest)
    if forgotten:
        tables.ensure(connection)
        connection.execute(delete(_BY).where(_BY.c.digest.in_(digests)))
        connection.execute(delete(_ROWS).where(_ROWS.c.id.in_(forgotten)))
    return len(forgotten)
