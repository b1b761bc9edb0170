"""Guard rails of an SQLite log: triggers, and an authorizer for our own connections.

They stop accidents and honest mistakes. The owner of the file can remove them; evidence against the owner is the tree,
the anchor and the witnesses.
"""

from __future__ import annotations

import sqlite3
from typing import Final

GROWING: Final = ("entry", "event", "checkpoint", "blob")
"""Tables whose rows never change."""

PROTECTED: Final = frozenset((*GROWING, "tile"))
"""Tables that no connection of ours may alter or drop."""


def _frozen(table: str, verb: str) -> str:
    return (
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: no {verb.upper()}'); END"
    )


def _when(table: str, verb: str, condition: str, why: str) -> str:
    return (
        f"CREATE TRIGGER IF NOT EXISTS {table}_{verb} BEFORE {verb.upper()} ON {table} WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {why}'); END"
    )


def _insert(table: str, condition: str, why: str) -> str:
    return _when(table, "insert", condition, why)


_GROWN: Final = "substr(NEW.hashes, 1, length(OLD.hashes)) IS NOT OLD.hashes"

# INSERT OR REPLACE deletes the row in its way without firing a delete trigger unless the connection
# happens to have recursive_triggers on, so that each insert trigger asks whether a row is in the way.
TRIGGERS: Final = (
    *(_frozen(table, verb) for table in GROWING for verb in ("update", "delete")),
    _frozen("tile", "delete"),
    _insert("entry", "NEW.idx IS NOT (SELECT coalesce(max(idx) + 1, 0) FROM entry)", "the next index is expected"),
    _insert(
        "event",
        "EXISTS (SELECT 1 FROM event WHERE source = NEW.source AND event_id = NEW.event_id)",
        "this source has used this event id",
    ),
    _insert("blob", "EXISTS (SELECT 1 FROM blob WHERE digest = NEW.digest)", "this digest is stored"),
    _insert(
        "checkpoint",
        "NEW.size <= (SELECT max(size) FROM checkpoint) "
        "OR NEW.size IS NOT (SELECT coalesce(max(idx) + 1, 0) FROM entry)",
        "a checkpoint covers all entries, once",
    ),
    _insert(
        "tile",
        "EXISTS (SELECT 1 FROM tile AS old WHERE old.level = NEW.level AND old.n = NEW.n "
        "AND substr(NEW.hashes, 1, length(old.hashes)) IS NOT old.hashes)",
        "a tile only grows",
    ),
    _when("tile", "update", f"{_GROWN} OR NEW.level <> OLD.level OR NEW.n <> OLD.n", "a tile only grows"),
)

_DROPS: Final = frozenset(
    getattr(sqlite3, name)
    for name in ("SQLITE_DROP_TABLE", "SQLITE_DROP_TRIGGER", "SQLITE_DROP_INDEX", "SQLITE_DROP_VIEW")
)
_CHANGES: Final = frozenset((sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE))


def authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    """Authorize a statement of our own connections: packages may change their own tables, never the log's."""
    table = (
        second
        if action in (sqlite3.SQLITE_DROP_TRIGGER, sqlite3.SQLITE_DROP_INDEX, sqlite3.SQLITE_ALTER_TABLE)
        else first
    )
    refused = (
        (action in _CHANGES and first in GROWING)
        or (action == sqlite3.SQLITE_DELETE and first == "tile")
        or (action in _DROPS and table in PROTECTED)
        or (action == sqlite3.SQLITE_ALTER_TABLE and table in PROTECTED)
        or action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
        or (
            action == sqlite3.SQLITE_PRAGMA
            and first in ("writable_schema", "recursive_triggers")
            and second is not None
        )
    )
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK
