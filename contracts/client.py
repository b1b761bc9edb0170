"""The workspace's client for its pools on one chain: check before signing, deploy, anchor, resume.

Every act is an intent of the outbox, so each call may be repeated after any failure and does the rest.
Posting is in `contracts.settling`, claims in `contracts.pushing`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from contracts.abi import Abi
from contracts.address import parse_address, same_address
from contracts.artifacts import load
from contracts.book import PostingBook
from contracts.courier import Courier
from contracts.effects import POOL, created_address
from contracts.errors import ChainStateError, PreflightError
from contracts.node import Node, TransactionReceipt
from contracts.outbox import OPEN, Intent, Outbox
from contracts.posting import Pool
from contracts.results import Deployed
from contracts.store import ChainStore

TOKEN: Final = Abi(load("DemoToken").abi)
ROLES: Final = {"owner": 1, "publisher": 2, "guardian": 4}
"""The contract's roles as its flags."""


class PoolClient:
    """Node, outbox and book of one chain behind one face."""

    def __init__(self, node: Node, store: ChainStore, courier: Courier, *, sender: str, chain_id: int | None) -> None:
        self.node, self.store, self.courier, self.sender = node, store, courier, sender
        self.book, self.outbox = PostingBook(store), Outbox(store)
        self.chain_id = node.chain_id()
        if chain_id and chain_id != self.chain_id:
            raise PreflightError(f"the node serves chain {self.chain_id}, chain.id says {chain_id}; check chain.url")

    # --- looking

    def read(self, pool: Pool, name: str, *arguments: Any) -> Any:
        return POOL.answer(name, self.node.call(pool.address, POOL.data(name, *arguments)))

    def status(self, pool: Pool) -> dict[str, Any]:
        """The pool's own summary, as of the latest block."""
        status: dict[str, Any] = self.read(pool, "status")
        return status

    def balance(self, pool: Pool) -> int:
        """The token units that lie in a pool."""
        return int(TOKEN.answer("balanceOf", self.node.call(pool.token, TOKEN.data("balanceOf", pool.address))))

    def events(self, pool: Pool, name: str, *indexed: bytes) -> Iterator[tuple[dict[str, Any], str]]:
        """A pool's events of one kind with their transactions, oldest first."""
        for log in self.node.logs(pool.address, [POOL.topics[name], *indexed], pool.block):
            event = POOL.event(log.topics, log.data)
            if event is not None:
                yield event[1], log.transaction

    def decimals(self, token: str) -> int:
        return int(TOKEN.answer("decimals", self.node.call(token, TOKEN.data("decimals"))))

    def preflight(self, pool: Pool, role: str | None = None, *, signing: bool = True) -> dict[str, Any]:
        """All that must be as recorded before a signature: chain, code, token, decimals, role, money for gas."""
        immutables = load("RoyaltyPool").check_runtime(self.node.code(pool.address))
        for name, value in {"TOKEN": int(pool.token, 16), "WINDOW": pool.window}.items():
            if immutables[name] != value:
                raise PreflightError(f"pool {pool.address} has {name} {immutables[name]:#x}, recorded was {value:#x}")
        if (decimals := self.decimals(pool.token)) != pool.decimals:
            raise PreflightError(f"token {pool.token} has {decimals} decimals, recorded were {pool.decimals}")
        if role is not None:
            holder = str(self.read(pool, "holder_of", ROLES[role]))
            if not same_address(holder, self.sender):
                raise PreflightError(f"the pool's {role} is {holder}; this workspace signs as {self.sender}")
        if signing and self.node.balance(self.sender) == 0:
            raise PreflightError(f"{self.sender} has nothing to pay gas with; send it some of the chain's own coin")
        return self.status(pool)

    # --- deploying, anchoring, funding

    def deploy(
        self, currency: str, token: str | None, *, window: int, notice: int, dormancy: int, roles: Mapping[str, str]
    ) -> Deployed:
        """The pool for a currency; a second call finishes or repeats the first. No token: test money of our own."""
        for deployed in self.book.pools(self.chain_id):
            if deployed.currency == currency:
                return Deployed(
                    pool=deployed.address,
                    token=deployed.token,
                    chain_id=self.chain_id,
                    currency=currency,
                    state="final",
                    transaction=None,
                )
        if token is None:
            receipt = self._deploy(f"deploy:{self.chain_id}:{currency}:token", load("DemoToken").bytecode)
            if receipt.state != "final":
                return self._deployed(receipt, currency, None)
            token = self._created(receipt)
        token = parse_address(token)
        decimals = self.decimals(token)
        holders = [parse_address(roles.get(role, self.sender)) for role in ROLES]
        arguments = POOL.constructor(token, *holders, window, notice, dormancy)
        receipt = self._deploy(f"deploy:{self.chain_id}:{currency}:pool", load("RoyaltyPool").bytecode + arguments)
        if receipt.state == "final":
            pool = Pool(
                chain_id=self.chain_id,
                address=self._created(receipt),
                token=token,
                currency=currency,
                decimals=decimals,
                window=window,
                block=receipt.block or 0,
            )
            load("RoyaltyPool").check_runtime(self.node.code(pool.address))
            self.book.add_pool(pool)
        return self._deployed(receipt, currency, token)

    def _deploy(self, key: str, data: bytes) -> Intent:
        return self.act(key, kind="deploy", target=None, data=data)

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

    def anchor(self, currency: str, ledger_root: str, ledger_size: int) -> Intent:
        """Anchor the ledger's tree in the pool of a currency; an anchored size is not anchored twice."""
        pool = self.book.pool(self.chain_id, currency)
        status = self.preflight(pool, "publisher")
        if ledger_size < status["ledger_size"]:
            raise PreflightError(f"the pool has {status['ledger_size']} leaves anchored, this ledger has {ledger_size}")
        data = POOL.data("anchor", bytes.fromhex(ledger_root), ledger_size)
        key = f"anchor:{pool.chain_id}:{pool.address}:{ledger_size}:{ledger_root}"
        return self.act(key, kind="anchor", target=pool.address, data=data)

    def fund(self, pool: Pool, amount: int) -> Intent:
        """Mint test money into a pool; only the demo token lets anybody do that."""
        load("DemoToken").check_runtime(self.node.code(pool.token))
        fundings = sum(intent.kind == "fund" for intent in self.outbox.intents("final"))
        data = TOKEN.data("mint", pool.address, amount)
        return self.act(f"fund:{pool.chain_id}:{pool.address}:{fundings}", kind="fund", target=pool.token, data=data)

    def veto(self, currency: str) -> Intent:
        """Strike the pending posting, as guardian or owner."""
        pool = self.book.pool(self.chain_id, currency)
        status = self.preflight(pool)
        key = f"veto:{pool.chain_id}:{pool.address}:{status['sequence']}"
        return self.act(key, kind="veto", target=pool.address, data=POOL.data("veto"))

    def pause(self, currency: str, *, on: bool) -> Intent:
        """Stop claims for a while, as guardian or owner; or let them go on, as the owner."""
        pool = self.book.pool(self.chain_id, currency)
        status = self.preflight(pool)
        key = f"{'pause' if on else 'unpause'}:{pool.chain_id}:{pool.address}:{status['paused_until']}"
        return self.act(key, kind="pause", target=pool.address, data=POOL.data("pause", on))

    # --- acting and carrying on

    def act(self, key: str, *, kind: str, target: str | None, data: bytes) -> Intent:
        """Carry out this intent once, as far as possible now."""
        plan = self.courier.plan(key, kind=kind, chain_id=self.chain_id, target=target, data=data)
        return self.courier.drive(plan)

    def waiting(self, kind: str | None = None) -> list[Intent]:
        """Return the pending intents on this chain, oldest first."""
        open_intents = self.outbox.intents(*OPEN)
        return [intent for intent in open_intents if intent.chain_id == self.chain_id and kind in (None, intent.kind)]

    def resume(self, kind: str | None = None, *, replace: bool = False) -> list[Intent]:
        """Continue all open intents; `replace` first replaces sent transactions by ones with a higher fee."""
        done = []
        for intent in self.waiting(kind):
            raised = self.courier.replace(intent) if replace and intent.state == "sent" else intent
            done.append(self.courier.drive(raised))
        return done

    def adopt_nonce(self) -> int:
        """Believe the node's count of our transactions, after a person has looked."""
        return self.outbox.adopt_nonce(self.chain_id, self.sender, self.node.nonce(self.sender, "pending"))

    def unsigned(self) -> list[dict[str, Any]]:
        """Export the transactions that wait for a signature on another machine."""
        fees = self.courier.fees()
        planned = [intent for intent in self.waiting() if intent.state == "planned" and intent.nonce is not None]
        return [
            {"key": intent.key, "sender": intent.sender, "transaction": dict(intent.unsigned(fees))}
            for intent in planned
        ]

    def take_in(self, key: str, raw: bytes) -> Intent:
        """Import transactions signed on another machine, and send them."""
        cap = self.courier.terms.fee_cap
        return self.courier.drive(self.outbox.import_signed(self.outbox.get(key), raw, cap))

    def salt(self) -> Callable[[str], bytes]:
        """The salts of this workspace's payee ids."""
        return self.book.salt(lambda: secrets.token_bytes(32))

    def transaction(self, intent: Intent) -> str | None:
        """The hash of the transaction that did it, or of the last one signed."""
        receipt = self.receipt(intent)
        attempts = self.outbox.attempts(intent)
        return receipt.hash if receipt else attempts[-1].hash if attempts else None

    def receipt(self, intent: Intent) -> TransactionReceipt | None:
        """The receipt of whichever transaction of an intent was mined."""
        receipts = (self.node.receipt(attempt.hash) for attempt in self.outbox.attempts(intent))
        return next((receipt for receipt in receipts if receipt is not None), None)
