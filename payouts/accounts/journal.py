"""A run as double entry, for the bookkeeper's own tools: plain text in beancount's syntax.

Every posting has six decimals and every balance says `~ 0`, because tolerances are inferred from decimals
and would hide a micro-unit. Parties stand under digests of their ids: account names have rules of their own.
A conversion is a pair of postings in each currency through `Equity:FX`, so that each currency balances alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from ledger.proofs import canon
from ledger.types import Period
from payouts.accounts.account import Account
from payouts.accounts.clauses import Withholding
from payouts.accounts.deductions import DeductionStep
from payouts.compute import Outcome

CONTRA: Final = {
    "adjustment": "Expenses:Adjustments",
    "release": "Liabilities:Held",
    "returned": "Liabilities:Returned",
    "reversal": "Equity:Reversed",
}
"""Where the other leg of each kind of correction stands."""

_FIXED: Final = (
    "Expenses:Royalties",
    "Liabilities:Held",
    "Liabilities:Suspense",
    "Liabilities:Unattributed",
    "Liabilities:Reserve",
    "Liabilities:Returned",
    "Liabilities:Payable",
    "Expenses:Adjustments",
    "Equity:Opening",
    "Equity:Reversed",
    "Assets:Bank",
)
BANK, PAYABLE, FX, GIVEN_UP = "Assets:Bank", "Liabilities:Payable", "Equity:FX", "Expenses:Advances"

Posting = tuple[str, int, str]
"""Account, micros, currency."""


def holder(party: str) -> str:
    """The account of a party."""
    return f"Liabilities:Holders:{_short(party)}"


def kept(party: str) -> str:
    """A party's reserve."""
    return f"Liabilities:Reserves:{_short(party)}"


def advanced(party: str) -> str:
    """What is left of a party's advances."""
    return f"Assets:Advances:{_short(party)}"


def _short(party: str) -> str:
    return f"H{canon.digest(party.encode())[:16]}"


def journal(
    *,
    period: str,
    pool: str,
    run: str,
    currency: str,
    outcome: Outcome,
    accounts: Sequence[Account],
    paid: Collection[str],
) -> str:
    """One published run from opening balances to what is carried; `paid`: whose payment was handed to a route."""
    ends = Period.parse(period).end.date()
    transactions = list(_transactions(currency, outcome, accounts, paid))
    used: dict[str, set[str]] = {name: {currency} for name in (*_FIXED, *(holder(one.party) for one in accounts))}
    for _, postings in transactions:
        for name, micros, unit in postings:
            if micros:
                used.setdefault(name, set()).add(unit)
    lines = [f"; period {period}, pool {pool}, run {run}"]
    lines += [f"{ends} open {name} {','.join(sorted(units))}" for name, units in used.items()]
    for said, postings in transactions:
        lines += _transaction(ends, said, postings)
    settled = ends + timedelta(days=1)
    lines += [
        f"; {party}\n{settled} balance {name} {_amount(micros)} ~ 0 {currency}"
        for party, name, micros in _balances(accounts)
        if name in used
    ]
    for unit, micros in sorted(_due(currency, accounts, paid).items()):
        lines.append(f"{settled} balance {PAYABLE} {_amount(-micros)} ~ 0 {unit}")
    return "\n".join(lines) + "\n"


def _balances(accounts: Sequence[Account]) -> Iterator[tuple[str, str, int]]:
    """What every account of a party must hold at the end: party, account, micros."""
    for one in accounts:
        yield one.party, holder(one.party), -one.carried
        yield one.party, kept(one.party), -one.deductions.left("reserve")
        yield one.party, advanced(one.party), one.deductions.left("advance")


def _due(currency: str, accounts: Sequence[Account], paid: Collection[str]) -> Mapping[str, int]:
    """What is still to be paid, by currency."""
    due: dict[str, int] = defaultdict(int, {currency: 0})
    for one in accounts:
        unit, micros = _sent(one, currency)
        due[unit] += 0 if one.party in paid else micros
    return due


