"""The anchor in a PostgreSQL database of its own: for logs that several hosts write to.

Keep it on another server than the log, and never restore it from a backup. A writer locks its row before it signs,
until it has anchored. A host that is cut off meanwhile loses the lock with its session; when it returns, it finds that
another writer has moved the anchor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from ledger.errors import TransientError
from ledger.log.anchor import Anchor, AnchorLock

LOCK_SECONDS: Final = 60

_TABLE: Final = text("CREATE TABLE IF NOT EXISTS settle_anchor (origin TEXT PRIMARY KEY, note BYTEA)")
_ROW: Final = text("INSERT INTO settle_anchor (origin) VALUES (:origin) ON CONFLICT DO NOTHING")
_READ: Final = text("SELECT note FROM settle_anchor WHERE origin = :origin")
_HOLD: Final = text("SELECT note FROM settle_anchor WHERE origin = :origin FOR UPDATE")
_MOVE: Final = text("UPDATE settle_anchor SET note = :note WHERE origin = :origin")

# A host that dies without closing its connection must not lock the row for hours: the server notices in 30 s.
_OPTIONS: Final = (
    f"-c lock_timeout={LOCK_SECONDS}s -c synchronous_commit=on -c tcp_keepalives_idle=10 -c tcp_keepalives_count=2"
)


class PostgresAnchor(Anchor):
    """One row per log."""

    def __init__(self, url: str, origin: str) -> None:
        address = make_url(url).set(drivername="postgresql+psycopg")
        self._origin = origin
        self._place = address.render_as_string(hide_password=True)
        self._engine = create_engine(
            address, pool_pre_ping=True, connect_args={"options": _OPTIONS, "connect_timeout": 10}
        )
        self._ready = False

    def read(self) -> bytes | None:
        with self._transaction() as connection:
            text = connection.execute(_READ, {"origin": self._origin}).scalar_one_or_none()
        return None if text is None else bytes(text)

    @contextmanager
    def held(self) -> Iterator[AnchorLock]:
        with self._transaction() as connection:
            connection.execute(_ROW, {"origin": self._origin})
            text = connection.execute(_HOLD, {"origin": self._origin}).scalar_one()
            yield _HeldRow(connection, self._origin, None if text is None else bytes(text))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            if not self._ready:
                with self._engine.begin() as connection:
                    if not inspect(connection).has_table("settle_anchor"):
                        connection.execute(_TABLE)
                self._ready = True
            connection = self._engine.connect()
        except DBAPIError as failure:
            raise self._failure(failure) from failure
        with connection:
            try:
                yield connection
            except DBAPIError as failure:
                raise self._failure(failure) from failure

    def _failure(self, failure: DBAPIError) -> TransientError:
        return TransientError(f"anchor {self._place}: {failure.orig}; nothing was acknowledged, send the batch again")

    def close(self) -> None:
        self._engine.dispose()


class _HeldRow(AnchorLock):
    def __init__(self, connection: Connection, origin: str, note: bytes | None) -> None:
        self._connection, self._origin, self.note = connection, origin, note

    def _write(self, signed: bytes) -> None:
        """Write and commit; the commit also releases the lock for the next writer."""
        self._connection.execute(_MOVE, {"note": signed, "origin": self._origin})
        self._connection.commit()
