"""Settling a period: close, run, approve, publish.

Paying is in `service.settlement.paying`, statements in `service.statements`. Each step is one append; a repeated step
changes nothing and returns the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.log.append import Log
from ledger.log.whole import check_whole
from ledger.proofs import canon, dsse, leaf
from ledger.registry.model import GroupMove, ProposedAccount
from ledger.registry.payees import proposed_as
from ledger.types import Digest, Period, format_time
from payouts import derive
from payouts.accounts.payment import ROUTES, intent_payload
from payouts.compute import Outcome
from payouts.life.binding import PUBLICATION_TYPE, RUN_TYPE
from payouts.life.book import Book
from payouts.life.listener_holds import Reject
from payouts.life.records import Approve, Close, LogSize, Proposal, Publish, Reverse, Run
from payouts.life.revisions import Restate
from payouts.money import parse_amount
from payouts.rules.catalogue import make_rule
from payouts.tables import SealedTable, read_table
from payouts.terms import Terms, parse_terms
from service.live.paying import instalment_problems
from service.log import members
from service.log.logs import listed, sizes
from service.registry.people import approve_move, approve_payee
from service.settlement import questions
from service.settlement.approvers import approver_key, check_by_person, is_demo, one_person
from service.settlement.blocking import Blocked, blocked_parties
from service.settlement.carrying import carried, handed_over
from service.settlement.finding import find, find_run
from service.settlement.payees import payees_entered, route_of
from service.settlement.payment_files import CurrencyTotal, paid_in, totals
from service.settlement.pools import check_apart
from service.settlement.restating import check_not_restated, check_restatement, check_restatement_now
from service.settlement.runs import RunRequest, calculate, check_again, check_close, check_registry, given_of, ready
from service.settlement.step import DecidedStep, read_book, signed, take
from service.settlement.stored import Stored, load
from service.settlement.usage import DEFAULT, Progress, check_listener_lists, seal

if TYPE_CHECKING:
    from service.workspace import Workspace


# --- close --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A closed period. `period_root` is the hash of its close leaf; `already`: it had been closed before."""

    period: str
    period_root: Digest
    registry_size: int
    logs: tuple[LogSize, ...]
    closed_at: str
    already: bool
    demo: bool


def close(ws: Workspace, period: str, *, on_progress: Progress = None) -> Closed:
    """Close a period over the logs at their current sizes, and seal the home log; repeating returns the same."""
    month = Period.parse(period)
    members.check_home(ws, "closes periods")
    now = ws.clock()
    if now < month.end:
        raise StateError(f"period {month} runs until {format_time(month.end)}; it can be closed from then on")
    at = format_time(now)

    def decide(book: Book) -> DecidedStep[None]:
        if book.close(period) is not None:
            return DecidedStep(None)
        last = max(book.closes, default="")
        if last > period:
            raise StateError(f"period {last} is closed; the events of {period} that it did not take weigh there")
        head = ws.log.head(book.size)  # nothing is decided about what came since the book was read
        sealing = leaf.seal(now, size=head.size, root=head.root, chain=head.chain)
        closing = Close(at=at, period=period, logs=sizes(ws, book, head), registry_size=head.size)
        return DecidedStep(None, leaves=[sealing, leaf.sign(closing.leaf(), ws.signer("operator"))])

    closed_before = read_book(ws).close(period) is not None
    take(ws, decide)
    book = read_book(ws)
    with suppress(StateError):  # somebody else is sealing here right now, and a run will ask again
        seal(ws, book.closes[period].logs[0].size, on_progress)
    return _closed(ws, book, period, already=closed_before)


def _closed(ws: Workspace, book: Book, period: str, *, already: bool) -> Closed:
    record = book.closes[period]
    return Closed(
        period=period, period_root=book.period_root(period).hex(), registry_size=record.registry_size, logs=record.logs,
        closed_at=record.at, already=already, demo=one_person(ws),
    )  # fmt: skip


