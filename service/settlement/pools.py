"""The pools of one period: an event counts in at most one, so no two published ones may take the same streams."""

from __future__ import annotations

from itertools import combinations

from ledger.errors import ConflictError
from ledger.log import Log
from ledger.types import Digest
from payouts.life.book import Book
from payouts.rules.base import Rule
from payouts.terms import Terms
from service.settlement.runs import Stored, load


def check_apart(log: Log, book: Book, run: Digest, terms: Terms, rule: Rule) -> None:
    """Refuse a pool that may take streams another published pool of its period takes; one published before stays."""
    if run in book.published or not _takes_streams(terms, rule):
        return
    for other in _published(log, book, terms.period):
        apart = other.record.pool == terms.pool or not terms.overlaps(other.terms)
        if not apart and _takes_streams(other.terms, other.rule):
            raise ConflictError(
                f"pool {terms.pool} of {terms.period} may count streams that pool {other.record.pool} counts, published"
                f" as run {other.record.run[:16]} ({_said(other.terms)}); an event counts in at most one pool: give it "
                "other sources, products or territories (--param products=free), or have that run reversed"
            )


def overlapping(log: Log, book: Book, period: str) -> tuple[tuple[str, str], ...]:
    """The pairs of published pools of a period that may count the same streams; none where `check_apart` was asked."""
    taking = [stored for stored in _published(log, book, period) if _takes_streams(stored.terms, stored.rule)]
    return tuple(
        (one.record.pool, other.record.pool)
        for one, other in combinations(taking, 2)
        if one.terms.overlaps(other.terms)
    )


def _published(log: Log, book: Book, period: str) -> list[Stored]:
    """The runs of a period that stand."""
    return [load(log, run) for run in book.standing() if run.period == period]


def _takes_streams(terms: Terms, rule: Rule) -> bool:
    """A training set's pool of a given amount is shared whatever was played; any other counts streams."""
    return terms.price_micros is not None or rule.training_set() is None


def _said(terms: Terms) -> str:
    criteria = ((name, getattr(terms, name)) for name in ("sources", "products", "territories"))
    return ", ".join(f"{name}={'|'.join(wanted)}" for name, wanted in criteria if wanted) or "all streams"
