"""Send intents to the chain step by step; after each step the process may crash without harm.

Nothing here believes what a node says in prose. A transaction is there when a receipt for one of its
hashes says so, in a block that is still the one at its height, or when the contract shows the effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts.effects import happened
from contracts.errors import ChainStateError, PreflightError
from contracts.node import ChainBlock, Node, Place, TransactionReceipt
from contracts.outbox import Fees, Intent, Outbox
from contracts.signer import TransactionSigner
from ledger.errors import TransientError

GWEI = 10**9
RESEND_EVERY = 30
"""Looks between two sendings of the same bytes, in case a node has dropped them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GasTerms:
    """How sure is sure, and how dear is too dear."""

    confirmations: int = 1
    fee_cap: int = 500 * GWEI
    patience: int = 120
    """Looks, a second apart, before the rest is left to a later call."""


class Courier:
    """Drives intents from planned to final over one node, with one signer."""

    def __init__(
        self, node: Node, outbox: Outbox, signer: TransactionSigner, terms: GasTerms, *, wait: Callable[[float], None]
    ) -> None:
        self._node, self._outbox, self._signer = node, outbox, signer
        self.terms, self._wait = terms, wait

    def plan(self, key: str, *, kind: str, chain_id: int, target: str | None, data: bytes) -> Intent:
        """Record an intent. The node simulates it first: a call that would revert is refused."""
        planned = self._outbox.find(key)
        if planned and planned.state != "failed":
            return planned
        gas = self._node.estimate(self._signer.address, target, data)
        return self._outbox.plan(
            key,
            kind=kind,
            chain_id=chain_id,
            sender=self._signer.address,
            target=target,
            data=data,
            gas=gas + gas // 4,
        )

    def drive(self, intent: Intent) -> Intent:
        """Continue until the intent is final or failed, waits for a signature, or the time limit is reached."""
        looks = 0
        while intent.open:
            previous = (intent.state, intent.nonce)
            intent = self.step(intent, resend=looks % RESEND_EVERY == 0)
            if (intent.state, intent.nonce) == previous:
                if intent.state == "planned" or looks >= self.terms.patience:
                    break
                self._wait(1)
                looks += 1
        return intent

    def step(self, intent: Intent, *, resend: bool = True) -> Intent:
        """One look at the chain and at most one act."""
        if intent.chain_id != self._node.chain_id():
            raise PreflightError(
                f"{intent.key} is for chain {intent.chain_id}, the node serves {self._node.chain_id()}; check chain.url"
            )
        if intent.state == "planned":
            return self._sign(intent)
        receipt = self._receipt(intent)
        if receipt is not None:
            return self._mined(intent, receipt)
        if intent.state == "mined":
            return self._outbox.mark(intent, "sent", detail=f"no longer in block {intent.block}: the chain reorganised")
        return self._absent(intent, resend=resend)

    def fees(self) -> Fees:
        """Twice the base fee and the node's tip, so that six full blocks do not outbid us; capped."""
        head = self._head()
        tip = self._node.tip()
        fees = Fees(max_fee=2 * head.base_fee + tip, tip=tip)
        if fees.max_fee > self.terms.fee_cap:
            raise ChainStateError(
                f"gas costs {fees.max_fee} wei, above the cap of {self.terms.fee_cap}; "
                "wait, or raise chain.fee_cap_gwei"
            )
        return fees

    def replace(self, intent: Intent) -> Intent:
        """Outbid our own waiting transaction."""
        return self._outbox.replace(intent, self._signer, self.terms.fee_cap)

    def _sign(self, intent: Intent) -> Intent:
        if intent.sender != self._signer.address:
            raise PreflightError(
                f"{intent.key} is planned for {intent.sender}; the signer here is {self._signer.address}"
            )
        if happened(intent, self._node, "latest"):
            return self._outbox.mark(intent, "final", detail="found in the contract's state before anything was sent")
        fees = self.fees()
        return self._outbox.sign(intent, self._signer, fees, lambda: self._node.nonce(intent.sender, "pending"))

    def _receipt(self, intent: Intent) -> TransactionReceipt | None:
        receipts = (self._node.receipt(attempt.hash) for attempt in self._outbox.attempts(intent))
        return next((receipt for receipt in receipts if receipt is not None), None)

    def _mined(self, intent: Intent, receipt: TransactionReceipt) -> Intent:
        block = self._node.block(receipt.block)
        settled = self._head().number - receipt.block + 1 >= self.terms.confirmations
        if block is None or block.hash != receipt.block_hash:
            return self._outbox.mark(intent, "sent", detail=f"its block left height {receipt.block}")
        where = {"block": receipt.block, "block_hash": receipt.block_hash}
        if not settled:
            return self._outbox.mark(intent, "mined", **where, detail="" if receipt.ok else "reverted")  # type: ignore[arg-type]  # two of mark's keywords
        if receipt.ok:
            return self._outbox.mark(intent, "final", **where, detail=f"gas {receipt.gas}")  # type: ignore[arg-type]
        return self._outbox.mark(intent, "failed", **where, detail=f"reverted; {receipt.hash}")  # type: ignore[arg-type]

    def _absent(self, intent: Intent, *, resend: bool) -> Intent:
        settled: Place = max(0, self._head().number - self.terms.confirmations + 1)
        if happened(intent, self._node, settled):
            return self._outbox.mark(intent, "final", detail="found in the contract's state; by another transaction")
        if intent.nonce is not None and self._node.nonce(intent.sender, settled) > intent.nonce:
            return self._outbox.mark(intent, "failed", detail=f"nonce {intent.nonce} was spent by another transaction")
        if not resend:
            return intent
        remark = self._node.send(self._outbox.attempts(intent)[-1].raw)
        return self._outbox.mark(intent, "sent", detail=remark)

    def _head(self) -> ChainBlock:
        head = self._node.block("latest")
        if head is None:
            raise TransientError("the node has no latest block; is it still starting?")
        return head
