"""Post a run: at most one posting of a run is in the pool, after any crash or retry."""

from __future__ import annotations

from typing import Any

from contracts.address import parse_address
from contracts.client import ROLES, PoolClient
from contracts.effects import POOL, posting_digest
from contracts.errors import ChainStateError, PreflightError
from contracts.outbox import Intent
from contracts.posting import Pool, Posting, PublishedRun, next_posting
from contracts.results import PlannedTransaction, SettledRun


def settle(client: PoolClient, run: PublishedRun) -> SettledRun:
    """Post a run's amounts; repeating continues. After a veto, the next call posts it again."""
    pool = client.book.pool(client.chain_id, run.currency)
    if transaction := settled(client, pool, run.run):
        return transaction
    posting, data, missing = _prepare(client, pool, run, role="publisher")
    if missing:
        raise PreflightError(
            f"pool {pool.address} lacks {missing} base units of token {pool.token} to post run {run.run}; "
            "send them to the pool (on the embedded chain: settle chain fund), then repeat this"
        )
    key = f"post:{pool.chain_id}:{pool.address}:{posting.sequence}:{posting.tree.root.hex()}"
    client.book.add_posting(posting, key)  # first: an intent without its leaves would be a root nobody can claim from
    return _settled(client, posting, client.act(key, kind="post", target=pool.address, data=data))


def dry_run(client: PoolClient, run: PublishedRun) -> PlannedTransaction:
    """Return what `settle` would sign; loads no key and writes nothing."""
    pool = client.book.pool(client.chain_id, run.currency)
    posting, data, missing = _prepare(client, pool, run, role=None)
    publisher = parse_address(str(client.read(pool, "holder_of", ROLES["publisher"])))
    return PlannedTransaction(
        run=posting.run,
        pool=pool.address,
        chain_id=pool.chain_id,
        sequence=posting.sequence,
        root="0x" + posting.tree.root.hex(),
        total=posting.total,
        payees=len(posting.leaves),
        to_fund=missing,
        gas=None if missing else client.node.estimate(publisher, pool.address, data),
        calldata="0x" + data.hex(),
    )


def settled(client: PoolClient, pool: Pool, run: str, *, look_only: bool = False) -> SettledRun | None:
    """Continue the run's posting as far as possible now, and return it; None if there is none."""
    posting = standing(client, pool, run)
    if posting is None:
        return None
    return _settled(client, posting[0], posting[1] if look_only else client.courier.drive(posting[1]))


def standing(client: PoolClient, pool: Pool, run: str) -> tuple[Posting, Intent] | None:
    """The run's posting that is on its way or stands; not one that failed or was vetoed."""
    for posting, key in reversed(client.book.postings(pool, run)):
        intent = client.outbox.find(key)
        if intent and intent.state != "failed" and not vetoed(client, posting):
            return posting, intent
    return None


def vetoed(client: PoolClient, posting: Posting) -> bool:
    """Whether the guardian struck this very posting."""
    struck = client.events(posting.pool, "Vetoed", posting.sequence.to_bytes(32, "big"))
    if next(iter(struck), None) is None:
        return False
    return bool(client.read(posting.pool, "posted", posting.sequence) == _digest(posting))


def serves(client: PoolClient, pool: Pool, sequence: int) -> bool:
    """Whether claims run under this posting now, or under a later one, which owes all that this one does."""
    root = client.status(pool)["serving_root"].hex()
    return any(row.root == root and row.sequence >= sequence for row in client.book.rows(pool))


def _digest(posting: Posting) -> bytes:
    return posting_digest(
        bytes.fromhex(posting.period_root),
        posting.tree.root,
        bytes.fromhex(posting.ledger_root),
        posting.ledger_size,
        posting.total,
    )


def _prepare(client: PoolClient, pool: Pool, run: PublishedRun, *, role: str | None) -> tuple[Posting, bytes, int]:
    """Return the next posting, its call data and the missing funds; refuse a posting that would fail later."""
    status = client.preflight(pool, role, signing=role is not None)
    for intent in client.waiting("post"):
        if intent.target == pool.address:
            raise ChainStateError(f"{intent.key} is still {intent.state}; finish it first: settle chain resume")
    if status["pending"]:
        raise ChainStateError(
            f"posting {status['sequence']} waits for its window to pass at {status['active_at']}; "
            "then the next can follow"
        )
    previous = client.book.by_root(pool, status["serving_root"])
    if previous and previous.total != status["total"]:
        raise PreflightError(f"the pool's total is {status['total']}, this workspace posted {previous.total}")
    posting = next_posting(pool, run, previous, sequence=status["sequence"] + 1, salt=client.salt())
    if run.ledger_size < status["ledger_size"]:
        raise PreflightError(
            f"the ledger has {run.ledger_size} leaves, the pool has {status['ledger_size']} anchored: is this a copy?"
        )
    roots = (bytes.fromhex(run.period_root), posting.tree.root, bytes.fromhex(run.ledger_root))
    data = POOL.data("post", posting.sequence, *roots, run.ledger_size, posting.total)
    return posting, data, max(0, posting.total - status["claimed"] - client.balance(pool))


def _settled(client: PoolClient, posting: Posting, intent: Intent) -> SettledRun:
    receipt = client.receipt(intent)
    return SettledRun(
        run=posting.run,
        pool=posting.pool.address,
        chain_id=posting.pool.chain_id,
        sequence=posting.sequence,
        root="0x" + posting.tree.root.hex(),
        total=posting.total,
        payees=len(posting.leaves),
        state=intent.state,
        transaction=client.transaction(intent),
        active_at=_active_at(client, posting),
        gas=receipt.gas if receipt else None,
        detail=intent.detail,
    )


def _active_at(client: PoolClient, posting: Posting) -> int | None:
    events: list[dict[str, Any]] = [
        event for event, _ in client.events(posting.pool, "Posted", posting.sequence.to_bytes(32, "big"))
    ]
    return next((int(posted["active_at"]) for posted in events if posted["payout_root"] == posting.tree.root), None)
