"""Post runs on a chain, claim, record results in the log, and reconcile with the ledger.

Which payments of a run go to the chain is decided in `service.settlement.paying`, how the chain is driven in
`contracts`. Each function may be repeated: steps that were done before are not done again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contracts import claims, pushing, settling
from contracts.book import PostingRow
from contracts.client import PoolClient
from contracts.errors import ChainStateError, PostingError
from contracts.posting import Pool, PostedPayment, Posting, PublishedRun
from contracts.reconcile import Reconciliation, reconcile
from contracts.results import Claimed, PlannedTransaction, SettledRun
from ledger.files import write_whole
from ledger.proofs import leaf
from ledger.types import format_time
from payouts.life.book import Book
from payouts.life.records import Payment as Arrived
from service.chain.pool import opened
from service.settlement import paying
from service.settlement.blocking import Blocked
from service.settlement.carrying import payments_of, posting_name, posts, transfers
from service.settlement.finding import find_run
from service.settlement.payees import made_out_to, payees_now
from service.settlement.step import DecidedStep, read_book, signed, take
from service.settlement.stored import Stored, load
from service.witness.asking import base

if TYPE_CHECKING:
    from ledger.log.append import Log
    from service.workspace import Workspace

Payments = list[dict[str, Any]]
INDEX: Final = "index.json"
TREE: Final = "tree.json"


# --- posting ------------------------------------------------------------------------------------


def settle(ws: Workspace, run_id: str, *, dry_run: bool = False) -> SettledRun | PlannedTransaction:
    """Post the chain payments of a published run. A dry run needs no key and changes nothing."""
    if not dry_run:
        paying.pay(ws, run_id, "chain")
    with opened(ws, signing=not dry_run) as client:
        return _settle(ws, client, run_id, dry_run=dry_run)


def _settle(ws: Workspace, client: PoolClient, run_id: str, *, dry_run: bool) -> SettledRun | PlannedTransaction:
    book = read_book(ws)
    stored = load(ws.log, find_run(book, run_id))
    batches = _batches(ws, book, stored.record.run)
    if dry_run and not batches:
        batches = {stored.record.run: paying.due(ws, stored.record.run, "chain")}
    pool = client.book.pool(client.chain_id, stored.currency)
    answer: SettledRun | PlannedTransaction | None = None
    for name, payments in batches.items():
        if transaction := settling.settled(client, pool, name, look_only=dry_run):
            answer = transaction
            continue
        run = _published(ws, book, stored, name, payments)
        answer = settling.dry_run(client, run) if dry_run else settling.settle(client, run)
    if answer is None:
        raise PostingError(f"run {run_id} has nothing to pay on the chain now; see what blocks it: settle hold list")
    if not dry_run:
        write_down(ws, client)
    return answer


def _batches(ws: Workspace, book: Book, run: str) -> dict[str, Payments]:
    """Return the run's payments that are on the chain or go there, by the posting name of each batch.

    A payment that failed before its batch was posted is left out, and so is one whose failure waits for approval.
    """
    if run not in book.batches:
        return {}
    states = transfers(ws.log, book, load(ws.log, book.runs[run]))
    waiting = {claim.party for name, claim in book.claims.items() if claim.run == run and not book.approved(name)}
    batches: dict[str, Payments] = {}
    for batch in book.batches[run]:
        if batch.via == "chain":
            gone = {
                party
                for party, claim in states.items()
                for attempt in claim.attempts
                if attempt.batch == batch.batch and attempt.posted is None and (not attempt.alive or party in waiting)
            }
            payments = [claim for claim in payments_of(ws.log, batch.statement) if claim["party"] not in gone]
            if payments:
                batches[posting_name(run, batch.batch)] = payments
    return batches


def check_unposted(ws: Workspace, run_id: str, party: str) -> None:
    """Refuse to mark a payment as failed if a posting contains it, because its leaf can always be claimed."""
    book = read_book(ws)
    stored = load(ws.log, find_run(book, run_id))
    named = [
        name
        for name, payments in _batches(ws, book, stored.record.run).items()
        if any(payment["party"] == party for payment in payments)
    ]
    if not named:
        return
    with opened(ws, signing=False) as client:
        pool = client.book.pool(client.chain_id, stored.currency)
        if any(settling.standing(client, pool, name) for name in named):
            raise ChainStateError(
                f"a posting on the chain contains the payment to {party}; it can always be claimed and cannot fail; "
                "claim it instead: settle chain claim"
            )


def _published(ws: Workspace, book: Book, stored: Stored, name: str, payments: Payments) -> PublishedRun:
    head, accounts = ws.log.head(), payees_now(ws)
    return PublishedRun(
        run=name,
        published=stored.record.run in book.published,
        period=stored.record.period,
        period_root=book.period_root(stored.record.period).hex(),
        ledger_root=head.root.hex(),
        ledger_size=head.size,
        currency=stored.currency,
        payments=tuple(_payment(accounts, payment) for payment in payments),
    )


def _payment(accounts: Mapping[str, Any], payment: Mapping[str, Any]) -> PostedPayment:
    """Return a payment with its account, which must be the one in the signed batch."""
    party, account = payment["party"], accounts.get(payment["party"])
    if account is not None and not made_out_to(account, payment["account"]):
        raise PostingError(
            f"the account of {party} has changed since its payment was signed; let that payment fail first"
        )
    chain_account = account.account if account is not None and account.method == "chain" else None
    return PostedPayment(party=party, account=chain_account, micros=int(payment["micros"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidByChain:
    """The result of `pay --via chain`: the posting, and the claims submitted once it is active."""

    run: str
    via: str
    currency: str
    sent: int
    sent_micros: int
    batches: int
    payments: int
    paid_micros: int
    posting: SettledRun
    claims: Claimed | None
    blocked: tuple[Blocked, ...]
    already: bool
    demo: bool


def pay_run(ws: Workspace, run_id: str) -> PaidByChain:
    """Post a run and submit its claims.

    While the posting's window runs, it only posts; repeat it later to submit the claims.
    """
    handed = paying.pay(ws, run_id, "chain")
    with opened(ws) as client:
        posting = _settle(ws, client, run_id, dry_run=False)
        if not isinstance(posting, SettledRun):
            raise ChainStateError(f"run {run_id} was only planned")
        pool = client.book.pool_at(client.chain_id, posting.pool)
        pushed = None
        if posting.state == "final" and settling.serves(client, pool, posting.sequence):
            pushed = pushing.push(client, pool)
            write_down(ws, client)
    return PaidByChain(
        run=handed.run,
        via="chain",
        currency=handed.currency,
        sent=handed.sent,
        sent_micros=handed.sent_micros,
        batches=handed.batches,
        payments=handed.payments,
        paid_micros=handed.paid_micros,
        posting=posting,
        claims=pushed,
        blocked=handed.blocked,
        already=handed.already,
        demo=handed.demo,
    )


# --- claims -------------------------------------------------------------------------------------


def claim(ws: Workspace, run_id: str, parties: list[str]) -> Claimed:
    """Claim for these parties, or all, under the active posting; record the chain's payments in the log."""
    stored = load(ws.log, find_run(read_book(ws), run_id))
    with opened(ws) as client:
        pool = client.book.pool(client.chain_id, stored.currency)
        done = pushing.push(client, pool, parties or None)
        write_down(ws, client)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFiles:
    """Claim files as written: one per payee, an index, and the whole tree for third-party tools."""

    out: str
    run: str
    sequence: int
    root: str
    total: int
    payees: int
    index: str
    tree: str


