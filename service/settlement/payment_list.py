"""List every payment of published runs, and every one on account of an open month, with its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, StateError
from ledger.types import Digest
from payouts.accounts.payment import ROUTES, reference
from payouts.accounts.payment_states import PartyPayment
from payouts.life.book import Book
from payouts.life.mandates import Instalment
from payouts.life.records import OUTCOMES, Payment, Run
from service.registry.naming import unknown_party
from service.settlement.blocking import blocked_parties
from service.settlement.carrying import instalment_payments, payments_of, transfers
from service.settlement.finding import find_paid
from service.settlement.life import intents_of
from service.settlement.step import read_book
from service.settlement.stored import load

if TYPE_CHECKING:
    from service.workspace import Workspace

STATES: Final = ("to be paid", "blocked", "handed over", *OUTCOMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPayment:
    """One party's payment in one run, or in one instalment: then `run` is its id and `run_state` is `on account`.

    `state`: one of STATES; `reason` says why it is blocked. `attempt`: 0 until it is handed over. `micros` of
    `currency` is what the payee gets. `waits`: what the bank said that a second person has not approved yet, with
    the proposal's id: settle approve ID --as PARTY.
    """

    period: str
    pool: str
    run: Digest
    run_state: str
    party: str
    name: str
    state: str
    reason: str
    route: str
    attempt: int
    batch: int | None
    reference: str
    micros: int
    currency: str
    waits: str
    proposal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFilter:
    """The filters of a listing; empty fields do not filter.

    `run`: a month, or a run or an instalment by its id or the first characters.
    """

    run: str = ""
    party: str = ""
    state: str = ""
    route: str = ""
    reference: str = ""


def payment_state(transfer: PartyPayment, news: Payment | None, blocked: str) -> tuple[str, str]:
    """A payment of a published run: its state, and the reason if it is blocked."""
    if news is not None and not (news.outcome == "failed" and not transfer.due):
        return news.outcome, ""
    if not transfer.due:
        return "handed over", ""
    return ("blocked", blocked) if blocked else ("to be paid", "")


def payments(ws: Workspace, limits: PaymentFilter) -> list[ListedPayment]:
    """Return the payments that match all filters, by month, pool and party."""
    _check(limits)
    book = read_book(ws)
    runs, instalments = _named(book, limits.run)
    names = {party: str(fields.get("name", "")) for party, fields in ws.registry.personal_of_all("party").items()}
    listed = [payment for record in instalments for payment in _of_instalment(ws, book, record, names)]
    for run in sorted(runs, key=lambda run: (run.period, run.pool, run.sequence)):
        listed += _of_run(ws, book, run, names)
    listed.sort(key=lambda payment: (payment.period, payment.pool))
    paid = {payment.party for payment in listed}
    if limits.party and limits.party not in {*paid, *ws.registry.view_of(limits.party).parties}:
        raise unknown_party(ws, limits.party)
    return [payment for payment in listed if _meets(payment, limits)]


def _check(limits: PaymentFilter) -> None:
    for called, value, accepted in (("state", limits.state, STATES), ("route", limits.route, ROUTES)):
        if value and value not in accepted:
            raise InputError(f"{called} {value!r}: expected one of {', '.join(accepted)}")


def _meets(payment: ListedPayment, limits: PaymentFilter) -> bool:
    return (
        limits.party in ("", payment.party)
        and limits.state in ("", payment.state)
        and limits.route in ("", payment.route)
        and payment.reference.startswith(limits.reference)
    )


def _named(book: Book, name: str) -> tuple[list[Run], list[Instalment]]:
    """Return the published runs and the instalments of a month, of an id, or all of them."""
    published = [book.runs[run] for run in book.published]
    instalments = book.mandates.instalments
    if not name:
        return published, list(instalments.values())
    of_month = [run for run in published if run.period == name]
    early = [record for record in instalments.values() if record.period == name]
    if of_month or early:
        return of_month, early
    paid = find_paid(book, name)
    if paid in instalments:
        return [], [instalments[paid]]
    if paid not in book.published:
        raise StateError(f"run {paid[:16]} is {book.state_of(paid)}, not published: it has no payments yet")
    return [book.runs[paid]], []


def _of_instalment(ws: Workspace, book: Book, record: Instalment, names: Mapping[str, str]) -> Iterator[ListedPayment]:
    """Return the payments of an instalment, which was handed over whole when it was made."""
    mandate = book.mandates.mandates[record.mandate]
    states = instalment_payments(ws.log, book, record)
    proposed = _proposed(book, record.id)
    for row in payments_of(ws.log, record.statement):
        party = row["party"]
        state, _ = payment_state(states[party], book.payment_of(record.id, party), "")
        proposal = proposed.get(party, "")
        yield ListedPayment(
            period=record.period,
            pool=mandate.pool,
            run=record.id,
            run_state="on account",
            party=party,
            name=names.get(party, ""),
            state=state,
            reason="",
            route=mandate.via,
            attempt=1,
            batch=record.number,
            reference=row["reference"],
            micros=int(row["micros"]),
            currency=mandate.currency,
            waits=book.claims[proposal].outcome if proposal else "",
            proposal=proposal,
        )


def _of_run(ws: Workspace, book: Book, run: Run, names: Mapping[str, str]) -> Iterator[ListedPayment]:
    stored = load(ws.log, run)
    on_their_way = transfers(ws.log, book, stored)
    stopped = {} if book.reversed(run.run) else blocked_parties(ws, book, stored)
    proposed = _proposed(book, run.run)
    for intent in intents_of(ws.log, book, stored):
        party = intent["party"]
        transfer = on_their_way[party]
        state, reason = payment_state(transfer, book.payment_of(run.run, party), stopped.get(party, ""))
        sent = intent.get("sent") or {"currency": stored.currency, "micros": intent["micros"]}
        proposal = proposed.get(party, "")
        yield ListedPayment(
            period=run.period,
            pool=run.pool,
            run=run.run,
            run_state=book.state_of(run.run),
            party=party,
            name=names.get(party, ""),
            state=state,
            reason=reason,
            route=intent["route"],
            attempt=len(transfer.attempts),
            batch=transfer.attempts[-1].batch if transfer.attempts else None,
            reference=reference(run.run, party, max(1, len(transfer.attempts))),
            micros=int(sent["micros"]),
            currency=sent["currency"],
            waits=book.claims[proposal].outcome if proposal else "",
            proposal=proposal,
        )


def _proposed(book: Book, run: Digest) -> Mapping[str, str]:
    """Return the waiting proposal about each party's payment."""
    return {claim.party: name for name, claim in book.claims.items() if claim.run == run and not book.approved(name)}
