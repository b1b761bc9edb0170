"""Render statements as CSV and HTML without scripts; the words that every format uses."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from ledger.proofs.batch import in_words
from ledger.registry.model import WORLD
from ledger.shown import NOTHING, cents, cents_together, exact_percent, interval, money, with_interval
from payouts.accounts.payment import cell
from payouts.money import format_amount
from payouts.statements.line_factors import share_in_words
from payouts.statements.statement import ADVICE, Earning, PoolStatement, Statement, Waiting

if TYPE_CHECKING:
    from jinja2 import Template

COLUMNS: Final = (
    "period",
    "party",
    "pool",
    "run",
    "state",
    "row",
    "track",
    "track_title",
    "source",
    "source_title",
    "aspect",
    "basis",
    "reason",
    "ppm",
    "low_ppm",
    "high_ppm",
    "aspect_ppm",
    "share",
    "units",
    "late_units",
    "unit_value",
    "currency",
    "amount",
    "micros",
)
BARS: Final = 10
WIDEST: Final = 320
FIGURES: Final = {
    "opening": "Opening balance",
    "earned": "Allocated",
    "adjustments": "Adjustments",
    "deductions": "Deductions",
    "net": "To be paid",
    "carried": "Carried to the next run",
    "held": "Held",
    "suspense": "In suspense",
}
"""What each figure of an account is called wherever a person reads it; the JSON has it as NAME_micros."""
NAMES: Final = {
    "reserve": "Kept in reserve",
    "released": "Released from reserve",
    "recouped": "Recouped",
    "tax": "Tax withheld",
    "advance": "Advance",
    "adjustment": "Adjustment",
    "release": "Released from a hold",
    "returned": "Payment that came back",
    "reversal": "Paid by a run since undone",
    "instalment": "Paid on account",
}
"""What each kind of correction, deduction and balance is called on a page."""
STATES: Final = {
    "to be paid": "to be paid",
    "blocked": "not paid for now",
    "handed over": "on its way",
    "settled": "paid",
    "failed": "came back, is sent again",
    "returned": "came back, is in your balance again",
    "written-off": "did not arrive, is in your balance again",
    "nothing to pay": "nothing to pay now",
    "not published": "not final",
}
"""What a payment's state means to whoever waits for it."""


def headline(pool: PoolStatement) -> tuple[str, str]:
    """The amount that a reader looks for first, in the currency it is paid in, what becomes of it, and what is held."""
    held = f", {cents(pool.held_micros)} {pool.currency} held" if pool.held_micros else ""
    state = STATES.get(pool.payment.state, pool.payment.state) + held
    if pool.converted is not None:
        return paid(pool.converted.micros, pool.converted.currency), state
    return paid(pool.net_micros, pool.currency), state


def paid(micros: int, currency: str) -> str:
    """Return the amount sent to the bank: whole minor units of the currency, with its code."""
    whole, point, part = format_amount(micros, currency).partition(".")
    return f"{int(whole):,}{point}{part} {currency}"


def next_steps(statement: Statement, pool: PoolStatement) -> list[str]:
    """Return the next step, and what the reader can do."""
    steps = []
    if pool.payment.state == "to be paid":
        steps.append("You need do nothing: the payment is sent with the operator's next batch.")
    if pool.payment.state == "blocked":
        steps.append(
            f"Your payment waits ({pool.payment.reason}): {ADVICE.get(pool.payment.reason, 'ask the operator')}."
        )
    if pool.carried_micros > 0:
        why = f"below {cents(pool.minimum_micros)} {pool.currency} nothing is sent" if pool.minimum_micros else ""
        why = why or "less than a coin cannot be sent"
        steps.append(f"{money(pool.carried_micros, pool.currency)} is carried to the next month: {why}.")
    if pool.carried_micros < 0:
        steps.append(f"{money(-pool.carried_micros, pool.currency)} is taken from what the next months bring.")
    if pool.waiting:
        steps.append("What is held or in suspense is paid once its reason ends; the table above says what ends it.")
    contact = f" {statement.issuer.contact}" if statement.issuer.contact else ""
    steps.append(
        "To contest an influence, an amount, a permission or a payment, write to the issuer"
        f"{contact} with the line, what you claim and your evidence. It is entered as a dispute: at most what you "
        "claim is held of the other side's money, for at most 30 days, and two people decide."
    )
    return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCents:
    """An account to the hundredth, a row for each adjustment and deduction."""

    opening: str
    earned: str
    adjustments: Sequence[str]
    deductions: Sequence[str]
    net: str
    carried: str


def account_cents(pool: PoolStatement) -> AccountCents:
    """The account's rows to the hundredth, so that those above the line add up to paid + carried as shown."""
    items = [item.micros for item in pool.adjustments] + [item.micros for item in pool.deductions]
    opening, earned, *rows = cents_together([pool.opening_micros, pool.earned_micros, *items])
    net, carried = cents_together([pool.net_micros, pool.carried_micros])
    first = len(pool.adjustments)
    return AccountCents(
        opening=opening, earned=earned, adjustments=rows[:first], deductions=rows[first:], net=net, carried=carried
    )


def formula(pool: PoolStatement) -> str:
    """Return the formula of a line's amount."""
    return (
        "Amount = influence x part of the pool x your share x units x the value of a unit, which is "
        f"{pool.unit_value} {pool.currency}, but for rounding. An estimated influence stands with the interval it lies "
        "in, nine times in ten."
    )


def own_share(earning: Earning) -> str:
    """Return the holder's own share of a line's source, if it explains the amount."""
    return NOTHING if earning.share is None else share_in_words(earning.share)


