"""A settlement desk for tests: an embedded chain, a store, a client, a pool; and nodes that misbehave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.address import checksum
from contracts.client import PoolClient
from contracts.courier import Courier, GasTerms
from contracts.embedded import EmbeddedChain
from contracts.node import ChainBlock, ChainEvent, Node, Place, TransactionReceipt, Web3Node
from contracts.outbox import Outbox
from contracts.posting import Pool, PostedPayment, PublishedRun
from contracts.signer import EmbeddedSigner, TransactionSigner
from contracts.store import ChainStore

NOW = 1_800_000_000
DAY = 86_400


class Wrapped:
    """A node behind a person in the middle: subclasses and tests override what they want to spoil."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def chain_id(self) -> int:
        return self.node.chain_id()

    def code(self, address: str) -> bytes:
        return self.node.code(address)

    def nonce(self, address: str, at: Place) -> int:
        return self.node.nonce(address, at)

    def balance(self, address: str) -> int:
        return self.node.balance(address)

    def block(self, at: Place) -> ChainBlock | None:
        return self.node.block(at)

    def receipt(self, transaction: str) -> TransactionReceipt | None:
        return self.node.receipt(transaction)

    def call(self, to: str, data: bytes, at: Place = "latest", sender: str | None = None) -> bytes:
        return self.node.call(to, data, at, sender)

    def estimate(self, sender: str, to: str | None, data: bytes) -> int:
        return self.node.estimate(sender, to, data)

    def tip(self) -> int:
        return self.node.tip()

    def logs(self, address: str, topics: Sequence[bytes], start: int) -> list[ChainEvent]:
        return self.node.logs(address, topics, start)

    def send(self, raw: bytes) -> str:
        return self.node.send(raw)


def account(n: int) -> str:
    return checksum((0xABC000 + n).to_bytes(20, "big"))


def run(n: int = 1, *, payees: int = 4, micros: int = 1_000_000, **changes: Any) -> PublishedRun:
    """A run that pays everybody the same and something of its own."""
    fields: dict[str, Any] = {
        "run": f"run-{n}",
        "published": True,
        "period": f"2026-{n:02d}",
        "period_root": f"{n:02d}" * 32,
        "ledger_root": f"{n + 50:02d}" * 32,
        "ledger_size": 100 * n,
        "currency": "EUR",
        "payments": tuple(PostedPayment(party=f"p-{i}", account=account(i), micros=micros + i) for i in range(payees)),
    }
    return PublishedRun(**(fields | changes))


def no_wait(_seconds: float) -> None:
    """Time does not pass in tests."""


@dataclass
class Desk:
    """Everything of one workspace's chain, in a folder; `reopen` is what another process would see."""

    home: Path
    terms: GasTerms = field(default_factory=lambda: GasTerms(patience=2))
    wrap: Callable[[Node], Node] = lambda node: node
    signer: TransactionSigner = field(default_factory=EmbeddedSigner)
    wait: Callable[[float], None] = no_wait

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.chain = EmbeddedChain(self.home / "embedded.ndjson", NOW)
        self.store = ChainStore(self.home / "chain.db")
        self.node: Node = self.wrap(Web3Node(self.chain.web3))
        courier = Courier(self.node, Outbox(self.store), self.signer, self.terms, wait=self.wait)
        self.client = PoolClient(self.node, self.store, courier, sender=self.signer.address, chain_id=None)

    def close(self) -> None:
        self.store.close()
        self.chain.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    @property
    def pool(self) -> Pool:
        return self.client.book.pool(self.client.chain_id, "EUR")

    def deployed(self, *, window: int = 0, funds: int = 100_000_000, guardian: str | None = None) -> Pool:
        roles = {"guardian": guardian} if guardian else {}
        done = self.client.deploy("EUR", None, window=window, notice=90 * DAY, dormancy=365 * DAY, roles=roles)
        assert done.state == "final"
        if funds:
            assert self.client.fund(self.pool, funds).state == "final"
        return self.pool

    def postings(self) -> int:
        """How many postings the chain has."""
        return sum(1 for _ in self.client.events(self.pool, "Posted"))

    def paid(self) -> int:
        """What the chain has paid out."""
        return sum(int(event["amount"]) for event, _ in self.client.events(self.pool, "Paid"))
