"""Change a row of the demo's database, as an insider could, to show that it is detected."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Cursor = Any
"""What both drivers offer: `execute` and `fetchone`."""

_VICTIM: Final = "SELECT idx, body FROM entry WHERE type = 'event' ORDER BY idx LIMIT 1 OFFSET 41"


def spoil_an_event(store: str) -> tuple[int, Callable[[], None]]:
    """Go past the guards of a store (a file or a URL), double the units of one event; its index, and the way back."""
    with unguarded(store) as (cursor, mark):
        cursor.execute(_VICTIM)
        index, body = cursor.fetchone()
        original = bytes(body)
        _write(cursor, mark, index, original.replace(b'"units":1', b'"units":2'))

    def undo() -> None:
        with unguarded(store) as (cursor, mark):
            _write(cursor, mark, index, original)

    return index, undo


def _write(cursor: Cursor, mark: str, index: int, body: bytes) -> None:
    cursor.execute(f"UPDATE entry SET body = {mark} WHERE idx = {mark}", (body, index))  # noqa: S608  mark is ours


def unguarded(store: str) -> AbstractContextManager[tuple[Cursor, str]]:
    """A cursor that no trigger stops, and how the driver marks a parameter; the triggers are back afterwards."""
    return _postgres(store) if "://" in store else _sqlite(store)


@contextmanager
def _sqlite(store: str) -> Iterator[tuple[Cursor, str]]:
    with closing(sqlite3.connect(store)) as connection, connection:
        cursor = connection.cursor()
        guards = cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entry'"
        ).fetchall()
        for name, _ in guards:
            cursor.execute(f'DROP TRIGGER "{name}"')
        yield cursor, "?"
        for _, sql in guards:
            cursor.execute(sql)


@contextmanager
def _postgres(store: str) -> Iterator[tuple[Cursor, str]]:
    import psycopg

    with psycopg.connect(store) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE entry DISABLE TRIGGER USER")
        yield cursor, "%s"
        # What the guards were: they fire even for a replica's session.
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'entry'::regclass AND NOT tgisinternal")
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE entry ENABLE ALWAYS TRIGGER "{name}"')
