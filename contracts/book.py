"""The workspace's record of its pools: addresses, postings, and the payee behind each id."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from contracts.errors import ChainStateError
from contracts.posting import Pool, Posting, payee_salt
from contracts.store import ChainStore


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingRow:
    """A posting by name: its root in hex, the run it was made for, the key of its intent."""

    sequence: int
    root: str
    run: str
    intent: str


class PostingBook:
    """Pools, postings and the secret behind payee ids, in the chain store."""

    def __init__(self, store: ChainStore) -> None:
        self._store = store

    def add_pool(self, pool: Pool) -> None:
        with self._store.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO pool VALUES (?, ?, ?, ?, ?, ?, ?)",
                (pool.chain_id, pool.address, pool.token, pool.currency, pool.decimals, pool.window, pool.block),
            )

    def pools(self, chain_id: int) -> list[Pool]:
        rows = self._store.connection.execute("SELECT * FROM pool WHERE chain_id = ? ORDER BY rowid", (chain_id,))
        return [Pool(**dict(row)) for row in rows]

    def pool(self, chain_id: int, currency: str) -> Pool:
        """The pool that pays a currency on a chain."""
        for pool in self.pools(chain_id):
            if pool.currency == currency:
                return pool
        raise ChainStateError(
            f"no pool for {currency} on chain {chain_id}; make one with `settle chain deploy --currency {currency}`"
        )

    def pool_at(self, chain_id: int, address: str) -> Pool:
        """A pool of this workspace by its address."""
        for pool in self.pools(chain_id):
            if pool.address == address:
                return pool
        raise ChainStateError(f"pool {address} on chain {chain_id} is not one of this workspace")

    def add_posting(self, posting: Posting, intent: str) -> None:
        with self._store.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO posting VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    posting.pool.chain_id,
                    posting.pool.address,
                    posting.sequence,
                    posting.tree.root.hex(),
                    posting.run,
                    intent,
                    json.dumps(posting.as_json()),
                ),
            )

    def postings(self, pool: Pool, run: str | None = None) -> list[tuple[Posting, str]]:
        """Every posting planned for a pool with the key of its intent, oldest first; of one run, if named."""
        return [(self.posting(pool, row), row.intent) for row in self.rows(pool) if run in (None, row.run)]

    def rows(self, pool: Pool) -> list[PostingRow]:
        """The postings planned for a pool without what is in them, oldest first."""
        cursor = self._store.connection.execute(
            "SELECT sequence, root, run, intent FROM posting WHERE chain_id = ? AND pool = ? ORDER BY sequence, rowid",
            (pool.chain_id, pool.address),
        )
        return [PostingRow(**dict(row)) for row in cursor]

    def posting(self, pool: Pool, row: PostingRow) -> Posting:
        """A posting with its leaves."""
        record = self._store.connection.execute(
            "SELECT document FROM posting WHERE chain_id = ? AND pool = ? AND sequence = ? AND root = ?",
            (pool.chain_id, pool.address, row.sequence, row.root),
        ).fetchone()
        return Posting.from_json(json.loads(record["document"]), pool)

    def by_root(self, pool: Pool, root: bytes) -> Posting | None:
        """The posting with this root; None for the empty root of a pool that serves nothing yet."""
        if root == bytes(32):
            return None
        for row in reversed(self.rows(pool)):
            if row.root == root.hex():
                return self.posting(pool, row)
        raise ChainStateError(
            f"pool {pool.address} serves root {root.hex()}, which is not in this workspace's chain.db; "
            "restore chain.db from a backup before anything is posted"
        )

    def salt(self, fresh: Callable[[], bytes]) -> Callable[[str], bytes]:
        """The salts of payee ids, from one secret that is drawn the first time it is needed."""
        with self._store.transaction() as db:
            db.execute("INSERT OR IGNORE INTO secret VALUES ('payee', ?)", (fresh(),))
            row = db.execute("SELECT value FROM secret WHERE name = 'payee'").fetchone()
        secret: bytes = row["value"]
        return lambda party: payee_salt(secret, party)