def claim_files(ws: Workspace, run_id: str, out: Path) -> ClaimFiles:
    """Write one claim file per payee of the run's posting."""
    stored = load(ws.log, find_run(read_book(ws), run_id))
    with opened(ws, signing=False) as client:
        posting = _posting_of(ws, client, stored)
        salt = client.salt()
        write_down(ws, client)
    proven = _post_leaf(ws.log, read_book(ws), posting)
    if proven is None:
        raise ChainStateError(f"posting {posting.sequence} is not final yet: settle chain resume, then again")
    resting = base(ws.log, ws.trust.policy)
    post, checkpoint, keys = resting.placed(proven), resting.checkpoint, resting.keys()
    rows = []
    for row, payable in enumerate(posting.leaves):
        name = f"{payable.payee_id.hex()}.bundle"
        data = claims.claim_bundle(posting, row, salt(payable.party), checkpoint=checkpoint, post=post, keys=keys)
        write_whole(out / name, data, mode=0o600)
        rows.append(
            {
                "party": payable.party,
                "payee_id": "0x" + payable.payee_id.hex(),
                "account": payable.account,
                "cumulative": str(payable.cumulative),
                "file": name,
            }
        )
    index = {"v": 1, "kind": "claim-index"} | claims.post_fields(posting) | {"claims": rows}
    write_whole(out / INDEX, (json.dumps(index, indent=1) + "\n").encode(), mode=0o600)
    write_whole(out / TREE, (json.dumps(claims.tree_dump(posting)) + "\n").encode(), mode=0o600)
    return ClaimFiles(
        out=str(out),
        run=posting.run,
        sequence=posting.sequence,
        root="0x" + posting.tree.root.hex(),
        total=posting.total,
        payees=len(posting.leaves),
        index=str(out / INDEX),
        tree=str(out / TREE),
    )


