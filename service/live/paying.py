"""Pay instalments: what mandates allow now, one leaf per interval, and the bank's file of each.

Nobody signs again for an instalment, so all of it follows from the log at its size: `_due` is what pays, and what
whoever approves the month's run and `settle period recompute` compare with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.errors import InputError, SettleError, StateError
from ledger.log.whole import check_whole
from ledger.proofs import canon, dsse
from ledger.registry.payees import Payee
from ledger.types import Digest, Period, format_time, parse_time
from payouts.accounts.payment import Instruction, reference
from payouts.life.book import Book
from payouts.life.mandates import Instalment, Mandate, instalment_id, pool_terms
from payouts.life.records import LogSize
from payouts.live.accrual import accrue
from payouts.live.instalments import (
    INSTALMENT_TYPE,
    OTHER_CURRENCY,
    amounts,
    check_instalment,
    instalment_payload,
    is_paid_in_other_currency,
    logs_of,
    targets,
)
from service.live.accruing import open_month, whole_inputs
from service.live.mandates import pool_of
from service.log.logs import sizes
from service.settlement.approvers import check_by_person
from service.settlement.carrying import batch_of, carried, moved_on_account, payments_of
from service.settlement.payees import accounts_at, payees_now, route_of
from service.settlement.payment_files import PaymentSubject, check_format, obstacle, write_batch
from service.settlement.step import DecidedStep, read_book, signed, take

if TYPE_CHECKING:
    from service.workspace import Workspace

NO_ACCOUNT = "payee-incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A party that the instalment leaves out although money is due to it."""

    party: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalmentPaid:
    """What a mandate paid now. Without an instalment, `waits` says why; held money is no part of the accrual."""

    mandate: str
    instalment: Digest | None
    number: int
    period: str
    currency: str
    payments: int
    paid_micros: int
    left_out: tuple[LeftOut, ...]
    files: tuple[str, ...]
    unwritten: tuple[str, ...]
    """Why its files could not be written; once that is put right: settle live pay MANDATE --again NUMBER."""
    waits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """What a mandate comes to at one size of the log."""

    target: dict[str, int]
    on_account: dict[str, int]
    other_currency: frozenset[str]


def _due(ws: Workspace, book: Book, mandate: Mandate, *, period: str, logs: Sequence[LogSize], minimum: int) -> _Due:
    """Sum the month from its leaves again, divide it, and take off what was paid on account of it."""
    pool = pool_of(mandate, period)
    month = open_month(ws, period, book=book, at=logs)
    earned = accrue(whole_inputs(ws, month, pool)).earned_by_party()
    takes = carried(ws.log, book, period=period, pool=mandate.pool, currency=mandate.currency)
    return _Due(
        target=targets(
            mandate,
            earned=earned,
            minimum=minimum,
            opening=takes.opening,
            corrections=takes.corrections,
            stages=takes.stages,
        ),
        on_account=moved_on_account(ws.log, book, book.mandates.of_month(mandate.pool, mandate.currency, period)),
        other_currency=frozenset(
            party for party in earned if is_paid_in_other_currency(takes.stages, party, mandate.currency)
        ),
    )


def pay(ws: Workspace, name: str | None = None, *, form: str = "csv") -> list[InstalmentPaid]:
    """Pay what each mandate allows now (or one of them); within an interval nothing is paid a second time.

    A mandate that cannot pay says why and stops no other.
    """
    check_format(ws, form)
    check_whole(ws.log)
    book = read_book(ws)
    names = list(book.mandates.mandates) if name is None else [book.mandates.mandate(name).id]
    period = str(Period(ws.clock().year, ws.clock().month))
    answers = []
    for mandate in names:
        try:
            answers.append(_pay(ws, mandate, form))
        except SettleError as problem:
            answers.append(_nothing(book.mandates.mandate(mandate), period, str(problem)))
    return answers


def _pay(ws: Workspace, name: str, form: str) -> InstalmentPaid:
    def decide(book: Book) -> DecidedStep[InstalmentPaid]:
        mandate = book.mandates.mandate(name)
        now = ws.clock()
        period = str(Period(now.year, now.month))
        waits = _why_not(ws, book, mandate, period)
        if waits:
            return DecidedStep(_nothing(mandate, period, waits))
        logs = sizes(ws, book, ws.log.head(book.size))
        minimum = ws.settings.number("payouts.minimum_micros")
        due = _due(ws, book, mandate, period=period, logs=logs, minimum=minimum)
        number = len(book.mandates.instalments_of(name)) + 1
        key = instalment_id(name, number)
        pays, accounts, left_out = _payments(ws, book, mandate, due, key=key, period=period, form=form)
        answer = tuple(LeftOut(party=party, reason=reason) for party, reason in sorted(left_out.items()))
        if not pays:
            return DecidedStep(_nothing(mandate, period, "nothing is due above what was paid on account", answer))
        payload = instalment_payload(
            mandate,
            key,
            number,
            period=period,
            logs=logs,
            minimum=minimum,
            pays=pays,
            accounts={party: str(account.commitment) for party, account in accounts.items()},
            left_out=left_out,
        )
        maker = ws.signer("operator")
        envelope = dsse.sign(INSTALMENT_TYPE, canon.encode(payload), [maker])
        record = Instalment(
            at=format_time(now), by=ws.operator, key=maker.public.id, id=key, mandate=name, number=number,
            period=period, size=book.size, micros=sum(pays.values()), statement=envelope.digest,
        )  # fmt: skip
        paid = InstalmentPaid(
            mandate=name, instalment=key, number=number, period=period, currency=mandate.currency, payments=len(pays),
            paid_micros=record.micros, left_out=answer, files=(), unwritten=(), waits="",
        )  # fmt: skip
        return DecidedStep(paid, leaves=[signed(record, maker)], blobs=[envelope.encode()])

    paid = take(ws, decide)
    return _with_files(ws, paid, form)


