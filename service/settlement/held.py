"""List money that is held or in suspense in all months, with the step that releases it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ledger.types import Digest, Period
from payouts.accounts.deductions import later
from payouts.compute import Line
from payouts.life.book import Book
from payouts.life.records import Run
from payouts.statements.statement import ADVICE, held_line
from service.registry.naming import unknown_party
from service.settlement.blocking import blocking_holds
from service.settlement.carrying import other_parts, transfers
from service.settlement.line_disputes import OWNERSHIP, DisputeShown, shown_all
from service.settlement.step import read_book
from service.settlement.stored import Stored, load

if TYPE_CHECKING:
    from service.workspace import Workspace

WaitingState = Literal["held", "suspense", "released", "rejected", "given up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMoney:
    """Money under one heading of one published run.

    `state`: `held` or `suspense`; `released`: its hold was released, and a run of the pool books it; `rejected`: two
    people decided that the streams do not count, and a restatement divides the money among the others; `given up`: it
    was in suspense for as long as the pool's terms allow (`gives_up` is the month, `gives_up_to` the receiver).
    `months`: the age in months. `releases` says what would release it.
    """

    period: str
    pool: str
    run: Digest
    state: WaitingState
    reason: str
    party: str
    subject: str
    currency: str
    micros: int
    months: int
    gives_up: str
    gives_up_to: str
    ref: str
    releases: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTotal:
    """The sum of held money for one reason, party, month or age, in one currency."""

    name: str
    state: WaitingState
    currency: str
    lines: int
    micros: int
    oldest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """The five disjoint parts of one published run; they sum to its pool."""

    period: str
    pool: str
    run: Digest
    currency: str
    pool_micros: int
    allocated_micros: int
    unattributed_micros: int
    held_micros: int
    suspense_micros: int
    reserve_micros: int
    suspense_now_micros: int
    """What restatements have left in suspense."""

    @classmethod
    def of(cls, book: Book, stored: Stored) -> RunParts:
        outcome, record = stored.outcome, stored.record
        return cls(
            period=record.period,
            pool=record.pool,
            run=record.run,
            currency=stored.currency,
            pool_micros=outcome.pool,
            allocated_micros=outcome.allocated,
            unattributed_micros=outcome.unattributed,
            held_micros=outcome.held,
            suspense_micros=outcome.suspense,
            reserve_micros=outcome.reserve,
            suspense_now_micros=other_parts(stored.log, book, record.run)["suspense"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedPayment:
    """A payment of a published run that a hold opened afterwards blocks. `releases` says what would release it."""

    period: str
    pool: str
    run: Digest
    party: str
    reason: str
    ref: str
    currency: str
    micros: int
    releases: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReport:
    """All held money, as lines and sums, with the five parts of its runs.

    `blocked`: payments that wait because of a hold opened after their run. The runs allocated this money, so it is in
    none of the sums.
    """

    lines: tuple[WaitingMoney, ...]
    by_reason: tuple[WaitingTotal, ...]
    by_party: tuple[WaitingTotal, ...]
    by_month: tuple[WaitingTotal, ...]
    by_age: tuple[WaitingTotal, ...]
    runs: tuple[RunParts, ...]
    blocked: tuple[BlockedPayment, ...]
    disputes: tuple[DisputeShown, ...]
    """Open disputes of these runs' lines. What one holds is taken from the other side's account by the next run, so it
    is in none of the sums above."""


def report(ws: Workspace, *, period: str | None = None, party: str | None = None) -> HeldReport:
    """Return all money held or in suspense in published runs, optionally of one month or one party."""
    if period is not None:
        Period.parse(period)
    if party is not None and party not in ws.registry.view_of(party).parties:
        raise unknown_party(ws, party)
    book = read_book(ws)
    now = Period(ws.clock().year, ws.clock().month)
    published = [load(ws.log, run) for run in book.standing()]
    booked = {entry: stored.record.period for stored in published for entry in stored.entries}
    standing = [stored for stored in published if period in (None, stored.record.period)]
    lines = [line for stored in standing for line in _lines(stored, now, book, booked) if party in (None, line.party)]
    lines.sort(key=lambda line: (line.period, line.pool, line.state, -line.micros, line.party, line.subject))
    return HeldReport(
        lines=tuple(lines),
        by_reason=_totals(lines, lambda line: line.reason),
        by_party=_totals(lines, lambda line: line.party or "nobody known"),
        by_month=_totals(lines, lambda line: line.period),
        by_age=_totals(lines, lambda line: _age(line.months)),
        runs=tuple(RunParts.of(book, stored) for stored in standing),
        blocked=tuple(
            payment for stored in standing for payment in _blocked(ws, book, stored) if party in (None, payment.party)
        ),
        disputes=tuple(
            dispute
            for dispute in shown_all(ws)
            if dispute.about != OWNERSHIP
            and period in (None, dispute.period)
            and party in (None, dispute.claimant, dispute.against)
        ),
    )


def _lines(stored: Stored, now: Period, book: Book, booked: Mapping[str, str]) -> Iterator[WaitingMoney]:
    """Return the held and suspended lines of a run; they add up to the run's own parts, also after releases.

    `booked`: the month whose run booked each entry.
    """
    record, lifted, rejected = stored.record, book.lifted(), book.rejected()
    sums: dict[tuple[str, ...], int] = {}
    lines: dict[tuple[str, ...], Line] = {}
    for line in stored.outcome.lines:
        if line.state != "allocated" and line.micros:
            subject = line.group.removeprefix("?") if line.state == "suspense" else ""
            heading = (line.state, line.reason, line.party, subject, line.ref)
            sums[heading] = sums.get(heading, 0) + line.micros
            lines.setdefault(heading, line)
    for (_, reason, party, subject, _), line in lines.items():
        ref = line.ref or (held_line(record.run, party, reason) if line.state == "held" else "")
        gives_up = later(record.period, stored.terms.suspense_months) if line.state == "suspense" else ""
        state: WaitingState = "held" if line.state == "held" else "suspense"
        if ref in lifted:
            state = "released"
        elif ref in rejected:
            state = "rejected"
        elif gives_up and gives_up <= str(now):
            state = "given up"
        yield WaitingMoney(
            period=record.period,
            pool=record.pool,
            run=record.run,
            state=state,
            reason=reason,
            party=party,
            subject=subject,
            currency=stored.currency,
            micros=sums[line.state, reason, party, subject, line.ref],
            months=_months(Period.parse(record.period), now),
            gives_up=gives_up,
            gives_up_to=stored.terms.suspense_to if gives_up else "",
            ref=ref,
            releases=_paid_by(book, record, lifted[ref], booked)
            if state == "released"
            else _releases(state, reason, ref, record.period),
        )


def _blocked(ws: Workspace, book: Book, stored: Stored) -> Iterator[BlockedPayment]:
    """Return the payments of a run that are due and that a later hold or ownership dispute blocks."""
    record = stored.record
    due = {party: payment for party, payment in transfers(ws.log, book, stored).items() if payment.due}
    # Finding the parties of a hold on a track computes the run again: not for runs that have paid everybody.
    blocking = blocking_holds(ws, book, stored) if due else {}
    for party in sorted(due.keys() & blocking.keys()):
        hold = blocking[party]
        advice = ADVICE.get(hold.reason, "ask the operator")
        step = f"; then settle hold resolve {hold.id} --reason TEXT --as PARTY" if hold.id in book.holds else ""
        yield BlockedPayment(
            period=record.period,
            pool=record.pool,
            run=record.run,
            party=party,
            reason=hold.reason,
            ref=hold.id,
            currency=stored.currency,
            micros=due[party].micros,
            releases=f"{advice}{step}; then settle pay {record.run[:16]}",
        )


def _paid_by(book: Book, record: Run, release: str, booked: Mapping[str, str]) -> str:
    """Name the run or the restatement that pays released money.

    A run pays only what was released before its month was restated: after that a restatement does, to the holder of
    today.
    """
    if month := booked.get(f"{release}@{record.run}"):
        return f"booked in {month}"
    restatements, lifted_at = book.restatements(record.run), book.lifted_at(release)
    if not restatements or lifted_at < book.places["restate", restatements[0].id].index:
        return "released; booked with the pool's next run"
    for restate in restatements:
        if restate.size > lifted_at:
            return f"released and divided again by restatement {restate.id}, which is booked in {restate.period}"
    return (
        f"released after {record.period} was restated; settle restate {record.period} --propose --into MONTH pays its "
        "holder of today"
    )


def _releases(state: WaitingState, reason: str, ref: str, period: str) -> str:
    advice = ADVICE.get(reason, "ask the operator")
    match state:
        case "rejected":
            return f"settle restate {period} --propose --into MONTH divides it among the others"
        case "given up":
            return "the pool's terms gave it up"
        case "held":
            return f"{advice}; then settle hold resolve {ref} --reason TEXT --as PARTY"
        case _:
            return f"{advice}; then settle restate {period} --propose --into MONTH"


def _months(first: Period, now: Period) -> int:
    return max(0, (now.year - first.year) * 12 + now.month - first.month)


AGES = ((1, "up to 1 month"), (3, "2 to 3 months"), (12, "4 to 12 months"))


def _age(months: int) -> str:
    return next((name for most, name in AGES if months <= most), "over 12 months")


def _totals(lines: Iterable[WaitingMoney], name: Callable[[WaitingMoney], str]) -> tuple[WaitingTotal, ...]:
    groups: dict[tuple[str, WaitingState, str], list[WaitingMoney]] = {}
    for line in lines:
        groups.setdefault((name(line), line.state, line.currency), []).append(line)
    return tuple(
        WaitingTotal(
            name=key[0],
            state=key[1],
            currency=key[2],
            lines=len(group),
            micros=sum(line.micros for line in group),
            oldest=min(line.period for line in group),
        )
        for key, group in sorted(groups.items())
    )
