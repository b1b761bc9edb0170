"""Rows of an import that were not taken: kept with place and reason, in the log's own quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select

from ledger import canon
from ledger.registry.intake import Problem
from ledger.registry.model import Instant
from ledger.store.schema import Table as Schema
from ledger.store.store import Store

_ROWS: Final = Schema.metadata.tables["quarantine"]
_COLUMNS: Final = ("quarantine", ("digest", "kind", "name", "line", "reason", "raw", "at", "state"))
WAITING: Final = "waiting"


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