# --- run ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderLine:
    """One party's allocation, before any minimum payout."""

    holder: str
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run. The five parts are disjoint and sum to the pool."""

    run: Digest
    period: str
    pool: str
    sequence: int
    rule: str
    currency: str
    pool_micros: int
    allocated_micros: int
    unattributed_micros: int
    held_micros: int
    suspense_micros: int
    reserve_micros: int
    units: int
    holders: int
    state: str
    engine: str
    dry_run: bool
    already: bool
    demo: bool
    lines: tuple[HolderLine, ...]
    questions: tuple[str, ...]
    """What looks wrong, or shows another state than is published; it stops nothing."""


def request(
    *,
    period: str,
    pool: str | None,
    currency: str,
    rule: str,
    params: Mapping[str, str],
    name: str = "default",
    engine: str = DEFAULT,
) -> RunRequest:
    """Convert finance's input to values; refuse unknown or impossible values before anything is read."""
    micros = None if pool is None else parse_amount(pool)
    terms, rule_params = parse_terms(period=period, currency=currency, pool=name, micros=micros, params=params)
    return RunRequest(period=period, terms=terms, rule=make_rule(rule, rule_params), engine=engine)


def run(ws: Workspace, wanted: RunRequest, *, dry_run: bool = False, on_progress: Progress = None) -> RunResult:
    """Calculate a pool of a closed period. The same inputs come to the same run; a dry run writes nothing."""
    period, terms = wanted.period, wanted.terms
    check_whole(ws.log)
    book = read_book(ws)
    takes = carried(ws.log, book, period=period, pool=terms.pool, currency=terms.currency)
    inputs = given_of(ws, book, wanted, takes)
    earlier = replace(inputs, v=1)
    if earlier.key in book.runs:  # release 0.1 calculated it, and it stands as it is
        inputs = earlier
    if not dry_run:  # comparing rules stays possible when one of them has been published
        _check_slot(book, period, terms.pool, inputs.key)
        check_apart(ws.log, book, inputs.key, terms, wanted.rule)
    if inputs.key in book.runs:
        stored = load(ws.log, book.runs[inputs.key])
        return _result(ws, book, stored.record, stored.outcome, stored.payload, dry_run=dry_run, already=True)
    check_registry(ws, inputs.registry_size)
    logs = listed(ws, book, period)
    engine = ready(ws, logs, wanted.engine, dry_run=dry_run, on_progress=on_progress)
    calculated = calculate(ws, book, inputs, takes, engine=engine, on_progress=on_progress)
    maker = ws.signer("operator")
    envelope = dsse.sign(RUN_TYPE, canon.encode(calculated.document.payload), [maker])
    record = Run(
        at=format_time(ws.clock()), by=ws.operator, key=maker.public.id, run=inputs.key, period=period, pool=terms.pool,
        sequence=inputs.sequence, engine=engine, statement=envelope.digest,
    )  # fmt: skip
    if not dry_run:
        take(ws, lambda now: _record(ws, now, wanted, record, [envelope.encode(), *calculated.document.blobs]))
        book = read_book(ws)
    return _result(ws, book, record, calculated.outcome, calculated.document.payload, dry_run=dry_run, already=False)


def _check_slot(book: Book, period: str, pool: str, key: Digest) -> None:
    published = book.slots.get((period, pool, book.sequence(period, pool)))
    if published is not None and published != key:
        raise ConflictError(
            f"run {published[:16]} of {period}, pool {pool}, is published; correct it by adjustments later, "
            "or have it reversed by two people"
        )


def _record(ws: Workspace, book: Book, wanted: RunRequest, record: Run, blobs: list[bytes]) -> DecidedStep[None]:
    """Write a computed run, unless it exists already or its inputs have changed."""
    if record.run in book.runs:
        return DecidedStep(None)
    takes = carried(ws.log, book, period=record.period, pool=record.pool, currency=wanted.terms.currency)
    if given_of(ws, book, wanted, takes).key != record.run:
        raise ConflictError(
            f"a hold, a correction or a publication came while {record.period}, pool {record.pool}, was calculated; "
            "nothing was written, run it again"
        )
    return DecidedStep(None, leaves=[signed(record, ws.signer("operator"))], blobs=blobs)


