"""The tables of a log, the same on every kind of database.

`entry`, `event`, `tile`, `checkpoint` and `blob` are the log: they only ever grow, and guards in the database refuse
anything else (see `guards_sqlite` and `guards_postgres`). `log_track` and `log_signed` are projections of the log,
updated in the transaction that appends their leaves. The rest are side tables: they may be changed and erased, and no
proof depends on them.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Text, text
from sqlmodel import Field, SQLModel

VERSION: Final = 2
"""Of the schema as a whole; SQLite keeps it in `user_version`, PostgreSQL in Alembic's own table."""

RELEASE_0_1: Final = 1
"""The version that programs of release 0.1 open. The tables are the same; only `settle db upgrade` raises it."""

_STRICT: Final = {"sqlite_strict": True}
_STRICT_BY_KEY: Final = {"sqlite_strict": True, "sqlite_with_rowid": False}


def _number(**options: Any) -> Any:
    return Field(
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), nullable=False, autoincrement=False, **options)
    )


def _serial() -> Any:
    return Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    )


def _text(**options: Any) -> Any:
    return Field(sa_column=Column(Text, **{"nullable": False, **options}))


def _bytes(**options: Any) -> Any:
    return Field(sa_column=Column(LargeBinary, **{"nullable": False, **options}))


class LogTable(SQLModel):
    """Base of every table of the log's own database; other packages add projections of their own."""

    metadata = MetaData()


class EntryRow(LogTable, table=True):
    """A leaf at its index: canonical JSON bytes."""

    __tablename__ = "entry"
    __table_args__ = (
        Index(
            "entry_by_type",
            "type",
            "idx",
            sqlite_where=text("type <> 'event'"),
            postgresql_where=text("type <> 'event'"),
        ),
        _STRICT,
    )
    idx: int = _number(primary_key=True)
    type: str = _text()
    body: bytes = _bytes()


class EventRow(LogTable, table=True):
    """The index of a source's event id: at most one, ever."""

    __tablename__ = "event"
    __table_args__ = (_STRICT_BY_KEY,)
    source: str = _text(primary_key=True)
    event_id: str = _text(primary_key=True)
    idx: int = _number()


class TileRow(LogTable, table=True):
    """Up to 256 hashes of 32 bytes, as C2SP tlog-tiles lays them out; partial tiles grow in place."""

    __tablename__ = "tile"
    __table_args__ = (_STRICT,)
    level: int = _number(primary_key=True)
    n: int = _number(primary_key=True)
    hashes: bytes = _bytes()


class CheckpointRow(LogTable, table=True):
    """One signed checkpoint per committed batch, with the chain head at its size."""

    __tablename__ = "checkpoint"
    __table_args__ = (_STRICT,)
    size: int = _number(primary_key=True)
    root: bytes = _bytes()
    chain: bytes = _bytes()
    note: bytes = _bytes()


class BlobRow(LogTable, table=True):
    """A content-addressed blob named by leaves: signed statements, manifests, runs."""

    __tablename__ = "blob"
    __table_args__ = (_STRICT,)
    digest: bytes = _bytes(primary_key=True)
    data: bytes = _bytes()


class TrackProjection(LogTable, table=True):
    """A registered track and the vector assigned to it last; a projection of `track` and `assign` leaves."""

    __tablename__ = "log_track"
    __table_args__ = (_STRICT_BY_KEY,)
    id: str = _text(primary_key=True)
    idx: int = _number()
    vector: str | None = _text(nullable=True)
    assigned_idx: int | None = Field(
        default=None, sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), nullable=True)
    )


class SignedRow(LogTable, table=True):
    """Entries `[first, stop)` are bodies `place`, `place + 1`... of the batch whose leaf is at index `batch`.

    A projection of `batch` leaves and the hashes they name, kept with the events; no two ranges overlap.
    """

    __tablename__ = "log_signed"
    __table_args__ = (_STRICT,)
    first: int = _number(primary_key=True)
    stop: int = _number()
    batch: int = _number()
    place: int = _number()


class SaltRow(LogTable, table=True):
    """The salt that links a listener to the commitments in the log for one period; without it nobody can link them."""

    __tablename__ = "listener_salt"
    __table_args__ = (_STRICT_BY_KEY,)
    source: str = _text(primary_key=True)
    listener: str = _text(primary_key=True)
    period: str = _text(primary_key=True)
    salt: bytes = _bytes()


class QuarantineRow(LogTable, table=True):
    """A row that was not appended, as it was sent, with its file, line and reason."""

    __tablename__ = "quarantine"
    __table_args__ = (Index("quarantine_by_state", "state", "id"), _STRICT)
    id: int | None = _serial()
    digest: bytes = _bytes(unique=True)
    kind: str = _text()
    name: str = _text()
    line: int = _number()
    reason: str = _text()
    raw: bytes = _bytes()
    at: str = _text()
    state: str = _text()


class ProjectedRow(LogTable, table=True):
    """The size up to which a projection has read the log."""

    __tablename__ = "projected"
    __table_args__ = (_STRICT,)
    name: str = _text(primary_key=True)
    size: int = _number()
