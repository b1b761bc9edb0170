"""Append-only on SQLite: every statement that would change or shorten the log, on our connections and on others."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ledger.errors import ConflictError, TransientError
from ledger.log.append import Log
from ledger.log.fsck import fsck
from tests.ledger.logs import event, log_in

STATEMENTS = [
    "UPDATE entry SET body = x'00' WHERE idx = 1",
    "UPDATE OR REPLACE entry SET idx = 2 WHERE idx = 1",
    "DELETE FROM entry WHERE idx = 2",
    "DELETE FROM entry",
    "REPLACE INTO entry (idx, type, body) VALUES (1, 'event', x'00')",
    "INSERT OR REPLACE INTO entry (idx, type, body) VALUES (1, 'event', x'00')",
    "INSERT INTO entry (idx, type, body) VALUES (7, 'event', x'00')",
    "INSERT INTO entry (idx, type, body) VALUES (1, 'event', x'00') ON CONFLICT (idx) DO UPDATE SET body = x'00'",
    "UPDATE event SET idx = 2 WHERE event_id = 'e-1'",
    "DELETE FROM event",
    "INSERT OR REPLACE INTO event (source, event_id, idx) VALUES ('acme', 'e-1', 2)",
    "INSERT INTO event (source, event_id, idx) VALUES ('acme', 'e-1', 2) ON CONFLICT DO UPDATE SET idx = 2",
    "UPDATE checkpoint SET root = x'00'",
    "DELETE FROM checkpoint WHERE size = 3",
    "INSERT OR REPLACE INTO checkpoint (size, root, chain, note) VALUES (3, x'00', x'00', x'00')",
    "INSERT INTO checkpoint (size, root, chain, note) VALUES (9, x'00', x'00', x'00')",
    "UPDATE tile SET hashes = x'00'",
    "UPDATE tile SET n = 5",
    "DELETE FROM tile",
    "INSERT OR REPLACE INTO tile (level, n, hashes) VALUES (0, 0, x'00')",
    "INSERT INTO tile (level, n, hashes) VALUES (0, 0, x'00') ON CONFLICT DO UPDATE SET hashes = excluded.hashes",
    "UPDATE blob SET data = x'00'",
    "DELETE FROM blob",
    "INSERT OR REPLACE INTO blob (digest, data) SELECT digest, x'00' FROM blob",
]
OWNERS = [
    "DROP TABLE entry",
    "DROP TRIGGER entry_no_update",
    "ALTER TABLE entry RENAME TO other",
    "DROP INDEX entry_by_type",
    "ATTACH ':memory:' AS other",
    "PRAGMA writable_schema = ON",
    "PRAGMA recursive_triggers = OFF",
]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = log_in(tmp_path)
    log.append([event("e-1"), event("e-2")], blobs=[b"matter"])
    return log


@pytest.mark.parametrize("statement", [*STATEMENTS, *OWNERS])
def test_our_connections_refuse_it(log: Log, statement: str) -> None:
    """If this fails, a mistake in our own program can change the log."""
    before = log.head(), [entry.body for entry in log.entries()]
    with pytest.raises((ConflictError, TransientError)), log.store.writing() as tx:
        tx.exec_driver_sql(statement)
    assert (log.head(), [entry.body for entry in log.entries()]) == before
    assert fsck(log).ok


@pytest.mark.parametrize("statement", STATEMENTS)
def test_any_connection_refuses_it(log: Log, tmp_path: Path, statement: str) -> None:
    """If this fails, a person with an SQLite shell can change the log by accident."""
    plain = sqlite3.connect(tmp_path / "settle.db")
    try:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            plain.execute(statement)
    finally:
        plain.close()
    assert fsck(log).ok


def test_readers_cannot_write(log: Log) -> None:
    """If this fails, a question can change the log."""
    with pytest.raises(TransientError, match=r"readonly|read-only"), log.store.reading() as connection:
        connection.exec_driver_sql("INSERT INTO projected (name, size) VALUES ('x', 1)")


def test_a_failed_transaction_keeps_nothing(log: Log) -> None:
    """If this fails, half a batch survives."""
    size = log.head().size
    with pytest.raises(ConflictError):
        log.append([event("e-3"), event("e-1")], blobs=[b"other matter"])
    assert log.head().size == size
    assert log.find_event("acme", "e-3") is None
    assert fsck(log).blobs == 1
    assert log.append([event("e-3")]).size == size + 1


def test_every_commit_is_synced(log: Log) -> None:
    """If this fails, an acknowledged batch can be lost with the power."""
    with log.store.writing() as tx:
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
