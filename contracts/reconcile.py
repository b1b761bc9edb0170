"""Compare four records of the same money: runs, leaves, contract state, token transfers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.client import TOKEN, PoolClient
from contracts.node import ChainEvent
from contracts.posting import Pool, Posting
from contracts.settling import vetoed

_TRANSFER: Final = TOKEN.topics["Transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationLine:
    """Two figures that must be the same, in base units."""

    name: str
    left: int
    right: int
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The reconciliation of one pool; ok only if every line is."""

    ok: bool
    pool: str
    currency: str
    postings: int
    lines: tuple[ReconciliationLine, ...]


def reconcile(
    client: PoolClient, pool: Pool, runs: Mapping[str, int], written_off: Mapping[str, int]
) -> Reconciliation:
    """Compare; `runs` is what each run's payments handed to the chain come to, in base units.

    `written_off` is what the ledger says the contract wrote off, by the transaction that each entry names.
    """
    client.preflight(pool, signing=False)
    status, balance = client.status(pool), client.balance(pool)
    standing = [
        posting for posting, intent in _postings(client, pool) if intent == "final" and not vetoed(client, posting)
    ]
    last = standing[-1] if standing else None
    leaves = last.leaves if last else ()
    total = last.total if last else 0
    posted_runs = {posting.run for posting in standing}
    claimed = sum(int(client.read(pool, "claimed", leaf.payee_id)) for leaf in leaves)
    paid = sum(int(event["amount"]) for event, _ in client.events(pool, "Paid"))
    lapsed_by: Counter[str] = Counter()
    for event, transaction in client.events(pool, "WrittenOff"):
        lapsed_by[transaction] += int(event["amount"])
    lapsed = lapsed_by.total()
    agreed = sum(micros for transaction, micros in written_off.items() if lapsed_by[transaction] == micros)
    swept = sum(int(event["amount"]) for event, _ in client.events(pool, "Swept"))
    came, went = _moved(client, pool, incoming=True), _moved(client, pool, incoming=False)
    lines = (
        _line("posted runs' payments = the last posting's total", sum(runs.get(run, 0) for run in posted_runs), total),
        _line("sum of the leaves = the contract's total", sum(leaf.cumulative for leaf in leaves), status["total"]),
        _line("sum of claimed by payee = the contract's claimed", claimed, status["claimed"]),
        _line("events paid + written off = the contract's claimed", paid + lapsed, status["claimed"]),
        _line("written off in the ledger = written off by the contract", sum(written_off.values()), lapsed),
        _line("written off in the ledger = where an event says as much", sum(written_off.values()), agreed),
        _line("events paid + swept = the token's transfers out", paid + swept, went),
        _line("the token's transfers in - out = the pool's balance", came - went, balance),
        ReconciliationLine(
            name="balance covers what is still owed",
            left=balance,
            right=status["total"] - status["claimed"],
            ok=balance >= status["total"] - status["claimed"],
        ),
    )
    return Reconciliation(
        ok=all(line.ok for line in lines),
        pool=pool.address,
        currency=pool.currency,
        postings=len(standing),
        lines=lines,
    )


def _line(name: str, left: int, right: int) -> ReconciliationLine:
    return ReconciliationLine(name=name, left=left, right=right, ok=left == right)


def _postings(client: PoolClient, pool: Pool) -> list[tuple[Posting, str]]:
    posted = ((posting, client.outbox.find(key)) for posting, key in client.book.postings(pool))
    return [(posting, intent.state) for posting, intent in posted if intent is not None]


def _moved(client: PoolClient, pool: Pool, *, incoming: bool) -> int:
    """What the token's own events say went into or out of the pool."""
    topic = 2 if incoming else 1
    word = bytes.fromhex(pool.address[2:]).rjust(32, b"\0")
    logs: list[ChainEvent] = client.node.logs(pool.token, [_TRANSFER], pool.block)
    return sum(int.from_bytes(log.data, "big") for log in logs if log.topics[topic] == word)
