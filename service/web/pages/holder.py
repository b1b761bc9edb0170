"""A holder's statements: the months, what is held, and one month in full with its downloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger import shown
from ledger.types import Period
from payouts.statements.statement import Earning, PoolStatement
from service.settlement import held as held_money
from service.statements import statements
from service.statements.history import AccountedMonth, history
from service.web.call import Call, Content
from service.web.pages.charts import bars
from service.web.pages.drawing import page, text

FORMS: Final = ("html", "pdf", "csv", "json", "bundle")


def overview(call: Call) -> Content:
    """`GET /holders/{party}`: the latest statements, what waits, and how the months compare."""
    party = call.params["party"]
    with call.held.standing.folded() as ws:
        months = history(ws, party)
        waiting = [line for line in held_money.report(ws, party=party).lines if line.state in ("held", "suspense")]
        name = str(ws.registry.personal("party", party).get("name", "")) or party
    currencies = sorted({month.currency for month in months})
    return page(
        call,
        "holder.html",
        title=text("holder.title", name=name),
        party=party,
        months=[(month, _in_cents(month)) for month in months],
        charts=[(currency, bars(_earned(months, currency))) for currency in currencies],
        waiting=[
            (currency, sum(line.micros for line in waiting if line.currency == currency))
            for currency in sorted({line.currency for line in waiting})
        ],
        this_year=[(currency, _this_year(months, currency)) for currency in currencies],
    )


def waiting(call: Call) -> Content:
    """`GET /holders/{party}/held`: money that is held, why, and what would release it."""
    party = call.params["party"]
    with call.held.standing.folded() as ws:
        report = held_money.report(ws, party=party)
    return page(call, "held.html", title=text("held.title_own"), report=report, party=party)


def statement(call: Call) -> Content:
    """`GET /holders/{party}/statements/{period}`: one month: account, sources, what waits, downloads."""
    party, period = call.params["party"], str(Period.parse(call.params["period"]))
    with call.held.standing.folded() as ws:
        stated = statements.state(ws, party, period)
    pools = [(pool, _in_cents(pool), _earnings(pool)) for pool in stated.pools]
    title = text("statement.title", month=stated.month)
    return page(call, "statement.html", title=title, party=party, stated=stated, pools=pools, forms=FORMS)


def _earnings(pool: PoolStatement) -> list[tuple[Earning, str]]:
    """The lines of a pool with their amounts in cents, which add up to what was earned."""
    return list(zip(pool.earnings, shown.cents_together([line.micros for line in pool.earnings]), strict=True))


def _in_cents(account: AccountedMonth | PoolStatement) -> list[str]:
    """Opening, earned, adjustments, deductions; net, carried: in cents, and both sides still come to the same sum."""
    before = (account.opening_micros, account.earned_micros, account.adjustments_micros, account.deductions_micros)
    return shown.cents_together(before) + shown.cents_together((account.net_micros, account.carried_micros))


def _earned(months: Sequence[AccountedMonth], currency: str) -> list[tuple[str, int]]:
    """What each month earned in a currency, the oldest first."""
    sums: dict[str, int] = {}
    for month in reversed(months):
        if month.currency == currency:
            sums[month.period] = sums.get(month.period, 0) + month.earned_micros
    return list(sums.items())


def _this_year(months: Sequence[AccountedMonth], currency: str) -> tuple[str, int]:
    """The newest month's year, and what it has paid so far."""
    own = [month for month in months if month.currency == currency]
    year = own[0].period[:4]
    return year, sum(month.net_micros for month in own if month.period.startswith(year))