def _why_not(ws: Workspace, book: Book, mandate: Mandate, period: str) -> str:
    """Return why a mandate pays nothing now; empty if it may."""
    now = format_time(ws.clock())
    if not book.approved(mandate.id):
        return f"it waits for a second person: settle approve {mandate.id} --as PARTY"
    if over := _over(book, mandate, period, now):
        return over
    last = max((record.at for record in book.mandates.instalments_of(mandate.id)), default="")
    if last and parse_time(now) < (due := parse_time(last) + timedelta(hours=mandate.hours)):
        return f"the last instalment was at {last}; the next is due at {format_time(due)}"
    for other in book.mandates.beside(pool_terms(mandate.terms, period)):
        return f"mandate {other.id} of pool {other.pool} in {other.currency} paid for the same streams in {period}"
    check_by_person(ws, book, mandate.id)
    return ""


def _over(book: Book, mandate: Mandate, period: str, now: str) -> str:
    stop = book.mandates.stop_of(mandate.id)
    if stop is not None:
        return f"it is stopped: {stop.reason}"
    if now >= mandate.until:
        return f"it ended at {mandate.until}"
    return f"{period} is closed: its run pays the rest" if period <= max(book.closes, default="") else ""


def _nothing(mandate: Mandate, period: str, waits: str, left_out: tuple[LeftOut, ...] = ()) -> InstalmentPaid:
    return InstalmentPaid(
        mandate=mandate.id,
        instalment=None,
        number=0,
        period=period,
        currency=mandate.currency,
        payments=0,
        paid_micros=0,
        left_out=left_out,
        files=(),
        unwritten=(),
        waits=waits,
    )


def _payments(
    ws: Workspace, book: Book, mandate: Mandate, due: _Due, *, key: Digest, period: str, form: str
) -> tuple[dict[str, int], dict[str, Payee], dict[str, str]]:
    """Return what leaves now, the accounts, and who is left out because no account, or no bank, takes the money."""
    counting = accounts_at(ws, book, format_time(ws.clock())) or {}
    accounts = {
        party: account
        for party, account in payees_now(ws).items()
        if route_of(account) == mandate.via and str(account.commitment) == counting.get(party)
    }
    left_out = {party: NO_ACCOUNT for party in due.target if party not in accounts}
    subject = PaymentSubject.on_account(mandate, period)
    for party, micros in amounts(mandate, target=due.target, moved=due.on_account, left_out=left_out).items():
        instruction = Instruction(
            party=party, micros=micros, reference=reference(key, party), account=str(accounts[party].commitment)
        )
        if obstacle(ws, subject, instruction, accounts[party], form):
            left_out[party] = NO_ACCOUNT
    left_out |= dict.fromkeys(due.other_currency, OTHER_CURRENCY)
    return amounts(mandate, target=due.target, moved=due.on_account, left_out=left_out), accounts, left_out


def _with_files(ws: Workspace, paid: InstalmentPaid, form: str) -> InstalmentPaid:
    """Write the files of a new instalment; older ones may have been sent, and `write_again` alone makes them."""
    if paid.instalment is None:
        return paid
    book = read_book(ws)
    subject = PaymentSubject.on_account(book.mandates.mandate(paid.mandate), paid.period)
    try:
        return replace(paid, files=tuple(write_batch(ws, subject, book.mandates.instalments[paid.instalment], form)))
    except (StateError, InputError) as problem:
        return replace(paid, unwritten=(str(problem),))


def write_again(ws: Workspace, name: str, number: int, *, form: str = "csv") -> InstalmentPaid:
    """Write the missing files of an instalment again, for a person who knows that no bank has them."""
    check_format(ws, form)
    check_whole(ws.log)
    book = read_book(ws)
    mandate = book.mandates.mandate(name)
    record = next((item for item in book.mandates.instalments_of(mandate.id) if item.number == number), None)
    if record is None:
        raise InputError(f"mandate {mandate.id} has no instalment {number}; see: settle live status")
    subject = PaymentSubject.on_account(mandate, record.period)
    return InstalmentPaid(
        mandate=mandate.id,
        instalment=record.id,
        number=number,
        period=record.period,
        currency=mandate.currency,
        payments=len(payments_of(ws.log, record.statement)),
        paid_micros=record.micros,
        left_out=(),
        files=tuple(write_batch(ws, subject, record, form)),
        unwritten=(),
        waits="",
    )


# --- checking -----------------------------------------------------------------------------------


def instalment_problems(ws: Workspace, records: Iterable[Instalment]) -> Iterator[str]:
    """Return which of these instalments are not what the log came to at their size. Each sums its month again."""
    for record in records:
        try:
            _check(ws, record)
        except (SettleError, LookupError, TypeError, ValueError, AttributeError) as problem:
            yield f"instalments: {problem}"


def _check(ws: Workspace, record: Instalment) -> None:
    then = read_book(ws, record.size)
    document = batch_of(ws.log, record.statement)
    logs = logs_of(document)
    mandate = then.mandates.mandate(record.mandate)
    if (logs[0].origin, logs[0].size) != (ws.log.origin, record.size):
        raise StateError(f"instalment {record.number} of {record.mandate} knows another log than it was written in")
    due = _due(ws, then, mandate, period=record.period, logs=logs, minimum=int(document["minimum_micros"]))
    accounts: Mapping[str, Digest] = accounts_at(ws, then, record.at) or {}
    check_instalment(document, record, mandate, target=due.target, moved=due.on_account, accounts=accounts)
