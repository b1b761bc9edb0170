"""The registry's tables next to the log.

`registry_about` is a projection: it lists the leaves about each id, so that one recording's state can be computed
without reading all leaves. `registry_personal` and `registry_payee` are side tables: their content must be erasable, so
the log has at most salted digests of it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, MetaData, Table, Text, inspect, select

from ledger.log.store.schema import LogTable as Schema

METADATA: Final = MetaData()
_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

ABOUT: Final = Table(
    "registry_about",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("idx", _NUMBER, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

PERSONAL: Final = Table(
    "registry_personal",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("fields", Text, nullable=False),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)

PAYEE: Final = Table(
    "registry_payee",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("party", Text, nullable=False, index=True),
    Column("method", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("wanted_from", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_key", Text, nullable=False),
    Column("proposed_at", Text, nullable=False),
    Column("approved_by", Text),
    Column("approved_key", Text),
    Column("approved_at", Text),
    Column("effective_from", Text),
    sqlite_strict=True,
)

PAID_BEFORE: Final = Table(
    "registry_paid_before",
    METADATA,
    Column("party", Text, primary_key=True),
    sqlite_strict=True,
)
"""Parties whose accounts were erased: ids alone, so that a next account is a change and never a first one."""

HANDED_IN: Final = Table(
    "registry_handed_in",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("party", Text, nullable=False),
    Column("role", Text, nullable=False),
    sqlite_strict=True,
)
"""Who handed in a row that lies in quarantine, by the row's digest there: nobody else may register it."""

PROJECTION: Final = "registry"
_PROJECTED: Final = Schema.metadata.tables["projected"]


def ensure(connection: Connection) -> None:
    """Create the missing tables."""
    METADATA.create_all(connection)


def exist(connection: Connection) -> bool:
    """Return whether the tables exist; a new log has none."""
    return made(connection, PAYEE)


def made(connection: Connection, table: Table) -> bool:
    """Return whether this table exists; a log may be older than a table."""
    return inspect(connection).has_table(table.name)


def projected(connection: Connection) -> int:
    """Return the size of the log up to which the index was built."""
    size = connection.execute(select(_PROJECTED.c.size).where(_PROJECTED.c.name == PROJECTION))
    return size.scalar_one_or_none() or 0


def set_projected(connection: Connection, size: int) -> None:
    """Store the size of the log up to which the index was built."""
    connection.execute(_PROJECTED.delete().where(_PROJECTED.c.name == PROJECTION))
    connection.execute(_PROJECTED.insert().values(name=PROJECTION, size=size))
