"""What an insider with the database could do, done for the demo: change a row behind the log's back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def spoil_an_event(database: Path) -> tuple[int, Callable[[], None]]:
    """Drop the guards, double the units of one event; its index, and what puts everything back."""
    with closing(sqlite3.connect(database)) as connection, connection:
        guards = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entry'"
        ).fetchall()
        for name, _ in guards:
            connection.execute(f'DROP TRIGGER "{name}"')
        index, body = connection.execute(
            "SELECT idx, body FROM entry WHERE type = 'event' ORDER BY idx LIMIT 1 OFFSET 41"
        ).fetchone()
        _write(connection, index, body.replace(b'"units":1', b'"units":2'))

    def undo() -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            _write(connection, index, body)
            for _, sql in guards:
                connection.execute(sql)

    return index, undo


def _write(connection: sqlite3.Connection, index: int, body: bytes) -> None:
    connection.execute("UPDATE entry SET body = ? WHERE idx = ?", (body, index))