def _result(
    ws: Workspace,
    book: Book,
    record: Run,
    outcome: Outcome,
    payload: Mapping[str, Any],
    *,
    dry_run: bool,
    already: bool,
) -> RunResult:
    lines = tuple(HolderLine(holder=party, micros=micros) for party, micros in outcome.allocated_by_party().items())
    return RunResult(
        run=record.run, period=record.period, pool=record.pool, sequence=record.sequence,
        rule=payload["inputs"]["rule"]["name"], currency=payload["inputs"]["terms"]["currency"],
        pool_micros=outcome.pool, allocated_micros=outcome.allocated, unattributed_micros=outcome.unattributed,
        held_micros=outcome.held, suspense_micros=outcome.suspense, reserve_micros=outcome.reserve,
        units=outcome.units, holders=len(lines),
        state=book.state_of(record.run) if record.run in book.runs else "calculated",
        engine=record.engine, dry_run=dry_run, already=already, demo=is_demo(ws, book, [record.run]), lines=lines,
        questions=questions.of_run(ws, book, record.run, Terms.from_payload(payload["inputs"]["terms"]), outcome),
    )  # fmt: skip


# --- approve ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A second person's signature under a run or another proposal."""

    subject: str
    kind: str
    by: str
    made_by: str
    key: str
    document: Digest
    already: bool
    demo: bool


def approve(ws: Workspace, subject: str, party: str) -> Approved:
    """Sign a run or another proposal as another person than its maker."""
    check_whole(ws.log)
    if registered := _approve_registered(ws, subject, party):
        return registered
    at = format_time(ws.clock())
    current = read_book(ws)
    named = find(current, subject)
    check_derived(ws, current, named, party)

    def decide(book: Book) -> DecidedStep[Approved]:
        name = find(book, subject)
        proposal = book.proposal(name)
        kind = type(proposal).__name__.lower()
        if party == proposal.by:
            raise StateError(f"{party} made this {kind}; another person must approve it: settle approve ... --as PARTY")
        for done in book.approvals.get(name, []):
            if done.by == party:
                return DecidedStep(_approved(done, kind, proposal.by, already=True))
        key, demo = approver_key(ws, party)
        check_approvable(ws, book, name, party, key.public.id)
        record = Approve(at=at, by=party, key=key.public.id, subject=name, document=book.document(name), demo=demo)
        return DecidedStep(_approved(record, kind, proposal.by, already=False), leaves=[signed(record, key)])

    return take(ws, decide)


def check_approvable(ws: Workspace, book: Book, name: str, party: str, key: Digest) -> None:
    """Refuse an approval of a proposal that is over, or by its maker's key."""
    proposal = book.proposal(name)
    if key == proposal.key:
        raise StateError(
            f"{party} would approve with the key this {type(proposal).__name__.lower()} was made with; use a key of "
            "their own"
        )
    if name in book.withdrawn:
        raise StateError(f"{name} was withdrawn: {book.withdrawn[name].reason}")
    if isinstance(proposal, Run) and name in book.published:
        raise StateError(f"run {name[:16]} is published already; nothing is left to approve")
    if isinstance(proposal, Run):
        check_close(book, load(ws.log, proposal))
    _check_current(ws.log, book, proposal, name)


def check_derived(ws: Workspace, book: Book, name: str, party: str) -> None:
    """Refuse a run or restatement if the approver's computation gives another result."""
    if name in book.runs and not any(approval.by == party for approval in book.approvals.get(name, [])):
        stored = load(ws.log, book.runs[name])
        check_again(ws, book, stored)
        # The run takes these payments as made: one that the log does not come to would leave a holder unpaid.
        early = book.mandates.of_month(stored.terms.pool, stored.currency, stored.terms.period)
        for problem in instalment_problems(ws, early):
            raise VerificationError(f"run {name[:16]} takes payments on account that are wrong: {problem}")
    if name in book.restates and not book.approved(name):
        check_restatement(ws, book, book.restates[name])
        check_restatement_now(ws, book, book.restates[name])
    if name in book.disputes.resolves and not book.approved(name):
        outcome = book.disputes.resolves[name]
        check_not_restated(ws, outcome.dispute, outcome.micros)


