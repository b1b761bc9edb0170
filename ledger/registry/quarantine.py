"""Rows of an import that were not taken: kept with place and reason, in the log's own quarantine, until they can be."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from ledger import canon
from ledger.registry.intake import Problem
from ledger.registry.model import Instant
from ledger.registry.readers import RawRow
from ledger.store.schema import Table as Schema
from ledger.store.store import Store

_ROWS: Final = Schema.metadata.tables["quarantine"]
_COLUMNS: Final = ("quarantine", ("digest", "kind", "name", "line", "reason", "raw", "at", "state"))
KINDS: Final = ("registry", "registry-conflict")
WAITING: Final = "waiting"
REPLAYED: Final = "replayed"


def keep(store: Store, connection: Connection, problems: Sequence[Problem], kind: str, at: Instant) -> None:
    """Keep these rows; the same row of the same import file is kept once."""
    known = set(connection.execute(select(_ROWS.c.digest)).scalars())
    rows = {}
    for problem in problems:
        row = problem.row
        digest = bytes.fromhex(canon.digest(f"{kind} {row.list}\n".encode() + row.raw))
        if digest not in known:
            rows[digest] = (digest, kind, row.file, row.line, problem.reason, row.raw, at, WAITING)
    store.insert(connection, _COLUMNS, list(rows.values()))


def waiting(connection: Connection) -> list[RawRow]:
    """The rows that wait, as they can be imported again; what was a file's line is now the row's number here."""
    query = select(_ROWS.c.id, _ROWS.c.name, _ROWS.c.raw).where(_ROWS.c.state == WAITING, _ROWS.c.kind.in_(KINDS))
    found = []
    for number, name, raw in connection.execute(query.order_by(_ROWS.c.id)):
        ((listed, (value,)),) = json.loads(bytes(raw)).items()
        texts = isinstance(value, dict) and all(isinstance(cell, str | list) for cell in value.values())
        found.append(RawRow(list=listed, file=name, line=number, value=value, from_text=texts))
    return found


def replayed(connection: Connection, numbers: Collection[int]) -> None:
    """These rows have been registered after all."""
    if numbers:
        done = update(_ROWS).where(_ROWS.c.id == bindparam("number")).values(state=REPLAYED)
        connection.execute(done, [{"number": number} for number in numbers])


def forget(connection: Connection, party: str) -> int:
    """Drop the rows that describe a party or its accounts, whatever became of them; how many there were."""
    found = []
    for number, raw in connection.execute(select(_ROWS.c.id, _ROWS.c.raw).where(_ROWS.c.kind.in_(KINDS))):
        ((listed, (value,)),) = json.loads(bytes(raw)).items()
        if isinstance(value, dict) and party == value.get({"parties": "id", "payees": "party"}.get(listed, "")):
            found.append(number)
    if found:
        connection.execute(delete(_ROWS).where(_ROWS.c.id.in_(found)))
    return len(found)