def _sent(one: Account, currency: str) -> tuple[str, int]:
    return (currency, one.payable) if one.converted is None else (one.converted.currency, one.converted.micros)


def _transactions(
    currency: str, outcome: Outcome, accounts: Sequence[Account], paid: Collection[str]
) -> Iterator[tuple[str, list[Posting]]]:
    def legs(*postings: tuple[str, int]) -> list[Posting]:
        return [(name, micros, currency) for name, micros in postings]

    opening = [(holder(one.party), -one.opening) for one in accounts]
    for one in accounts:
        for beside in one.deductions.before:
            reserve = beside.kind == "reserve"
            opening.append((kept(one.party), -beside.micros) if reserve else (advanced(one.party), beside.micros))
    yield "Balances carried from the run before", legs(*_balanced("Equity:Opening", opening))
    remains = (
        ("Liabilities:Held", -outcome.held),
        ("Liabilities:Suspense", -outcome.suspense),
        ("Liabilities:Unattributed", -outcome.unattributed),
        ("Liabilities:Reserve", -outcome.reserve),
    )
    earned = [(holder(one.party), -one.earned) for one in accounts]
    yield "The pool, divided", legs(("Expenses:Royalties", outcome.pool), *earned, *remains)
    for one in accounts:
        for correction in one.corrections:
            said = f"{correction.kind.capitalize()} {correction.id}"
            yield said, legs(*_balanced(CONTRA[correction.kind], [(holder(one.party), -correction.micros)]))
        for entry in one.deductions.entries:
            yield f"{entry.kind.capitalize()} {entry.term}", legs(*_deduction(one, entry))
    due = [(holder(one.party), one.payable) for one in accounts if one.converted is None]
    yield "Published: to be paid", legs(*_balanced(PAYABLE, due))
    for one in accounts:
        if one.converted is not None:
            unit, micros = _sent(one, currency)
            said = f"Published: to be paid in {unit} at {one.converted.rate} of {one.converted.date}"
            own = legs((holder(one.party), one.payable), (FX, -one.payable))
            yield f"{said}, {one.converted.source}", [*own, (FX, micros, unit), (PAYABLE, -micros, unit)]
    handed: dict[str, int] = defaultdict(int)
    for one in accounts:
        if one.party in paid:
            unit, micros = _sent(one, currency)
            handed[unit] += micros
    for unit, micros in sorted(handed.items()):
        yield "Handed over for payment", [(PAYABLE, micros, unit), (BANK, -micros, unit)]


def _deduction(one: Account, entry: DeductionStep) -> list[tuple[str, int]]:
    """Both legs of a deduction; an entry is signed as the party sees it, a liability the other way round."""
    match entry.kind:
        case "advance" | "given-up":
            return _balanced(BANK if entry.kind == "advance" else GIVEN_UP, [(advanced(one.party), entry.micros)])
        case "reserve" | "released":
            contra = kept(one.party)
        case "recouped":
            contra = advanced(one.party)
        case "tax":
            clause = next(found.clause for found in one.deductions.agreed if found.id == entry.term)
            contra = f"Liabilities:Tax:WHT:{clause.territory if isinstance(clause, Withholding) else 'ZZ'}"
    return _balanced(contra, [(holder(one.party), -entry.micros)])


def _balanced(contra: str, postings: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    legs = list(postings)
    return [(contra, -sum(micros for _, micros in legs)), *legs]


def _transaction(day: date, said: str, postings: Sequence[Posting]) -> list[str]:
    """One transaction; nothing at all where every leg is zero."""
    legs = [one for one in postings if one[1]]
    if not legs:
        return []
    quoted = " ".join(said.replace("\\", "").replace('"', "'").split())
    return [f'{day} * "{quoted}"', *(f"  {name}  {_amount(micros)} {unit}" for name, micros, unit in legs)]


def _amount(micros: int) -> str:
    sign, magnitude = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}{magnitude // 1_000_000}.{magnitude % 1_000_000:06d}"