def places(pool: PoolStatement) -> str:
    """Return the territories of the streams: those with shares of their own by code, all others together."""
    codes = [territory for territory in pool.territories if territory != WORLD]
    everywhere_else = WORLD in pool.territories
    if not codes:
        return "all territories"
    return ", ".join(codes) + (" and all others" if everywhere_else else "")


def as_csv(statement: Statement) -> bytes:
    """One row a figure (RFC 4180, UTF-8, CRLF): opening + earned + corrections + deductions = net + carried."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for pool in statement.pools:
        common = {
            "period": statement.period,
            "party": statement.party,
            "pool": pool.pool,
            "run": pool.run,
            "state": pool.state,
            "currency": pool.currency,
        }
        for row in _rows(pool):
            amount = {"amount": format_amount(int(row["micros"]), row.get("currency", pool.currency))}
            texts = {name: cell(text) for name, text in (common | row).items()}
            writer.writerow(texts | amount | {"micros": row["micros"]})
    return out.getvalue().encode()


def _rows(pool: PoolStatement) -> list[dict[str, str]]:
    rows = [
        {"row": "opening", "micros": str(pool.opening_micros)},
        {"row": "earned", "micros": str(pool.earned_micros)},
    ]
    rows += [
        {"row": item.kind, "reason": item.reason, "source": item.id, "micros": str(item.micros)}
        for item in pool.adjustments
    ]
    rows += [
        {"row": item.kind, "reason": item.note, "source": item.term, "micros": str(item.micros)}
        for item in pool.deductions
    ]
    rows += [{"row": "net", "micros": str(pool.net_micros)}, {"row": "carried", "micros": str(pool.carried_micros)}]
    if (sent := pool.converted) is not None:
        about = f"{sent.rate} of {sent.date}, {sent.source}"
        rows.append({"row": "converted", "reason": about, "currency": sent.currency, "micros": str(sent.micros)})
    rows += [
        {
            "row": f"{item.kind} left",
            "reason": item.note,
            "source": item.term,
            "micros": str(item.closing_micros),
        }
        for item in pool.beside
    ]
    rows += [
        {
            "row": "earning",
            "track": item.track,
            "track_title": item.track_title,
            "source": item.source,
            "source_title": item.source_title,
            "aspect": item.aspect,
            "basis": item.basis,
            "ppm": _optional(item.ppm),
            "low_ppm": _optional(item.low_ppm),
            "high_ppm": _optional(item.high_ppm),
            "aspect_ppm": str(item.aspect_ppm),
            "share": _optional(item.share),
            "units": str(item.units),
            "late_units": str(item.late_units),
            "unit_value": pool.unit_value,
            "micros": str(item.micros),
        }
        for item in pool.earnings
    ]
    rows += [
        {
            "row": "streams",
            "source": item.source,
            "reason": item.platform,
            "units": str(item.count),
            "micros": "0",
        }
        for item in pool.streams
    ]
    rows += [
        {
            "row": item.state,
            "source": item.subject,
            "reason": item.reason,
            "micros": str(item.micros),
        }
        for item in pool.waiting
    ]
    return rows


def _optional(number: int | None) -> str:
    return "" if number is None else str(number)


def as_html(statement: Statement) -> str:
    """Return a self-contained printable page without scripts. Everything in it is escaped."""
    return _template().render(
        s=statement,
        money=money,
        influence=influence,
        about=about,
        bars=bars,
        headline=headline,
        steps=next_steps,
        cents=account_cents,
        own_share=own_share,
        places=places,
        formula=formula,
        percent=exact_percent,
        hundredths=cents,
        amounts=lambda pool: cents_together([earning.micros for earning in pool.earnings]),
        name=NAMES.__getitem__,
        figure=FIGURES,
        platform=in_words,
        bundle=bundle_name(statement),
        nothing=NOTHING,
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("payouts"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("statement.html")


def bars(pool: PoolStatement) -> list[dict[str, str | int]]:
    """The chart's bars: `width` of at most WIDEST, a source by its name with its `id` beside it."""
    titles = {earning.source: earning.source_title for earning in pool.earnings}
    sources = top_sources(pool)
    widest = max(micros for _, micros in sources)
    return [
        {
            "name": titles.get(source) or source,
            "id": source if titles.get(source) else "",
            "width": max(1, WIDEST * micros // widest),
            "amount": cents(micros),
        }
        for source, micros in sources
    ]


def top_sources(pool: PoolStatement) -> list[tuple[str, int]]:
    """Return the sources that earned most, over all tracks; the others as one."""
    sums: dict[str, int] = defaultdict(int)
    for earning in pool.earnings:
        sums[earning.source] += earning.micros
    ordered = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    remainder = sum(micros for _, micros in ordered[BARS:])
    return ordered[:BARS] + ([(f"{len(ordered) - BARS} others", remainder)] if remainder else [])


def influence(one: Earning) -> str:
    """Return a source's part of a track, with its interval if it was estimated."""
    if one.low_ppm is None or one.high_ppm is None:
        return NOTHING
    if one.ppm is None:
        return f"{interval(one.low_ppm, one.high_ppm)} %"
    return with_interval(exact_percent(one.ppm), one.low_ppm, one.high_ppm)


def about(one: Waiting) -> str:
    """Return what money waits for: the recording, work or track by name, and the right in it."""
    kind, colon, subject = one.subject.partition(":")
    if one.state != "suspense" or not colon:
        return one.subject or NOTHING
    named = f"{one.title} ({subject})" if one.title else subject
    return f"{named}, {kind} right" if kind in ("master", "publishing") else f"{kind} {named}"


def bundle_name(statement: Statement) -> str:
    """Return the name of the proof file in the advice on how to check a statement."""
    return f"{statement.party}-{statement.period}.bundle"
