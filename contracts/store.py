"""The store of transactions sent to a chain: `chain.db`, SQLite, next to the workspace's log.

It holds what no ledger may: salts, raw transactions, nonces. Losing it loses no money, since the pool is
the last guard against paying twice; what cannot be found again is the salts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.files import keep_private, make_folder

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS pool (
  chain_id INTEGER NOT NULL, address TEXT NOT NULL, token TEXT NOT NULL, currency TEXT NOT NULL,
  decimals INTEGER NOT NULL, window INTEGER NOT NULL, block INTEGER NOT NULL,
  PRIMARY KEY (chain_id, address)) STRICT;
CREATE TABLE IF NOT EXISTS posting (
  chain_id INTEGER NOT NULL, pool TEXT NOT NULL, sequence INTEGER NOT NULL, root TEXT NOT NULL,
  run TEXT NOT NULL, intent TEXT NOT NULL, document TEXT NOT NULL,
  PRIMARY KEY (chain_id, pool, sequence, root)) STRICT;
CREATE TABLE IF NOT EXISTS sender (
  chain_id INTEGER NOT NULL, address TEXT NOT NULL, next_nonce INTEGER NOT NULL,
  PRIMARY KEY (chain_id, address)) STRICT;
CREATE TABLE IF NOT EXISTS intent (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, chain_id INTEGER NOT NULL,
  sender TEXT NOT NULL, target TEXT, data BLOB NOT NULL, gas INTEGER NOT NULL, nonce INTEGER,
  state TEXT NOT NULL CHECK (state IN ('planned', 'signed', 'sent', 'mined', 'final', 'failed')),
  block INTEGER, block_hash TEXT, detail TEXT NOT NULL DEFAULT '',
  UNIQUE (chain_id, sender, nonce)) STRICT;
CREATE TABLE IF NOT EXISTS attempt (
  hash TEXT PRIMARY KEY, intent INTEGER NOT NULL REFERENCES intent, raw BLOB NOT NULL,
  max_fee INTEGER NOT NULL, tip INTEGER NOT NULL) STRICT;
"""


class ChainStore:
    """One connection; every write is a transaction that holds the file's lock from its first read."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self.connection = sqlite3.connect(path, isolation_level=None, timeout=60)
        for suffix in ("", "-wal", "-shm"):  # it holds signed transactions and the secret behind payee ids
            keep_private(path.with_name(path.name + suffix))
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self.connection.execute(statement)

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; nested use joins the outer transaction."""
        if self.connection.in_transaction:
            yield self.connection
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
