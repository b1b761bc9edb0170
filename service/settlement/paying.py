"""Pay a published run: hand batches of intents to a route, and record the outcome of each payment.

There is one intent per payee and run, with the route publication gave it. A batch is one append; its files are made
again from the log and the payee book whenever they are missing. Holds are checked again here: a later hold blocks a
payment and changes no amount.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.errors import ConflictError, InputError, StateError
from ledger.log.append import Log
from ledger.log.whole import check_whole
from ledger.proofs import canon, dsse
from ledger.types import Digest, format_time
from payouts.accounts.batches import Payable
from payouts.accounts.payment import (
    PAYMENTS_TYPE,
    ROUTES,
    Instruction,
    Route,
    batch_payload,
)
from payouts.accounts.payment_states import FROM, Outcome, PartyPayment
from payouts.life.book import Book
from payouts.life.records import OUTCOMES, Pay, Payment
from service.settlement.approvers import check_by_person, is_demo
from service.settlement.blocking import Blocked, blocked_parties
from service.settlement.carrying import paid_out, payments_of, payments_under, transfers
from service.settlement.finding import find_paid, find_run
from service.settlement.life import intents_of
from service.settlement.payees import payees_now, route_of
from service.settlement.payment_files import CurrencyTotal, PaymentSubject, check_format, obstacle, totals, write_batch
from service.settlement.runs import check_close
from service.settlement.step import DecidedStep, read_book, signed, take
from service.settlement.stored import Stored, load

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """The result of `pay`: payments handed over now (`sent`), this route's batches so far, and blocked payments.

    `totals`: the sum of this route's payments so far, in each currency. `unconfirmed`: payees by file without an answer
    of the bank; the run ends when there are none.
    """

    run: Digest
    via: Route
    currency: str
    sent: int
    sent_micros: int
    batches: int
    payments: int
    paid_micros: int
    totals: tuple[CurrencyTotal, ...]
    blocked: tuple[Blocked, ...]
    unconfirmed: tuple[str, ...]
    files: tuple[str, ...]
    unwritten: tuple[str, ...]
    """Files of earlier batches that are gone and cannot be made again, and why; the others are written all the same."""
    already: bool
    demo: bool


def pay(ws: Workspace, run_id: str, via: str, form: str = "csv") -> Paid:
    """Hand over every intent of this route that may be paid now; a repetition writes the same files and no new batch.

    `form`: the format of the bank's files, csv or pain.001.
    """
    if via not in ROUTES:
        raise InputError(f"route {via!r}: expected one of {', '.join(ROUTES)}")
    check_format(ws, form)
    check_whole(ws.log)
    route: Route = "chain" if via == "chain" else "file"
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[tuple[list[Blocked], list[Instruction]]]:
        stored = load(ws.log, find_run(book, run_id))
        run = stored.record.run
        due, blocked = _due(ws, book, stored, route, form)
        if not due:
            return DecidedStep((blocked, []))
        batch = len(book.batches.get(run, [])) + 1
        maker = ws.signer("operator")
        envelope = dsse.sign(PAYMENTS_TYPE, canon.encode(batch_payload(run, route, batch, due)), [maker])
        record = Pay(
            at=at, by=ws.operator, key=maker.public.id, run=run, via=route, batch=batch, statement=envelope.digest
        )
        return DecidedStep((blocked, due), leaves=[signed(record, maker)], blobs=[envelope.encode()])

    blocked, sent = take(ws, decide)
    book = read_book(ws)
    stored = load(ws.log, find_run(book, run_id))
    return _paid(ws, book, stored, route, form, blocked=blocked, sent=sent)


def due(ws: Workspace, run_id: str, route: Route) -> list[dict[str, Any]]:
    """Return what `pay` would hand over now; nothing is written."""
    book = read_book(ws)
    instructions, _ = _due(ws, book, load(ws.log, find_run(book, run_id)), route)
    return [instruction.payload() for instruction in instructions]


def _due(
    ws: Workspace, book: Book, stored: Stored, route: Route, form: str = "csv"
) -> tuple[list[Instruction], list[Blocked]]:
    """Return the intents of a route to hand over now, and those that must wait; refuse a run without this route."""
    run = stored.record.run
    short = run[:16]
    if book.reversed(run):
        raise StateError(f"run {short} was reversed; it makes no more payments")
    if run not in book.published:
        state = book.state_of(run)
        raise StateError(f"run {short} is {state}, not published: settle publish {short} comes first")
    check_close(book, stored)
    check_by_person(ws, book, run)
    intents = intents_of(ws.log, book, stored)
    on_route = [intent for intent in intents if intent["route"] == route]
    if intents and not on_route:
        raise ConflictError(
            f"run {short} was published to be paid by {intents[0]['route']}; it is not paid by {route} as well"
        )
    payments = transfers(ws.log, book, stored)
    waiting = [intent for intent in on_route if payments[intent["party"]].due]
    stopped = blocked_parties(ws, book, stored) if waiting else {}
    accounts = {party: payee for party, payee in payees_now(ws).items() if route_of(payee) == route}
    payable = Payable(
        run=run,
        intents=intents,
        payments=payments,
        stopped=stopped,
        accounts={party: str(payee.commitment) for party, payee in accounts.items()},
    )
    may_leave = {instruction.party: instruction for instruction in payable.instructions(route)}
    due: list[Instruction] = []
    blocked: list[Blocked] = []
    for intent in waiting:
        party, micros = intent["party"], int(intent["micros"])
        instruction = may_leave.get(party)
        if instruction is None:
            blocked.append(Blocked(party=party, micros=micros, reason=stopped.get(party, "payee-incomplete")))
            continue
        # One payment that a bank would refuse must not bring the whole batch back days later.
        detail = obstacle(ws, PaymentSubject.of(stored), instruction, accounts[party], form) if route == "file" else ""
        if detail:
            blocked.append(Blocked(party=party, micros=micros, reason="payee-incomplete", detail=detail))
        else:
            due.append(instruction)
    return due, blocked


def unconfirmed(log: Log, book: Book, stored: Stored) -> list[str]:
    """Return payees whose payment by file has no answer of the bank yet; the chain is read directly."""
    states = transfers(log, book, stored)
    return sorted(
        party for party, state in states.items() if state.state == "handed over" and state.attempts[-1].route == "file"
    )


def _paid(
    ws: Workspace,
    book: Book,
    stored: Stored,
    via: Route,
    form: str,
    *,
    blocked: list[Blocked],
    sent: list[Instruction],
) -> Paid:
    run = stored.record.run
    batches = [batch for batch in book.batches.get(run, []) if batch.via == via]
    payments = [Instruction.from_payload(row) for batch in batches for row in payments_of(ws.log, batch.statement)]
    out = paid_out(ws.log, book, stored)
    latest = {payment.party: payment for payment in payments if payment.party in out}
    files, unwritten = _files_of(ws, stored, batches, form) if via == "file" else ((), ())
    return Paid(
        run=run,
        via=via,
        currency=stored.currency,
        sent=len(sent),
        sent_micros=sum(instruction.micros for instruction in sent),
        batches=len(batches),
        payments=len(payments),
        paid_micros=sum(out[party] for party in latest),
        totals=totals(payment.paid(stored.currency) for payment in latest.values()),
        blocked=tuple(blocked),
        unconfirmed=tuple(unconfirmed(ws.log, book, stored)),
        files=files,
        unwritten=unwritten,
        already=not sent,
        demo=is_demo(ws, book, [run]),
    )


def _files_of(ws: Workspace, stored: Stored, batches: list[Pay], form: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the batches' payment files, the newest first; a failure does not stop the others."""
    files: list[str] = []
    unwritten: list[str] = []
    for batch in reversed(batches):
        try:
            files[:0] = write_batch(ws, PaymentSubject.of(stored), batch, form)
        except (StateError, InputError) as problem:
            unwritten.insert(0, f"batch {batch.batch}: {problem}")
    return tuple(files), tuple(unwritten)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentState:
    """The recorded state of one payment.

    `id` names a proposal, which counts once it is `approved`: settle approve ID --as PARTY.
    """

    run: Digest
    party: str
    outcome: str
    id: str | None
    approved: bool
    already: bool