def _check_current(log: Log, book: Book, proposal: Proposal, name: str) -> None:
    """Refuse a correction if the log changed after its proposal so that it no longer fits."""
    if isinstance(proposal, Reject):  # a rejection is final, and an unusable list would then stop every later run
        check_listener_lists(log, [book.holds[proposal.hold]])
    if isinstance(proposal, Reverse) and not book.approved(name):
        last = book.standing(book.runs[proposal.run].pool)[-1:]
        if [run.run for run in last] != [proposal.run]:
            raise ConflictError(f"a later run builds on {proposal.run[:16]} by now; correct it by adjustments instead")
    if isinstance(proposal, Restate) and (decided := book.disputes.decided_since(proposal.run, proposal.size)):
        raise ConflictError(
            f"dispute {decided} was decided since {name} was calculated; take it back and propose again: settle "
            f"restate {book.runs[proposal.run].period} --withdraw --reason TEXT"
        )


def _approve_registered(ws: Workspace, subject: str, party: str) -> Approved | None:
    """Approve a proposal in the registry: a payee's account, or a move of an owner group."""
    view = ws.registry.view()
    move, accounts = view.moves.get(subject), proposed_as(view, subject)
    if move is None and not accounts:
        return None
    proposed: Sequence[GroupMove | ProposedAccount] = accounts if move is None else [move]
    already = any(proposal.approved_by == party for proposal in proposed)
    if not already and move is not None:
        approve_move(ws, subject, party)
    elif not already:
        approve_payee(ws, subject, party)
    key, demo = approver_key(ws, party)
    return Approved(
        subject=subject,
        kind="payee" if move is None else "group",
        by=party,
        made_by=proposed[0].proposed_by,
        key=key.public.id,
        document=proposed[0].statement,
        already=already,
        demo=demo,
    )


def _approved(record: Approve, kind: str, made_by: str, *, already: bool) -> Approved:
    return Approved(
        subject=record.subject, kind=kind, by=record.by, made_by=made_by, key=record.key, document=record.document,
        already=already, demo=record.demo,
    )  # fmt: skip


