"""Text of a month's state and of held money, for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from cli.render import as_text, indented
from cli.shell import plain
from ledger.shown import NOTHING, money

PARTS: Final = ("allocated", "unattributed", "held", "suspense", "reserve", "pool")


def period_text(shown: Any) -> str:
    """Return a month's state, and the five parts of each run's pool compared with the month before."""
    record = plain(shown)
    runs = record.pop("runs")
    return "\n\n".join([as_text(record), *(_run(shown.period, run) for run in runs)])


def _run(period: str, run: dict[str, Any]) -> str:
    parts, last_month = run["parts"], run["before"]
    earlier = NOTHING if last_month is None else last_month["period"]
    rows = [
        {"": part, period: money(parts[f"{part}_micros"], run["currency"]), earlier: NOTHING, "change": NOTHING}
        for part in PARTS
    ]
    for row, part in zip(rows, PARTS, strict=True):
        if last_month is not None:
            old, new = last_month[f"{part}_micros"], parts[f"{part}_micros"]
            row |= {earlier: money(old, run["currency"]), "change": money(new - old, run["currency"])}
    head = {
        name: run[name]
        for name in ("run", "pool", "rule", "state", "approved_by", "units", "holders", "payable_micros", "currency")
    }
    return f"{as_text(head)}\n\n{indented(as_text(rows))}"


def held_text(report: Any) -> str:
    """Return held money by reason, party, month and age, with the step that releases it."""
    others = [*_blocked(report.blocked), *_disputes(report.disputes)]
    if not report.lines:
        nothing = "no line of a published run is held or in suspense" if others else "nothing is held or in suspense"
        return "\n\n".join([nothing, *others])
    sums = {"by reason": report.by_reason, "by party": report.by_party, "by month": report.by_month}
    sections = [
        f"{title}:\n{indented(_totals(totals))}" for title, totals in (sums | {"by age": report.by_age}).items()
    ]
    shown = ("period", "pool", "state", "reason", "party", "subject", "micros", "gives_up", "currency")
    lines = [{name: getattr(line, name) for name in shown} for line in report.lines]
    steps = sorted({(f"{line.reason}, {line.state}", line.releases) for line in report.lines})
    sections.append(f"lines:\n{indented(_readable(lines))}")
    sections += [
        f"{run.period}, pool {run.pool}: restatements have left {money(run.suspense_now_micros, run.currency)} of "
        f"{money(run.suspense_micros, run.currency)} in suspense"
        for run in report.runs
        if run.suspense_now_micros != run.suspense_micros
    ]
    sections += ["what releases it:\n" + "\n".join(f"  {reason}: {text}" for reason, text in steps)]
    return "\n\n".join([*sections, *others])


def _blocked(payments: Any) -> list[str]:
    """Payments that a later hold blocks, and what releases each."""
    if not payments:
        return []
    shown = ("period", "pool", "party", "reason", "micros", "currency", "releases")
    rows = [{name: getattr(payment, name) for name in shown} for payment in payments]
    return [f"blocked payments of published runs:\n{indented(_readable(rows))}"]


def _disputes(disputes: Any) -> list[str]:
    """Open disputes of lines and what each holds, which the next run takes from the other side's account."""
    if not disputes:
        return []
    rows = [
        {
            "dispute": dispute.id,
            "about": f"{dispute.about} {dispute.subject}".rstrip(),
            "month": dispute.period,
            "claimant": dispute.claimant,
            "against": dispute.against,
            "claimed": money(dispute.claimed_micros, dispute.currency),
            "held": money(dispute.held_micros, dispute.currency),
            "next": dispute.next,
            "due": f"{dispute.due}, overdue" if dispute.overdue else dispute.due,
        }
        for dispute in disputes
    ]
    return [f"disputed lines (settle dispute show ID):\n{indented(as_text(rows))}"]


def payments_text(payments: Any) -> str:
    """Payments as a table, their sums by state and currency, and what a second person has to approve."""
    if not payments:
        return "no payment"
    rows = [
        {
            "month": payment.period,
            "pool": payment.pool,
            "party": payment.party,
            "name": payment.name,
            "amount": money(payment.micros, payment.currency),
            "state": f"{payment.state}: {payment.reason}" if payment.reason else payment.state,
            "route": payment.route,
            "attempt": payment.attempt or None,
            "reference": payment.reference,
        }
        for payment in payments
    ]
    sums: Counter[tuple[str, str]] = Counter()
    for payment in payments:
        sums[payment.state, payment.currency] += payment.micros
    totals = [{"state": state, "sum": money(micros, currency)} for (state, currency), micros in sorted(sums.items())]
    waiting = [
        f"{payment.party}, {payment.reference}: {payment.waits} waits for settle approve {payment.proposal} --as PARTY"
        for payment in payments
        if payment.proposal
    ]
    return "\n\n".join([as_text(rows), as_text(totals), *waiting])


def _totals(totals: Any) -> str:
    return _readable([plain(total) for total in totals])


def _readable(rows: list[dict[str, Any]]) -> str:
    """Return the rows with each amount in its currency, without the currency column."""
    return as_text(
        [
            {
                ("amount" if name == "micros" else name): money(value, row["currency"]) if name == "micros" else value
                for name, value in row.items()
                if name != "currency"
            }
            for row in rows
        ]
    )
