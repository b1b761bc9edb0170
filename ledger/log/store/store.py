"""The interface of a store, and everything that does not depend on the kind of database.

A store promises four things. `writing` is exclusive across threads, processes and hosts and is one durable transaction:
after it returns, a crash or a power cut loses nothing; if it raises, nothing is stored. `reading` sees one consistent
snapshot. The log's own tables cannot be changed or shortened. `insert` takes rows in bulk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ledger.errors import ConflictError, TransientError

ENTRY: Final = ("entry", ("idx", "type", "body"))
EVENT: Final = ("event", ("source", "event_id", "idx"))
CHECKPOINT: Final = ("checkpoint", ("size", "root", "chain", "note"))
BLOB: Final = ("blob", ("digest", "data"))
SIGNED: Final = ("log_signed", ("first", "stop", "batch", "place"))
SALT: Final = ("listener_salt", ("source", "listener", "period", "salt"))

Table = tuple[str, tuple[str, ...]]


class Store(ABC):
    """One log's database."""

    readers: Engine
    writers: Engine

    @abstractmethod
    def create(self) -> None:
        """Create the missing tables and their guards; refuse a schema of another version."""

    @abstractmethod
    def opens_in_0_1(self, connection: Connection) -> bool:
        """Return whether programs of release 0.1 still open this database and append to it."""

    @abstractmethod
    def shut_to_0_1(self, connection: Connection) -> None:
        """Raise the schema's version, in this transaction, so that programs of release 0.1 refuse the database."""

    @abstractmethod
    def back_up(self, folder: Path) -> Path:
        """Copy the whole database, as of one moment, into a folder; return the path of the copy."""

    @abstractmethod
    def lock(self, connection: Connection) -> None:
        """Wait until this transaction is the only one writing to the log."""

    @abstractmethod
    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows in bulk."""

    @abstractmethod
    def put_tiles(self, connection: Connection, tiles: Iterable[tuple[int, int, bytes]]) -> None:
        """Write tiles, new or grown."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a consistent read-only view of the log."""
        with self._translated(), self.readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Take the log's write lock and open one transaction, which is committed entirely or not at all."""
        with self._translated(), self.writers.connect() as connection, connection.begin():
            self.lock(connection)
            yield connection

    @abstractmethod
    def scrub(self) -> None:
        """Remove copies of erased side-table rows, as far as the database allows."""

    def close(self) -> None:
        self.readers.dispose()
        self.writers.dispose()

    @contextmanager
    def _driver_errors(self) -> Iterator[None]:
        """Convert errors of a driver that is called directly to those that SQLAlchemy would raise."""
        driver = self.writers.dialect.loaded_dbapi
        try:
            yield
        except driver.Error as error:
            raise DBAPIError.instance(None, None, error, driver.Error, dialect=self.writers.dialect) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Convert database errors to ours: a guard's refusal is a conflict, all others are transient."""
        try:
            yield
        except IntegrityError as refusal:
            raise ConflictError(f"the database refused a change to the log: {refusal.orig}") from refusal
        except PoolTimeoutError as failure:
            raise TransientError("the log's database has no free connection; nothing was kept, try again") from failure
        except DBAPIError as failure:
            raise TransientError(
                f"the log's database failed: {failure.orig}; nothing of this batch was kept"
            ) from failure