# --- publish ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published run: its statements bind, and every payee has one payment intent with one route.

    `blocked`: payees who are not paid for now, because of a hold or a dispute opened after the calculation. `due`:
    payments by route that are not blocked and wait for `pay`.
    """

    run: Digest
    period: str
    pool: str
    sequence: int
    currency: str
    payees: int
    payable_micros: int
    totals: tuple[CurrencyTotal, ...]
    """What is to be paid in each currency that payees get."""
    routes: dict[str, int]
    due: dict[str, int]
    blocked: tuple[Blocked, ...]
    already: bool
    demo: bool


def publish(ws: Workspace, run_id: str, *, via: str | None = None) -> Published:
    """Publish an approved run. Refused if another run is in its place, or if the run before it has changed."""
    if via is not None and via not in ROUTES:
        raise InputError(f"route {via!r}: expected one of {', '.join(ROUTES)}")
    check_whole(ws.log)
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[Published]:
        record = find_run(book, run_id)
        stored = load(ws.log, record)
        if record.run in book.published:
            intents = intents_of(ws.log, book, stored)
            return DecidedStep(_published(ws, book, stored, intents, already=True))
        check_publishable(ws, book, stored)
        table = SealedTable.of(_intents(ws, stored, via))
        payload = {
            "v": stored.v,
            "run": record.run,
            "document": record.statement,
            "intents": table.payload(),
        }
        maker = ws.signer("operator")
        envelope = dsse.sign(PUBLICATION_TYPE, canon.encode(payload), [maker])
        making = Publish(at=at, by=ws.operator, key=maker.public.id, run=record.run, statement=envelope.digest)
        answer = _published(ws, book, stored, table.rows(), already=False)
        return DecidedStep(answer, leaves=[signed(making, maker)], blobs=[envelope.encode(), table.data])

    return take(ws, decide)


def check_publishable(ws: Workspace, book: Book, stored: Stored) -> None:
    """Check that a run is approved, is the first in its place, and follows the run it was computed from."""
    record = stored.record
    short = record.run[:16]
    if book.reversed(record.run):
        raise StateError(f"run {short} was reversed; calculate the period again")
    if not book.approved(record.run):
        raise StateError(f"run {short} is not approved; a second person does that: settle approve {short} --as PARTY")
    check_close(book, stored)
    check_by_person(ws, book, record.run)
    _check_slot(book, record.period, record.pool, record.run)
    check_apart(ws.log, book, record.run, stored.terms, stored.rule)
    takes = carried(ws.log, book, period=record.period, pool=record.pool, currency=stored.currency)
    waiting = {correction.id for correction in takes.corrections}
    if takes.follows != stored.follows or record.sequence != book.sequence(record.period, record.pool):
        raise StateError(f"run {short} was calculated before another run of its pool was published; run it again")
    if missing := set(stored.entries) - waiting:
        raise StateError(f"run {short} books {sorted(missing)[0]}, which is no longer in force; run it again")
    if (takes.stages.terms, takes.stages.rates) != (stored.agreed, stored.fx):
        raise StateError(f"run {short} was calculated under other terms than are in force now; run it again")


def _intents(ws: Workspace, stored: Stored, via: str | None) -> Iterator[dict[str, Any]]:
    """Return each payee's payment, with its amount and its route, which are fixed from here on."""
    accounts, salts = payees_entered(ws), stored.salts
    for account in stored.accounts.values():
        if account.payable:
            route = via or route_of(accounts.get(account.party))
            if account.converted is not None and route == "chain":
                raise StateError(
                    f"{account.party} is paid in {account.converted.currency}, and the chain pays in "
                    f"{stored.currency}, the currency of the pool's token; publish with --via file, or end those "
                    "terms: settle terms list"
                )
            yield intent_payload(account, route, salts.get(account.party))


def publication_of(log: Log, published: Publish) -> dict[str, Any]:
    """Return the signed content of a publication: run, document, and the root of the intents."""
    return canon.decode_object(dsse.parse(log.blob(published.statement)).payload, "publication")


def intents_of(log: Log, book: Book, stored: Stored) -> list[dict[str, Any]]:
    """Return the payment intents of a published run: party, micros, route; `sent` if paid in another currency.

    They must equal the accounts that the second person approved: the publication has only one signer, who could add to
    them.
    """
    publication = publication_of(log, book.published[stored.record.run])
    intents = read_table("intents", log.blob(publication["intents"]["sha256"]))
    if (publication["run"], publication["document"]) != (stored.record.run, stored.record.statement):
        raise VerificationError(f"the publication of run {stored.record.run[:16]} is of another run")
    derive.check_intents(stored.accounts.values(), intents, stored.salts.get)
    return intents


def _published(ws: Workspace, book: Book, stored: Stored, intents: list[dict[str, Any]], *, already: bool) -> Published:
    record = stored.record
    routes: dict[str, int] = {}
    stopped = blocked_parties(ws, book, stored)
    for intent in intents:
        routes[intent["route"]] = routes.get(intent["route"], 0) + 1
    handed = handed_over(ws.log, book, stored)
    due = Counter(
        payment["route"] for payment in intents if payment["party"] not in stopped and payment["party"] not in handed
    )
    blocked = tuple(
        Blocked(party=intent["party"], micros=int(intent["micros"]), reason=stopped[intent["party"]])
        for intent in intents
        if intent["party"] in stopped
    )
    return Published(
        run=record.run, period=record.period, pool=record.pool, sequence=record.sequence,
        currency=stored.currency, payees=len(intents),
        payable_micros=sum(int(intent["micros"]) for intent in intents),
        totals=totals(paid_in(intent, stored.currency) for intent in intents), routes=routes, due=dict(due),
        blocked=blocked, already=already, demo=is_demo(ws, book, [record.run]),
    )  # fmt: skip
