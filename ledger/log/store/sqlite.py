"""A log in one SQLite file: WAL, every commit synced to disk, one writer at a time across processes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from ledger.errors import StateError, TransientError
from ledger.files import PRIVATE, keep_private, make_folder, sync_folder
from ledger.log.store import guards_sqlite
from ledger.log.store.schema import RELEASE_0_1, VERSION
from ledger.log.store.schema import LogTable as Schema
from ledger.log.store.store import Store, Table

BUSY_SECONDS = 60
"""How long a writer waits for another process's transaction before it gives up."""


READERS_KEPT = 8
"""Reading connections that stay open between reads."""

READERS_MAX = 128
"""Reading connections at once; a reader beyond them waits, and is then told to try again."""

ROWS_AT_ONCE = 50
"""Rows to one INSERT into a guarded table: to be ready to undo a refused one costs a third of adding it."""

CACHE_KIB = 65_536
"""Event ids come in no order: their index pages are needed again and again until the commit."""


class SqliteStore(Store):
    """The default store: it needs no server and no configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        located = quote(str(path.absolute()))
        self.readers = create_engine(
            f"sqlite:///file:{located}?mode=ro&uri=true",
            poolclass=QueuePool,
            connect_args=_CONNECT,
            pool_size=READERS_KEPT,
            max_overflow=READERS_MAX - READERS_KEPT,
        )
        self.writers = create_engine(
            f"sqlite:///file:{located}?mode=rw&uri=true", poolclass=QueuePool, connect_args=_CONNECT
        )
        event.listen(self.readers, "connect", _prepare_reader)
        event.listen(self.writers, "connect", _prepare_writer)
        event.listen(self.readers, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        event.listen(self.writers, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

    def create(self) -> None:
        if not self.path.exists():
            self._make()
        for suffix in ("", "-wal", "-shm"):  # it holds accounts, names and the salts of listeners
            keep_private(self.path.with_name(self.path.name + suffix))
        with self._translated(), self.readers.connect() as connection:
            version = _version(connection)
        if version not in (RELEASE_0_1, VERSION):
            raise StateError(
                f"{self.path}: schema version {version}, this program reads {RELEASE_0_1} and {VERSION}; "
                "use the release that wrote it"
            )

    def opens_in_0_1(self, connection: Connection) -> bool:
        return _version(connection) == RELEASE_0_1

    def shut_to_0_1(self, connection: Connection) -> None:
        """Raise the schema version.

        It is part of the file's first page, so it changes with the transaction or not at all.
        """
        connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")

    def back_up(self, folder: Path) -> Path:
        make_folder(folder)
        copy = folder / self.path.name
        partial = copy.with_name(f".{copy.name}.partial")  # a crash leaves no copy that looks whole
        partial.unlink(missing_ok=True)
        partial.touch(mode=PRIVATE)
        with self._translated(), self._driver_errors(), closing(sqlite3.connect(partial)) as target:
            raw = self.readers.raw_connection()
            try:
                cast("sqlite3.Connection", raw.driver_connection).backup(target)
            finally:
                raw.close()
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(copy)
        sync_folder(folder)
        return copy

    def _make(self) -> None:
        """Create tables, guards and version in one transaction, by an engine without the authorizer."""
        maker = create_engine(f"sqlite:///{self.path}", poolclass=NullPool, connect_args=_CONNECT)
        event.listen(maker, "connect", _prepare_maker)
        event.listen(maker, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        with self._translated(), maker.begin() as connection:
            Schema.metadata.create_all(connection)
            for trigger in guards_sqlite.TRIGGERS:
                connection.exec_driver_sql(trigger)
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")

    def lock(self, connection: Connection) -> None:
        """Do nothing: BEGIN IMMEDIATE has taken the lock already."""

    def scrub(self) -> None:
        """Truncate the write-ahead log; freed pages are overwritten already (`secure_delete`)."""
        with self._translated():
            raw = self.writers.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                raw.close()

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        name, columns = table
        marks = f"({', '.join('?' * len(columns))})"
        into = f"INSERT INTO {name} ({', '.join(columns)}) VALUES "  # noqa: S608  names are ours
        whole = len(rows) - len(rows) % ROWS_AT_ONCE if name in guards_sqlite.GROWING else 0
        if whole:
            groups = [tuple(chain(*rows[at : at + ROWS_AT_ONCE])) for at in range(0, whole, ROWS_AT_ONCE)]
            connection.exec_driver_sql(into + ", ".join([marks] * ROWS_AT_ONCE), groups)
        if whole < len(rows):
            connection.exec_driver_sql(into + marks, list(rows[whole:]))

    def put_tiles(self, connection: Connection, tiles: Iterable[tuple[int, int, bytes]]) -> None:
        rows = list(tiles)
        if rows:
            connection.exec_driver_sql(
                "INSERT INTO tile (level, n, hashes) VALUES (?, ?, ?) "
                "ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes",
                rows,
            )


_CONNECT: dict[str, Any] = {
    "timeout": BUSY_SECONDS,
    "isolation_level": None,
    "check_same_thread": False,
    "cached_statements": 64,
}


def _version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _pragmas(connection: sqlite3.Connection, *settings: str) -> None:
    for setting in settings:
        connection.execute(f"PRAGMA {setting}")


def _prepare_reader(connection: sqlite3.Connection, _record: object) -> None:
    _pragmas(connection, "query_only = ON", "mmap_size = 268435456")


def _prepare_maker(connection: sqlite3.Connection, _record: object) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise TransientError(f"SQLite refused write-ahead logging (journal mode {mode}); use a local file system")
    _pragmas(connection, "synchronous = FULL")


def _prepare_writer(connection: sqlite3.Connection, _record: object) -> None:
    _pragmas(
        connection,
        "synchronous = FULL",
        "recursive_triggers = ON",  # so that REPLACE fires the delete triggers, on our connections at least
        "trusted_schema = OFF",
        "secure_delete = ON",  # an erased listener leaves no bytes behind in free pages
        "wal_autocheckpoint = 16000",
        f"cache_size = -{CACHE_KIB}",
    )
    connection.set_authorizer(guards_sqlite.authorize)
