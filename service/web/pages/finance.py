"""For finance: months with the parts of their pools, what was held, what is to be paid, and who must approve what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger import shown
from ledger.types import Period
from payouts.rules.catalogue import installed
from service.settlement import held as held_money
from service.settlement import months, payment_list, proposals
from service.settlement.payment_list import PaymentFilter
from service.settlement.step import read_book
from service.web.call import Call, Content, Redirect
from service.web.pages.drawing import page, text

if TYPE_CHECKING:
    from payouts.life.book import Book
    from service.settlement.held import RunParts

PARTS: Final = ("allocated", "unattributed", "held", "suspense", "reserve")
"""The five disjoint parts of a pool."""
PAYMENTS_MAX: Final = 1_000
"""Payments on a page; the filters find the others."""


def all_periods(call: Call) -> Content | Redirect:
    """`GET /periods?month=`: every month that was closed or has a run, the newest first; or the one that is named."""
    if name := call.query.get("month", "").strip():
        return Redirect(path=f"/periods/{Period.parse(name)}")
    with call.held.standing.folded() as ws:
        book = read_book(ws)
        names = sorted({*book.closes, *(run.period for run in book.runs.values())}, reverse=True)
        rows = [(name, _states(book, name)) for name in names]
        waiting = proposals.waiting(ws)
        now = ws.clock()
    return page(
        call,
        "periods.html",
        title=text("periods.title"),
        rows=rows,
        open_month=str(Period(now.year, now.month)),
        waiting=len(waiting),
    )


def period(call: Call) -> Content:
    """`GET /periods/{period}`: what is odd first, then each run: its five parts, against the month before."""
    name = str(Period.parse(call.params["period"]))
    with call.held.standing.folded() as ws:
        month = months.show(ws, name)
        odd = {shown_.id: shown_ for shown_ in proposals.waiting(ws) if shown_.questions}
    runs = [(row, _parts(row.parts, row.before), odd.get(row.run)) for row in month.runs]
    return page(
        call, "period.html", title=text("periods.one", period=name), month=month, runs=runs, rules=sorted(installed())
    )


def all_held(call: Call) -> Content:
    """`GET /held`: all money that is held or in suspense, by reason and line by line."""
    with call.held.standing.folded() as ws:
        report = held_money.report(ws, period=call.query.get("period") or None)
    return page(call, "held.html", title=text("held.title"), report=report, party="")


def payments(call: Call) -> Content:
    """`GET /payments`: the payments of published runs, by state, party, month or reference."""
    limits = PaymentFilter(**{name: call.query.get(name, "") for name in ("run", "party", "state", "reference")})
    with call.held.standing.folded() as ws:
        listed = payment_list.payments(ws, limits)
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for payment in listed:
        count, micros = sums.get((payment.state, payment.currency), (0, 0))
        sums[payment.state, payment.currency] = (count + 1, micros + payment.micros)
    return page(
        call,
        "payments.html",
        title=text("payments.title"),
        limits=limits,
        states=payment_list.STATES,
        sums=sorted(sums.items()),
        payments=listed[:PAYMENTS_MAX],
        more=max(0, len(listed) - PAYMENTS_MAX),
    )


def _states(book: Book, name: str) -> list[tuple[str, str]]:
    """Each pool's newest run of a month, and its state; without one, whether the month is closed."""
    newest = {run.pool: book.state_of(run.run) for run in book.runs.values() if run.period == name}
    return sorted(newest.items()) or [("", "closed" if name in book.closes else "open")]


def _parts(now: RunParts, before: RunParts | None) -> list[tuple[str, str, str, str]]:
    """The five parts in cents and percent of the pool, with the change since the month before."""
    amounts = [getattr(now, f"{part}_micros") for part in PARTS]
    earlier = [None if before is None else getattr(before, f"{part}_micros") for part in PARTS]
    whole = now.pool_micros
    percents = shown.percents([amount * 1_000_000 // whole for amount in amounts]) if whole else ["-"] * len(amounts)
    changes = [
        "-" if then is None else ("+" if amount > then else "") + shown.cents(amount - then)
        for amount, then in zip(amounts, earlier, strict=True)
    ]
    return list(zip(PARTS, shown.cents_together(amounts), percents, changes, strict=True))
