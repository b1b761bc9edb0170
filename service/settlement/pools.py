"""Refuse a pool that would count streams of another pool of the same period."""

from __future__ import annotations

from itertools import combinations, product

from ledger.errors import ConflictError
from ledger.log.append import Log
from ledger.types import Digest
from payouts.life.book import Book
from payouts.life.mandates import Mandate
from payouts.rules.base import Rule
from payouts.rules.training import Training
from payouts.terms import Terms
from service.settlement.carrying import moved_on_account, paid_out, reversal
from service.settlement.stored import Stored, load


def check_apart(log: Log, book: Book, run: Digest, terms: Terms, rule: Rule) -> None:
    """Refuse a pool that may count streams of another pool of its period, or streams paid and not booked back.

    A pool that is published already is not refused.
    """
    if run in book.published or not _takes_streams(terms, rule.name):
        return
    for former in _published(log, book, terms.period):
        if former.record.pool != terms.pool and _meet(former, terms):
            raise ConflictError(
                f"pool {terms.pool} of {terms.period} may count streams that pool {former.record.pool} counts, "
                f"published as run {former.record.run[:16]} ({_said(former.terms)}); an event counts in at most "
                "one pool: give it other sources, products or territories (--param products=free), "
                "or have that run reversed"
            )
    for mandate in _paid_on_account(log, book, terms):
        raise ConflictError(
            f"pool {terms.pool} of {terms.period} in {terms.currency} may count streams that mandate {mandate.id} paid "
            f"for on account: run them as pool {mandate.pool} in {mandate.currency}, which takes that off, and limit "
            "other pools to other sources, products or territories (--param products=free)"
        )
    for former in _owed_back(log, book, terms.period):
        if not _books_back(terms, former) and _meet(former, terms):
            raise ConflictError(
                f"pool {terms.pool} of {terms.period} in {terms.currency} may count streams that run "
                f"{former.record.run[:16]} ({_said(former.terms)}) paid for; that run is reversed, and what it paid is "
                f"not booked back yet: run it again as pool {former.record.pool} in {former.currency}, which does so"
            )


def overlapping(log: Log, book: Book, period: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of pools of a period that may pay for the same streams; `check_apart` prevents them.

    Either both are in force, or the first was reversed after payments that the second does not book back, or the first
    is a mandate's, whose payments on account the second does not take off.
    """
    taking = [stored for stored in _published(log, book, period) if _takes_streams(stored.terms, stored.rule_name)]
    standing = [(first, second) for first, second in combinations(taking, 2) if first.terms.overlaps(second.terms)]
    repeated = [
        (paid, first)
        for paid, first in product(_owed_back(log, book, period), taking)
        if not _books_back(first.terms, paid) and _meet(paid, first.terms)
    ]
    early = [(mandate.pool, run.record.pool) for run in taking for mandate in _paid_on_account(log, book, run.terms)]
    return (*((first.record.pool, second.record.pool) for first, second in (*standing, *repeated)), *early)


def _published(log: Log, book: Book, period: str) -> list[Stored]:
    """Return the runs of a period that are in force."""
    return [load(log, run) for run in book.standing() if run.period == period]


def _paid_on_account(log: Log, book: Book, terms: Terms) -> list[Mandate]:
    """Return the mandates that paid for streams of these terms, and whose payments a run under them does not take."""
    return [
        mandate
        for mandate in book.mandates.beside(terms)
        if any(
            moved_on_account(log, book, book.mandates.of_month(mandate.pool, mandate.currency, terms.period)).values()
        )
    ]


def _owed_back(log: Log, book: Book, period: str) -> list[Stored]:
    """Return reversed runs of a period with payments that no run in force has booked back."""
    keys = [key for key in book.published if book.runs[key].period == period and book.reversed(key)]
    booked = {entry for run in book.standing() for entry in load(log, run).entries} if keys else set()
    waiting = [load(log, book.runs[key]) for key in keys if reversal(key) not in booked]
    return [stored for stored in waiting if paid_out(log, book, stored)]


def _books_back(terms: Terms, reversed_run: Stored) -> bool:
    """Return whether a run under these terms books back a reversed run's payments: same pool and currency."""
    return (terms.pool, terms.currency) == (reversed_run.record.pool, reversed_run.currency)


def _meet(stored: Stored, terms: Terms) -> bool:
    """Return whether a run may have counted streams that a pool counts under these terms."""
    return terms.overlaps(stored.terms) and _takes_streams(stored.terms, stored.rule_name)


def _takes_streams(terms: Terms, rule: str) -> bool:
    """A training set's pool of a given amount is shared whatever was played; any other counts streams.

    Decided by the rule's name, because the version of a published run's rule may not be installed.
    """
    return terms.price_micros is not None or rule != Training.name


def _said(terms: Terms) -> str:
    criteria = ((name, getattr(terms, name)) for name in ("sources", "products", "territories"))
    return ", ".join(f"{name}={'|'.join(values)}" for name, values in criteria if values) or "all streams"
