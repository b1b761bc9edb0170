"""Submit claims for the active posting: 50 payees per transaction, no payee twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from contracts.address import same_address
from contracts.client import PoolClient
from contracts.effects import POOL
from contracts.errors import ChainStateError
from contracts.outbox import Intent
from contracts.posting import Leaf, Pool, Posting
from contracts.results import Claimed, Skipped

BATCH_MAX: Final = 50
REASONS: Final = {
    1: "not a leaf of the serving root",
    2: "nothing owed",
    3: "over the posted total",
    4: "the token refused the transfer",
}


def push(client: PoolClient, pool: Pool, parties: Iterable[str] | None = None) -> Claimed:
    """Claim for all parties or for these; a payee that cannot be paid does not delay the others."""
    client.resume("claim")
    status = client.preflight(pool)
    posting = client.book.by_root(pool, status["serving_root"])
    if posting is None:
        wait = f"; posting {status['sequence']} serves from {status['active_at']}" if status["pending"] else ""
        raise ChainStateError(f"pool {pool.address} serves no posting yet{wait}")
    pushed_parties = {leaf.party for leaf in posting.leaves} if parties is None else set(parties)
    if unknown := sorted(pushed_parties - {leaf.party for leaf in posting.leaves}):
        raise ChainStateError(f"posting {posting.sequence} owes nothing to {unknown[0]}")
    owed = [
        (row, leaf)
        for row, leaf in enumerate(posting.leaves)
        if leaf.party in pushed_parties and leaf.cumulative > client.read(pool, "claimed", leaf.payee_id)
    ]
    intents = [_batch(client, posting, owed[start : start + BATCH_MAX]) for start in range(0, len(owed), BATCH_MAX)]
    return _claimed(client, posting, intents)


def _batch(client: PoolClient, posting: Posting, batch: list[tuple[int, Leaf]]) -> Intent:
    claims = [(leaf.payee_id, leaf.account, leaf.cumulative, posting.tree.proof(row)) for row, leaf in batch]
    data = POOL.data("claim_many", claims)
    base = f"claim:{posting.pool.chain_id}:{posting.pool.address}:{hashlib.sha256(data).hexdigest()[:16]}"
    earlier_batches = sum(intent.key.startswith(base) for intent in client.outbox.intents("final"))
    return client.act(f"{base}:{earlier_batches}", kind="claim", target=posting.pool.address, data=data)


def _claimed(client: PoolClient, posting: Posting, intents: list[Intent]) -> Claimed:
    parties = {leaf.payee_id: leaf.party for leaf in posting.leaves}
    paid, payees, skipped = 0, 0, []
    for intent in intents:
        receipt = client.receipt(intent)
        for log in receipt.logs if receipt else ():
            event = POOL.event(log.topics, log.data) if same_address(log.address, posting.pool.address) else None
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
        open=sum(push_intent.open for push_intent in intents),
        transactions=tuple(filter(None, map(client.transaction, intents))),
    )


@dataclass(frozen=True, slots=True)
class ClaimProgress:
    """The last payment to a payee that the chain shows."""

    cumulative: int
    transaction: str


def paid(client: PoolClient, pool: Pool) -> dict[bytes, ClaimProgress]:
    """Return the paid amounts by payee id, from the pool's events."""
    return {
        event["payee_id"]: ClaimProgress(int(event["cumulative"]), transaction)
        for event, transaction in client.events(pool, "Paid")
    }
