"""A pool, its token and its people on a fast EVM, with a tree builder for what is posted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from contracts.merkle import MerkleTree, keccak, leaf_hash
from contracts.posting import abi_row
from tests.contracts.compiled import Compiled, pool, token
from tests.contracts.evm import Contract, Evm, Result

DAY: Final = 86_400
WINDOW: Final = 3 * DAY
NOTICE: Final = 90 * DAY
DORMANCY: Final = 365 * DAY
OWNER, PUBLISHER, GUARDIAN = 1, 2, 4

Row = tuple[bytes, str, int]
"""Payee id, account, cumulative."""


def payee(n: int) -> bytes:
    return keccak(b"payee %d" % n)


def account(n: int) -> str:
    return "0x" + keccak(b"account %d" % n)[-20:].hex()


@dataclass(frozen=True)
class Tree:
    """Rows under a root; `claim` gives a row with its proof, as the pool takes it."""

    rows: tuple[Row, ...]
    merkle: MerkleTree

    @property
    def root(self) -> bytes:
        return self.merkle.root

    @property
    def total(self) -> int:
        return sum(row[2] for row in self.rows)

    def claim(self, n: int) -> tuple[bytes, str, int, list[bytes]]:
        return (*self.rows[n], self.merkle.proof(n))


@dataclass
class World:
    """Roles are the first accounts; `mint` funds the pool."""

    code: Compiled = field(default_factory=pool)
    token_name: str = "DemoToken"
    window: int = WINDOW
    evm: Evm = field(default_factory=Evm)

    def __post_init__(self) -> None:
        self.owner, self.publisher, self.guardian, self.stranger = self.evm.accounts[:4]
        self.token = self.evm.deploy(token(self.token_name))
        self.pool: Contract = self.evm.deploy(
            self.code, self.token.address, self.owner, self.publisher, self.guardian, self.window, NOTICE, DORMANCY
        )

    def tree(self, rows: Iterable[Row], *, at: str | None = None, chain_id: int | None = None) -> Tree:
        """The tree over these rows, for this pool on this chain unless told otherwise."""
        rows = tuple(rows)
        where, chain = at or self.pool.address, chain_id or self.evm.chain_id
        return Tree(rows, MerkleTree([leaf_hash(abi_row(chain, where, *row)) for row in rows]))

    def mint(self, amount: int) -> None:
        assert self.token.send(self.stranger, "mint", self.pool.address, amount).ok

    def balance(self, who: str) -> int:
        return int(self.token.read("balanceOf", who))

    def claimed(self, who: bytes) -> int:
        """What the pool's storage holds under a payee, read without a call."""
        slot = keccak(self.code.slots["claimed"].to_bytes(32, "big") + who)
        return self.evm.storage(self.pool.address, int.from_bytes(slot, "big"))

    def post(self, sequence: int, tree: Tree, *, total: int | None = None, size: int | None = None) -> Result:
        """A valid posting by the publisher, unless the caller makes it otherwise."""
        ledger = (keccak(b"ledger %d" % sequence), sequence * 100 if size is None else size)
        amount = tree.total if total is None else total
        return self.pool.send(self.publisher, "post", sequence, keccak(b"period"), tree.root, *ledger, amount)

    def active(self, rows: Iterable[Row], sequence: int = 1) -> Tree:
        """Rows posted, funded and past their window."""
        tree = self.tree(rows)
        status = self.pool.read("status")
        self.mint(max(0, tree.total - status["claimed"] - self.balance(self.pool.address)))
        done = self.post(sequence, tree)
        assert done.ok, done.reason
        self.evm.now += self.window
        return tree
