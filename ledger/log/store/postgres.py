"""A log in a PostgreSQL database: rows by COPY, writers one after the other by an advisory lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.engine import make_url

from ledger.errors import InputError, StateError
from ledger.log.store.store import Store, Table

if TYPE_CHECKING:
    import psycopg

HEAD: Final = "0003"
"""The newest migration; a database of a later one is refused."""

RELEASE_0_1: Final = "0002"
"""The migration up to which release 0.1 opens a database; `settle db upgrade` alone goes beyond it."""

COPY_FROM: Final = 64
"""Rows from which COPY pays for its round trip."""

LOCK_SECONDS: Final = 60

_NUMBERS: Final = frozenset(("idx", "size", "level", "n", "first", "stop", "batch", "place"))
_BYTES: Final = frozenset(("body", "root", "chain", "note", "digest", "data", "salt", "raw"))


class PostgresStore(Store):
    """The store for several hosts, or for more events a day than one disk can take."""

    def __init__(self, url: str) -> None:
        try:
            import psycopg  # noqa: F401  the driver that SQLAlchemy is about to load
        except ImportError:
            raise InputError("a PostgreSQL store needs psycopg: pip install 'settle-engine[postgres]'") from None
        address = make_url(url).set(drivername="postgresql+psycopg")
        options = {"pool_pre_ping": True, "pool_size": 5, "max_overflow": 5}
        reading: dict[str, Any] = {"postgresql_readonly": True}
        self.place = address.render_as_string(hide_password=True)
        self.writers = create_engine(address, isolation_level="READ COMMITTED", **options)
        self.readers = create_engine(address, isolation_level="REPEATABLE READ", execution_options=reading, **options)
        event.listen(self.writers, "connect", _prepare_writer)

    def create(self) -> None:
        with self._translated(), self.writers.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('settle migration'))"))
            schema = _version(connection)
            if schema < RELEASE_0_1:
                self._check_owner(connection, schema or "none")
                _migrate(connection, RELEASE_0_1 if schema else HEAD)
        if schema > HEAD:
            raise StateError(f"{self.place}: schema {schema}, this program reads {HEAD}; use a release that knows it")

    def _check_owner(self, connection: Connection, schema: str) -> None:
        if not _may_create(connection):
            raise StateError(
                f"{self.place}: schema {schema}, this program needs {HEAD}: run this once as the owner of its tables, "
                "then grant its writers what guards_postgres.grants lists"
            )

    def opens_in_0_1(self, connection: Connection) -> bool:
        return _version(connection) <= RELEASE_0_1

    def shut_to_0_1(self, connection: Connection) -> None:
        self._check_owner(connection, RELEASE_0_1)
        _migrate(connection, HEAD)

    def back_up(self, folder: Path) -> Path:  # noqa: ARG002  for other stores
        raise InputError(
            f"{self.place}: a copy of a PostgreSQL database is made with pg_dump; make one, then give --no-backup"
        )

    def lock(self, connection: Connection) -> None:
        """Take the lock of this schema until the transaction ends; reads after it see the newest state."""
        connection.execute(_LOCK)

    def insert(self, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        name, columns = table
        listed = ", ".join(columns)
        if len(rows) < COPY_FROM:
            marks = ", ".join("%s" for _ in columns)
            connection.exec_driver_sql(f"INSERT INTO {name} ({listed}) VALUES ({marks})", list(rows))  # noqa: S608
            return
        driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        statement = f"COPY {name} ({listed}) FROM STDIN (FORMAT BINARY)".encode()
        with self._driver_errors(), driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([_type(column) for column in columns])
            for row in rows:
                copy.write_row(row)

    def put_tiles(self, connection: Connection, tiles: Iterable[tuple[int, int, bytes]]) -> None:
        rows = list(tiles)
        if rows:
            connection.exec_driver_sql(
                "INSERT INTO tile (level, n, hashes) VALUES (%s, %s, %s) "
                "ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes",
                rows,
            )

    def scrub(self) -> None:
        """Free the pages of erased rows; the operator must expire the copies in the server's own log and in backups."""
        with self._translated(), self.writers.connect() as connection:
            plain = connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in ("listener_salt", "quarantine"):
                plain.execute(text(f"VACUUM {table}"))


_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('settle log ' || current_schema()))")


def _type(column: str) -> str:
    """Return the type of a column; binary COPY converts nothing and needs it."""
    return "int8" if column in _NUMBERS else "bytea" if column in _BYTES else "text"


def _prepare_writer(connection: Any, _record: object) -> None:
    """Make a writer's commits synchronous whatever the server's default, and limit its wait for another writer."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    connection.commit()


def _version(connection: Connection) -> str:
    """Return the last migration; empty if there is no log yet."""
    if not inspect(connection).has_table("entry"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _may_create(connection: Connection) -> bool:
    query = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
    return bool(connection.execute(text(query)).scalar_one())


def _migrate(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "ledger.log.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
