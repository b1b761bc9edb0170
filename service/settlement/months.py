"""The state of a month: its close, its runs with the five parts of each, and changes since the month before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.types import Digest, Period
from payouts.life.book import Book
from payouts.life.records import LogSize, Run
from service.settlement.approvers import is_demo
from service.settlement.finding import runs_of
from service.settlement.held import RunParts
from service.settlement.step import read_book
from service.settlement.stored import last_published, load

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run in a list, with the five parts of its pool.

    `before`: the same parts of the pool's published run before it, in the same currency; None where there is none.
    """

    run: Digest
    pool: str
    sequence: int
    rule: str
    state: str
    approved_by: tuple[str, ...]
    pool_micros: int
    currency: str
    payable_micros: int
    holders: int
    units: int
    parts: RunParts
    before: RunParts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodShown:
    """The state of a period: open or closed, its runs, and leaves without effect with the reasons."""

    period: str
    state: str
    period_root: Digest | None
    logs: tuple[LogSize, ...]
    runs: tuple[RunRow, ...]
    voids: tuple[str, ...]
    demo: bool


def show(ws: Workspace, period: str) -> PeriodShown:
    """A period and its runs."""
    Period.parse(period)
    book = read_book(ws)
    close = book.close(period)
    rows = tuple(_row(ws, book, run) for run in book.runs.values() if run.period == period)
    order = ("paying", "published", "approved", "calculated", "reversed")
    states = {row.state for row in rows}
    state = "open" if close is None else next((name for name in order if name in states), "closed")
    return PeriodShown(
        period=period,
        state=state,
        period_root=None if close is None else book.period_root(period).hex(),
        logs=() if close is None else close.logs,
        runs=rows,
        voids=tuple(map(str, book.voids)),
        demo=is_demo(ws, book, [run.run for run in runs_of(book, period)]),
    )


def _row(ws: Workspace, book: Book, run: Run) -> RunRow:
    stored = load(ws.log, run)
    earlier = last_published(ws.log, book, pool=run.pool, currency=stored.currency, before=run.period)
    return RunRow(
        run=run.run,
        pool=run.pool,
        sequence=run.sequence,
        rule=stored.rule_name,
        state=book.state_of(run.run),
        approved_by=tuple(approval.by for approval in book.approvals.get(run.run, [])),
        pool_micros=stored.outcome.pool,
        currency=stored.currency,
        payable_micros=sum(account.payable for account in stored.accounts.values()),
        holders=sum(account.earned > 0 for account in stored.accounts.values()),
        units=stored.outcome.units,
        parts=RunParts.of(book, stored),
        before=None if earlier is None else RunParts.of(book, earlier),
    )