def confirm(ws: Workspace, run_id: str, party: str, outcome_name: str, *, note: str = "") -> PaymentState:
    """Record a payment's outcome: settled takes effect at once, failed and written-off need two people."""
    outcome = _outcome(outcome_name)
    at = format_time(ws.clock())
    maker = ws.signer("operator")

    def decide(book: Book) -> DecidedStep[PaymentState]:
        run = find_paid(book, run_id)
        news = book.payments.get((run, party), [])
        last = news[-1].outcome if news else None
        transfer = payments_under(ws.log, book, run).get(party)
        if last == outcome and not (outcome == "failed" and transfer is not None and not transfer.due):
            name = None if outcome == "settled" else news[-1].claim(len(news) - 1)
            return DecidedStep(
                PaymentState(run=run, party=party, outcome=outcome, id=name, approved=True, already=True)
            )
        if transfer is None or transfer.state == "planned":
            raise StateError(f"run {run[:16]} has no payment to {party} under way")
        if transfer.state not in FROM[outcome]:
            raise ConflictError(
                f"the payment of run {run[:16]} to {party} is {transfer.state}, which is final; it cannot be {outcome}"
            )
        if not transfer.accepts(outcome, index=book.size, reference=note):
            raise ConflictError(_refusal(transfer, outcome))
        record = Payment(
            at=at, by=ws.operator, key=maker.public.id, run=run, party=party, outcome=outcome, reference=note
        )
        settled = outcome == "settled"
        name = None if settled else record.claim(len(news))
        already = name in book.claims
        answer = PaymentState(run=run, party=party, outcome=outcome, id=name, approved=settled, already=already)
        return DecidedStep(answer, leaves=() if already else [signed(record, maker)])

    return take(ws, decide)


def _outcome(name: str) -> Outcome:
    if name not in OUTCOMES:
        raise InputError(f"outcome {name!r}: expected one of {', '.join(OUTCOMES)}")
    return OUTCOMES[OUTCOMES.index(name)]


def _refusal(transfer: PartyPayment, outcome: str) -> str:
    """Return why an outcome is impossible for a payment, and what to do instead."""
    if transfer.attempts[-1].route == "file":
        return "a returned payment names the bank's own entry: --note REFERENCE"
    if outcome == "failed":
        return "the chain has posted this payment, which stays claimable for ever: it cannot fail; settle chain claim"
    return (
        f"a payment on a chain is {outcome} only by the contract's own WrittenOff event; give its transaction: "
        "--note 0x..."
    )