def _posting_of(ws: Workspace, client: PoolClient, stored: Stored) -> Posting:
    """Return the last posting of a run that was not vetoed."""
    pool = client.book.pool(client.chain_id, stored.currency)
    for name in reversed(_batches(ws, read_book(ws), stored.record.run)):
        if standing := settling.standing(client, pool, name):
            return standing[0]
    raise ChainStateError(f"run {stored.record.run[:16]} is not posted: settle chain settle {stored.record.run[:16]}")


# --- writing down, comparing --------------------------------------------------------------------


def _post_leaf(log: Log, book: Book, posting: Posting) -> int | None:
    """Return the index of this posting's leaf."""
    fields = claims.post_fields(posting)
    return next((index for index, post in posts(log, book) if fields.items() <= post.items()), None)


def write_down(ws: Workspace, client: PoolClient) -> None:
    """Record final postings and payments of the chain in the log."""
    written = {
        (post["chain_id"], post["pool"], post["sequence"], post["root"]) for _, post in posts(ws.log, read_book(ws))
    }
    for pool in client.book.pools(client.chain_id):
        final = []
        for row in client.book.rows(pool):
            intent = client.outbox.find(row.intent)
            if intent is None or intent.state != "final":
                continue
            final.append(row)
            if (pool.chain_id, pool.address, row.sequence, f"0x{row.root}") not in written:
                fields = claims.post_fields(client.book.posting(pool, row))
                leaf_body = leaf.make(
                    claims.POST, ws.clock(), **fields, by=ws.operator, transaction=client.transaction(intent)
                )
                ws.log.append([leaf.sign(leaf_body, ws.signer("operator"))])
        if final:
            _write_arrivals(ws, client, pool, final)


def _write_arrivals(ws: Workspace, client: PoolClient, pool: Pool, rows: list[PostingRow]) -> None:
    """Record the payments made on the chain in one append; each once, even if a vetoed run is posted again."""
    paid = pushing.paid(client, pool)
    at, maker = format_time(ws.clock()), ws.signer("operator")

    def decide(book: Book) -> DecidedStep[None]:
        leaves: dict[tuple[str, str], Mapping[str, Any]] = {}
        for row in rows:
            run = row.run.partition("/")[0]
            handed = (
                {payment["party"] for payment in _batches(ws, book, run).get(row.run, [])}
                if run in book.runs
                else set()
            )
            waiting = {party for party in handed if book.payment_of(run, party) is None}
            for payment in client.book.posting(pool, row).leaves if waiting else ():
                seen = paid.get(payment.payee_id)
                if payment.party in waiting and seen and seen.cumulative >= payment.cumulative:
                    arrived = Arrived(
                        at=at,
                        by=ws.operator,
                        key=maker.public.id,
                        run=run,
                        party=payment.party,
                        outcome="settled",
                        reference=seen.transaction,
                    )
                    leaves[run, payment.party] = signed(arrived, maker)
        return DecidedStep(None, leaves=list(leaves.values()))

    take(ws, decide)


def check(ws: Workspace, currency: str) -> Reconciliation:
    """Compare run totals, leaves, contract state and token movements; every line must agree."""
    book = read_book(ws)
    owed: dict[str, int] = {}
    written_off: Counter[str] = Counter()
    with opened(ws, signing=False) as client:
        pool = client.book.pool(client.chain_id, currency)
        for record in book.runs.values():
            stored = load(ws.log, record)
            if stored.currency == currency:
                for name, payments in _batches(ws, book, stored.record.run).items():
                    owed[name] = sum(pool.base_units(int(payment["micros"])) for payment in payments)
                for transaction, micros in _written_off(ws, book, stored):
                    written_off[transaction] += pool.base_units(micros)
        return reconcile(client, pool, owed, written_off)


def _written_off(ws: Workspace, book: Book, stored: Stored) -> Iterator[tuple[str, int]]:
    """Return the run's payments written off by the contract: its transaction, and micro-units."""
    for party, payment in transfers(ws.log, book, stored).items():
        last = book.payment_of(stored.record.run, party)
        if payment.state == "written-off" and last is not None and payment.attempts[-1].posted is not None:
            yield last.reference, payment.micros
