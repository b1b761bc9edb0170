"""A run as double entry, for the bookkeeper's own tools: plain text in beancount's syntax.

Every posting has six decimals and every balance says `~ 0`, because tolerances are inferred from decimals
and would hide a micro-unit. Parties stand under digests of their ids: account names have rules of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from ledger import canon
from ledger.types import Period
from payouts.account import Account
from payouts.compute import Outcome

CONTRA: Final = {
    "adjustment": "Expenses:Adjustments",
    "release": "Liabilities:Held",
    "returned": "Liabilities:Returned",
    "reversal": "Equity:Reversed",
}
"""Where the other leg of each kind of correction stands."""

_FIXED: Final = (
    "Expenses:Royalties", "Liabilities:Held", "Liabilities:Suspense", "Liabilities:Unattributed", "Liabilities:Reserve",
    "Liabilities:Returned", "Liabilities:Payable", "Expenses:Adjustments", "Equity:Opening", "Equity:Reversed",
    "Assets:Bank",
)  # fmt: skip

Posting = tuple[str, int]


def holder(party: str) -> str:
    """The account of a party."""
    return f"Liabilities:Holders:H{canon.digest(party.encode())[:16]}"


def journal(
    *,
    period: str,
    pool: str,
    run: str,
    currency: str,
    outcome: Outcome,
    accounts: Sequence[Account],
    paid: Mapping[str, int],
) -> str:
    """One published run from opening balances to what is carried; `paid` is what was handed to a route, by party."""
    ends = Period.parse(period).end.date()
    lines = [f"; period {period}, pool {pool}, run {run}"]
    lines += [f"{ends} open {name} {currency}" for name in (*_FIXED, *(holder(one.party) for one in accounts))]
    for said, postings in _transactions(outcome, accounts, paid):
        lines += _transaction(ends, said, postings, currency)
    settled = ends + timedelta(days=1)
    lines += [
        f"; {one.party}\n{settled} balance {holder(one.party)} {_amount(-one.carried)} ~ 0 {currency}"
        for one in accounts
    ]
    due = sum(one.payable for one in accounts) - sum(paid.values())
    lines.append(f"{settled} balance Liabilities:Payable {_amount(-due)} ~ 0 {currency}")
    return "\n".join(lines) + "\n"


def _transactions(
    outcome: Outcome, accounts: Sequence[Account], paid: Mapping[str, int]
) -> Iterator[tuple[str, list[Posting]]]:
    opening = [(holder(one.party), -one.opening) for one in accounts]
    yield "Balances carried from the run before", _balanced("Equity:Opening", opening)
    kept = [
        ("Liabilities:Held", -outcome.held), ("Liabilities:Suspense", -outcome.suspense),
        ("Liabilities:Unattributed", -outcome.unattributed), ("Liabilities:Reserve", -outcome.reserve),
    ]  # fmt: skip
    earned = [(holder(one.party), -one.earned) for one in accounts]
    yield "The pool, divided", [("Expenses:Royalties", outcome.pool), *earned, *kept]
    for one in accounts:
        for correction in one.corrections:
            legs = [(holder(one.party), -correction.micros)]
            yield f"{correction.kind.capitalize()} {correction.id}", _balanced(CONTRA[correction.kind], legs)
    due = [(holder(one.party), one.payable) for one in accounts]
    yield "Published: to be paid", _balanced("Liabilities:Payable", due)
    yield "Handed over for payment", [("Liabilities:Payable", sum(paid.values())), ("Assets:Bank", -sum(paid.values()))]


def _balanced(contra: str, postings: Iterable[Posting]) -> list[Posting]:
    legs = list(postings)
    return [(contra, -sum(micros for _, micros in legs)), *legs]


def _transaction(day: date, said: str, postings: Sequence[Posting], currency: str) -> list[str]:
    """One transaction; nothing at all where every leg is zero."""
    legs = [(name, micros) for name, micros in postings if micros]
    if not legs:
        return []
    quoted = said.replace("\\", "").replace('"', "'")
    return [f'{day} * "{quoted}"', *(f"  {name}  {_amount(micros)} {currency}" for name, micros in legs)]


def _amount(micros: int) -> str:
    sign, magnitude = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}{magnitude // 1_000_000}.{magnitude % 1_000_000:06d}"
