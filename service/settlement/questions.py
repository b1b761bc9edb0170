"""Ask about unusual values before anybody signs: amounts, rates, terms, and shares that the pool does not pay.

Questions block nothing. The maker of a run or of terms reads them, and so does the second person.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from ledger.shown import counted, exact_percent, money
from ledger.types import MILLION, Digest
from payouts.accounts.clauses import Advance, Agreed, Rate, Reserve, Withholding
from payouts.compute import Outcome
from payouts.life.book import Book
from payouts.terms import Terms
from service.settlement.stored import last_published, load

if TYPE_CHECKING:
    from service.workspace import Workspace

POOL_RATIO_MAX: Final = 3
"""A pool that is so many times the last month's, or so small a part of it, is asked about."""
RATE_CHANGE_MAX: Final = Fraction(1, 10)
ADVANCE_RATIO_MAX: Final = 24
PAYING: Final = {"recording": "master", "composition": "publishing"}
"""The right that each paid aspect pays; style pays master shares of groups' members."""


def of_run(ws: Workspace, book: Book, run: Digest, terms: Terms, outcome: Outcome) -> tuple[str, ...]:
    """Return the questions about a run, stored or only computed."""
    return (
        *_another_state(ws, book, run, terms, outcome),
        *_unpaid_rights(ws, terms),
        *_other_amount(ws, book, terms, outcome),
    )


def of_terms(ws: Workspace, book: Book, agreed: Agreed) -> tuple[str, ...]:
    """Return the questions about terms or a rate, compared with earlier ones and with the party's earnings."""
    earlier = _earlier(book, agreed)
    match agreed.clause:
        case Rate() as rate:
            return tuple(_other_rate(rate, earlier))
        case Withholding(ppm=ppm) | Reserve(ppm=ppm):
            return tuple(_other_share(agreed, ppm, earlier))
        case Advance() as advance:
            return tuple(_large_advance(ws, book, advance))
        case _:
            return ()


def _another_state(ws: Workspace, book: Book, run: Digest, terms: Terms, outcome: Outcome) -> Iterator[str]:
    """Ask about a published month that is calculated again with later holds and terms."""
    for published in book.standing(terms.pool):
        if published.period == terms.period and published.run != run:
            published_outcome = load(ws.log, published).outcome
            yield (
                f"{terms.period}, pool {terms.pool}, is published as run {published.run[:16]}, which allocated "
                f"{money(published_outcome.allocated, terms.currency)}; this calculation shows what is known now, and "
                f"allocates {money(outcome.allocated, terms.currency)}"
            )


def _unpaid_rights(ws: Workspace, terms: Terms) -> Iterator[str]:
    """Ask about rights with confirmed shares that no aspect of the pool pays."""
    view = ws.registry.view()
    aspects = {aspect for aspect, _ in terms.aspects}
    paid = {PAYING.get(aspect, "master") for aspect in aspects}
    holders: dict[str, set[str]] = {}
    for (_, right), shares in view.shares_of.items():
        if right in PAYING.values() and right not in paid:
            holders.setdefault(right, set()).update(share.party for share in shares if share.state == "confirmed")
    for right, parties in sorted(holders.items()):
        if parties:
            aspect = next(name for name, pays in PAYING.items() if pays == right)
            yield (
                f"{counted(len(parties), 'party', 'parties')} with confirmed {right} shares, such as {min(parties)}, "
                f"get nothing from pool {terms.pool}: it pays {', '.join(sorted(aspects))}; to pay them, give {aspect} "
                "a part: --param aspects=recording:70%,composition:30%"
            )


def _other_amount(ws: Workspace, book: Book, terms: Terms, outcome: Outcome) -> Iterator[str]:
    last_run = last_published(ws.log, book, pool=terms.pool, currency=terms.currency, before=terms.period)
    if last_run is None:
        return
    pool = last_run.outcome.pool
    if outcome.pool > pool * POOL_RATIO_MAX or outcome.pool * POOL_RATIO_MAX < pool:
        yield (
            f"pool {terms.pool} is {money(outcome.pool, terms.currency)} in {terms.period} and was "
            f"{money(pool, terms.currency)} in {last_run.record.period}"
        )
    changed = [
        name
        for name in ("aspects", "unattributed", "reserve_ppm", "weight", "fallback", "error_max_ppm")
        if getattr(last_run.terms, name) != getattr(terms, name)
    ]
    if changed:
        yield f"pool {terms.pool} has other terms than in {last_run.record.period}: {', '.join(changed)}"


def _earlier(book: Book, agreed: Agreed) -> Agreed | None:
    """Return the last terms of the same kind before these; for a rate, that of an earlier month."""
    ended = book.lifted()
    candidates = [
        record.agreed
        for name, record in book.agreements.items()
        if name != agreed.id
        and name not in ended
        and book.approved(name)
        and record.agreed.slot == agreed.slot
        and record.agreed.period <= agreed.period
    ]
    return max(candidates, key=lambda known: known.period, default=None)


def _other_rate(rate: Rate, earlier: Agreed | None) -> Iterator[str]:
    if earlier is None or not isinstance(earlier.clause, Rate):
        return
    last_rate = earlier.clause.value
    change = abs(rate.value - last_rate) / last_rate
    if change > RATE_CHANGE_MAX:
        percent = exact_percent(min(int(change * MILLION), MILLION * 100))
        yield (
            f"one {rate.currency} is {rate.rate} {rate.to}, and was {earlier.clause.rate} in {earlier.period}: "
            f"{percent} off; is it the right way round?"
        )


def _other_share(agreed: Agreed, ppm: int, earlier: Agreed | None) -> Iterator[str]:
    if ppm > MILLION // 2:
        yield f"{agreed.party} would lose {exact_percent(ppm)} of its money to these terms"
    if earlier is not None and isinstance(earlier.clause, Withholding | Reserve) and earlier.clause.ppm != ppm:
        yield (
            f"{agreed.party}: {exact_percent(ppm)} from {agreed.period} on, and {exact_percent(earlier.clause.ppm)} "
            f"since {earlier.period}"
        )


def _large_advance(ws: Workspace, book: Book, advance: Advance) -> Iterator[str]:
    """Ask about an advance that two years of the party's last month would not recoup: perhaps a digit too many."""
    last_run = last_published(ws.log, book, pool=advance.pool, currency=advance.currency)
    if last_run is None:
        return
    account = last_run.accounts.get(advance.party)
    earned = 0 if account is None else account.earned
    if advance.micros > earned * ADVANCE_RATIO_MAX:
        yield (
            f"an advance of {money(advance.micros, advance.currency)} to {advance.party}, who earned "
            f"{money(earned, advance.currency)} in {last_run.record.period}"
        )
