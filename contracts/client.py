"""Drives a pool: look before anything is signed, post what a run owes, push claims, say how things stand.

Every act is an intent of the outbox, so each call may be repeated after any failure and does the rest.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.abi import Abi
from contracts.address import same_address
from contracts.artifacts import load
from contracts.book import Book
from contracts.courier import Courier
from contracts.effects import POOL, created_address, posting_digest
from contracts.errors import ChainStateError, NodeError, PreflightError
from contracts.node import Node, Receipt
from contracts.outbox import Intent, Outbox, State
from contracts.posting import Leaf, Pool, Posting, PublishedRun, next_posting
from contracts.store import ChainStore

TOKEN: Final = Abi(load("DemoToken").abi)
BATCH_MAX: Final = 50
ROLES: Final = {"owner": 1, "publisher": 2, "guardian": 4}
REASONS: Final = {
    1: "not a leaf of the serving root",
    2: "nothing owed",
    3: "over the posted total",
    4: "the token refused",
}
_EMPTY: Final = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What came of a deployment."""

    pool: str | None
    token: str | None
    chain_id: int
    currency: str
    state: State
    transaction: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How the posting of one run stands. Amounts are the token's base units."""

    run: str
    pool: str
    chain_id: int
    sequence: int
    root: str
    total: int
    payees: int
    state: State
    transaction: str | None
    active_at: int | None
    gas: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A posting that was not sent: what would be signed, and what the node says it would cost."""

    run: str
    pool: str
    chain_id: int
    sequence: int
    root: str
    total: int
    payees: int
    to_fund: int
    gas: int | None
    calldata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    party: str
    account: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What one push of claims paid, in base units, and whom it had to skip."""

    run: str | None
    paid: int
    payees: int
    skipped: tuple[Skipped, ...]
    open: int
    transactions: tuple[str, ...]


class PoolClient:
    """One workspace's way to its pools on one chain."""

    def __init__(self, node: Node, store: ChainStore, courier: Courier, *, sender: str, chain_id: int | None) -> None:
        self.node, self.book, self.outbox = node, Book(store), Outbox(store)
        self._store, self._courier, self._sender = store, courier, sender
        self.chain_id = node.chain_id()
        if chain_id and chain_id != self.chain_id:
            raise PreflightError(f"the node serves chain {self.chain_id}, settle.toml says {chain_id}; check chain.url")

    # --- looking

    def read(self, pool: Pool, name: str, *arguments: Any) -> Any:
        return POOL.answer(name, self.node.call(pool.address, POOL.data(name, *arguments)))

    def status(self, pool: Pool) -> dict[str, Any]:
        """The pool's own summary; `pending` as of the latest block."""
        found: dict[str, Any] = self.read(pool, "status")
        return found

    def balance(self, pool: Pool, account: str | None = None) -> int:
        asked = TOKEN.data("balanceOf", account or pool.address)
        return int(TOKEN.answer("balanceOf", self.node.call(pool.token, asked)))

    def preflight(self, pool: Pool, role: str | None = None) -> dict[str, Any]:
        """Everything that must be as recorded before a signature: chain, code, token, decimals, role, gas money."""
        immutables = load("RoyaltyPool").check_runtime(self.node.code(pool.address))
        said = {"TOKEN": int(pool.token, 16), "WINDOW": pool.window}
        for name, value in said.items():
            if immutables[name] != value:
                raise PreflightError(f"pool {pool.address} has {name} {immutables[name]:#x}, recorded was {value:#x}")
        decimals = int(TOKEN.answer("decimals", self.node.call(pool.token, TOKEN.data("decimals"))))
        if decimals != pool.decimals:
            raise PreflightError(f"token {pool.token} has {decimals} decimals, recorded were {pool.decimals}")
        if role is not None:
            holder = str(self.read(pool, "holder_of", ROLES[role]))
            if not same_address(holder, self._sender):
                raise PreflightError(f"the pool's {role} is {holder}; this workspace signs as {self._sender}")
        if self.node.balance(self._sender) == 0:
            raise PreflightError(f"{self._sender} has nothing to pay gas with; send it some of the chain's own coin")
        return self.status(pool)

    # --- deploying

    def deploy(
        self, currency: str, token: str | None, *, window: int, notice: int, dormancy: int, roles: Mapping[str, str]
    ) -> Deployed:
        """The pool for a currency; a second call finishes or repeats the first. No token: test money of our own."""
        if known := [pool for pool in self.book.pools(self.chain_id) if pool.currency == currency]:
            return Deployed(
                pool=known[0].address,
                token=known[0].token,
                chain_id=self.chain_id,
                currency=currency,
                state="final",
                transaction=None,
            )
        if token is None:
            made = self._deploy(f"deploy:{self.chain_id}:{currency}:token", load("DemoToken").bytecode)
            if made.state != "final":
                return self._deployed(made, currency, None)
            token = self._created(made)
        holders = [roles.get(role, self._sender) for role in ROLES]
        arguments = POOL.constructor(token, *holders, window, notice, dormancy)
        made = self._deploy(f"deploy:{self.chain_id}:{currency}:pool", load("RoyaltyPool").bytecode + arguments)
        if made.state == "final":
            decimals = TOKEN.answer("decimals", self.node.call(token, TOKEN.data("decimals")))
            self.book.add_pool(
                Pool(
                    chain_id=self.chain_id, address=self._created(made), token=token, currency=currency,
                    decimals=int(decimals), window=window, block=made.block or 0,
                )
            )  # fmt: skip
        return self._deployed(made, currency, token)

    def _deploy(self, key: str, data: bytes) -> Intent:
        return self._courier.drive(
            self._courier.plan(key, kind="deploy", chain_id=self.chain_id, target=None, data=data)
        )

    def _created(self, intent: Intent) -> str:
        if intent.nonce is None:
            raise ChainStateError(f"{intent.key} was not deployed by this workspace")
        return created_address(intent.sender, intent.nonce)

    def _deployed(self, intent: Intent, currency: str, token: str | None) -> Deployed:
        return Deployed(
            pool=self._created(intent) if token and intent.nonce is not None else None,
            token=token,
            chain_id=self.chain_id,
            currency=currency,
            state=intent.state,
            transaction=self.transaction(intent),
        )

    # --- posting

    def settle(self, run: PublishedRun, *, dry_run: bool = False) -> Settled | Planned:
        """Post what a run owes; repeating finishes the first call. A vetoed posting is not repeated by itself."""
        pool = self.book.pool(self.chain_id, run.currency)
        if standing := self._standing(pool, run.run):
            posting, intent = standing
            return self._settled(posting, self._courier.drive(intent))
        status = self.preflight(pool, None if dry_run else "publisher")
        posting, data = self._prepare(pool, run, status)
        missing = max(0, posting.total - status["claimed"] - self.balance(pool))
        if dry_run:
            return self._planned(posting, data, missing)
        if missing:
            raise PreflightError(
                f"pool {pool.address} lacks {missing} base units of {pool.token} for run {run.run}; "
                "send them there (on the embedded chain: `settle chain fund`), then repeat this"
            )
        key = f"post:{pool.chain_id}:{pool.address}:{posting.sequence}:{posting.tree.root.hex()}"
        with self._store.transaction():
            intent = self._courier.plan(key, kind="post", chain_id=pool.chain_id, target=pool.address, data=data)
            self.book.add_posting(posting, key)
        return self._settled(posting, self._courier.drive(intent))

    def _prepare(self, pool: Pool, run: PublishedRun, status: dict[str, Any]) -> tuple[Posting, bytes]:
        for intent in self.outbox.intents("planned", "signed", "sent", "mined"):
            if intent.kind == "post" and intent.target == pool.address:
                raise ChainStateError(f"{intent.key} is still {intent.state}; finish it with `settle chain resume`")
        if status["pending"]:
            raise ChainStateError(
                f"posting {status['sequence']} still waits for its window to pass at {status['active_at']}; "
                "the next can follow then"
            )
        previous = self.book.by_root(pool, status["serving_root"])
        if previous and previous.total != status["total"]:
            raise PreflightError(f"the pool's total is {status['total']}, chain.db says {previous.total}")
        posting = next_posting(
            pool, run, previous, sequence=status["sequence"] + 1, salt=self.book.salt(lambda: secrets.token_bytes(32))
        )
        if run.ledger_size < status["ledger_size"]:
            raise PreflightError(
                f"the ledger had {run.ledger_size} leaves when run {run.run} was published, "
                f"the pool has {status['ledger_size']} anchored"
            )
        roots = (bytes.fromhex(run.period_root), posting.tree.root, bytes.fromhex(run.ledger_root))
        return posting, POOL.data("post", posting.sequence, *roots, run.ledger_size, posting.total)

    def _standing(self, pool: Pool, run: str) -> tuple[Posting, Intent] | None:
        """The run's posting that is on its way or stands; not one that failed or was vetoed."""
        for posting, key in reversed(self.book.postings(pool, run)):
            intent = self.outbox.find(key)
            if intent and intent.state != "failed" and not self.vetoed(posting):
                return posting, intent
        return None

    def vetoed(self, posting: Posting) -> bool:
        """Whether the guardian struck this posting, as the chain's events say."""
        topics = [POOL.topics["Vetoed"], posting.sequence.to_bytes(32, "big")]
        logs = self.node.logs(posting.pool.address, topics, posting.pool.block)
        return bool(logs) and self.read(posting.pool, "posted", posting.sequence) == posted_digest(posting)

    def _settled(self, posting: Posting, intent: Intent) -> Settled:
        receipt = self._receipt(intent)
        stands = intent.state in ("mined", "final")
        return Settled(
            run=posting.run,
            pool=posting.pool.address,
            chain_id=posting.pool.chain_id,
            sequence=posting.sequence,
            root="0x" + posting.tree.root.hex(),
            total=posting.total,
            payees=len(posting.leaves),
            state=intent.state,
            transaction=self.transaction(intent),
            active_at=self._active_at(posting) if stands else None,
            gas=receipt.gas if receipt else None,
            detail=intent.detail,
        )

    def _active_at(self, posting: Posting) -> int | None:
        topics = [POOL.topics["Posted"], posting.sequence.to_bytes(32, "big")]
        for log in self.node.logs(posting.pool.address, topics, posting.pool.block):
            event = POOL.event(log.topics, log.data)
            if event and event[1]["payout_root"] == posting.tree.root:
                return int(event[1]["active_at"])
        return None

    def _planned(self, posting: Posting, data: bytes, missing: int) -> Planned:
        publisher = str(self.read(posting.pool, "holder_of", ROLES["publisher"]))
        return Planned(
            run=posting.run,
            pool=posting.pool.address,
            chain_id=posting.pool.chain_id,
            sequence=posting.sequence,
            root="0x" + posting.tree.root.hex(),
            total=posting.total,
            payees=len(posting.leaves),
            to_fund=missing,
            gas=None if missing else self.node.estimate(publisher, posting.pool.address, data),
            calldata="0x" + data.hex(),
        )

    # --- anchoring, funding

    def anchor(self, currency: str, ledger_root: str, ledger_size: int) -> Intent:
        """Anchor the ledger's tree in the pool of a currency; an anchored size is not anchored twice."""
        pool = self.book.pool(self.chain_id, currency)
        status = self.preflight(pool, "publisher")
        if ledger_size < status["ledger_size"]:
            raise PreflightError(f"the pool has {status['ledger_size']} leaves anchored, this ledger has {ledger_size}")
        data = POOL.data("anchor", bytes.fromhex(ledger_root), ledger_size)
        key = f"anchor:{pool.chain_id}:{pool.address}:{ledger_size}:{ledger_root}"
        plan = self._courier.plan(key, kind="anchor", chain_id=pool.chain_id, target=pool.address, data=data)
        return self._courier.drive(plan)

    def fund(self, pool: Pool, amount: int, label: str) -> Intent:
        """Mint test money into a pool; only the demo token lets anybody do that."""
        load("DemoToken").check_runtime(self.node.code(pool.token))
        data = TOKEN.data("mint", pool.address, amount)
        key = f"fund:{pool.chain_id}:{pool.address}:{label}"
        plan = self._courier.plan(key, kind="fund", chain_id=pool.chain_id, target=pool.token, data=data)
        return self._courier.drive(plan)

    # --- claims

    def claim(self, currency: str, parties: Iterable[str] | None = None) -> Claimed:
        """Push what the serving posting still owes, to everybody or to these; 50 to a transaction."""
        pool = self.book.pool(self.chain_id, currency)
        self.resume("claim")
        status = self.preflight(pool)
        posting = self.book.by_root(pool, status["serving_root"])
        if posting is None:
            wait = f" until {status['active_at']}" if status["pending"] else ""
            raise ChainStateError(f"pool {pool.address} serves no posting yet{wait}")
        wanted = None if parties is None else set(parties)
        if unknown := sorted((wanted or set()) - {leaf.party for leaf in posting.leaves}):
            raise ChainStateError(f"posting {posting.sequence} owes nothing to {unknown[0]}")
        owed = [
            (row, leaf)
            for row, leaf in enumerate(posting.leaves)
            if (wanted is None or leaf.party in wanted) and leaf.cumulative > self.read(pool, "claimed", leaf.payee_id)
        ]
        intents = [self._push(posting, owed[start : start + BATCH_MAX]) for start in range(0, len(owed), BATCH_MAX)]
        return self._claimed(posting, intents)

    def _push(self, posting: Posting, batch: list[tuple[int, Leaf]]) -> Intent:
        claims = [(leaf.payee_id, leaf.account, leaf.cumulative, posting.tree.proof(row)) for row, leaf in batch]
        data = POOL.data("claim_many", claims)
        base = f"claim:{posting.pool.chain_id}:{posting.pool.address}:{hashlib.sha256(data).hexdigest()[:16]}"
        again = sum(intent.key.startswith(base) for intent in self.outbox.intents("final", "failed"))
        plan = self._courier.plan(
            f"{base}:{again}", kind="claim", chain_id=self.chain_id, target=posting.pool.address, data=data
        )
        return self._courier.drive(plan)

    def _claimed(self, posting: Posting, intents: list[Intent]) -> Claimed:
        parties = {leaf.payee_id: leaf.party for leaf in posting.leaves}
        paid, payees, skipped = 0, 0, []
        for intent in intents:
            receipt = self._receipt(intent)
            for log in receipt.logs if receipt else ():
                event = (
                    POOL.event(log.topics, log.data) if log.address.lower() == posting.pool.address.lower() else None
                )
                if event and event[0] == "Paid":
                    paid, payees = paid + event[1]["amount"], payees + 1
                elif event and event[0] == "Unpaid":
                    who, why = parties[event[1]["payee_id"]], REASONS[event[1]["reason"]]
                    skipped.append(Skipped(party=who, account=event[1]["account"], reason=why))
        return Claimed(
            run=posting.run,
            paid=paid,
            payees=payees,
            skipped=tuple(skipped),
            open=sum(intent.open for intent in intents),
            transactions=tuple(filter(None, map(self.transaction, intents))),
        )

    # --- going on

    def resume(self, kind: str | None = None) -> list[Intent]:
        """Carry on with whatever is open on this chain, oldest first."""
        waiting = self.outbox.intents("planned", "signed", "sent", "mined")
        mine = [one for one in waiting if one.chain_id == self.chain_id and (kind is None or one.kind == kind)]
        return [self._courier.drive(intent) for intent in mine]

    def transaction(self, intent: Intent) -> str | None:
        """The hash of the transaction that did it, or of the last one signed."""
        receipt = self._receipt(intent)
        attempts = self.outbox.attempts(intent)
        return receipt.hash if receipt else attempts[-1].hash if attempts else None

    def _receipt(self, intent: Intent) -> Receipt | None:
        for attempt in self.outbox.attempts(intent):
            try:
                found = self.node.receipt(attempt.hash)
            except NodeError:
                continue
            if found is not None:
                return found
        return None


def posted_digest(posting: Posting) -> bytes:
    """What the pool keeps of this posting under its sequence."""
    return posting_digest(
        bytes.fromhex(posting.period_root),
        posting.tree.root,
        bytes.fromhex(posting.ledger_root),
        posting.ledger_size,
        posting.total,
    )
