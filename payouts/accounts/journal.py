"""Write a run as double entry in beancount's syntax: postings and their accounts.

Every posting has six decimals and every balance says `~ 0`, because beancount infers tolerances from decimals and would
hide a micro-unit. Accounts are named by digests of party ids, because beancount restricts account names. A conversion
is a pair of postings in each currency through `Equity:FX`, so that each currency balances alone; the remainder of
rounding to whole coins is booked as income. An advance was paid earlier, outside of Settle, so its other leg is booked
to a clearing account until the bookkeeper posts the payment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from ledger.proofs import canon
from ledger.types import Period
from payouts.accounts.account import Account
from payouts.accounts.clauses import Withholding
from payouts.accounts.deductions import Converted, DeductionStep
from payouts.compute import Outcome

CONTRA: Final = {
    "adjustment": "Expenses:Adjustments",
    "release": "Liabilities:Held",
    "returned": "Liabilities:Returned",
    "reversal": "Equity:Reversed",
    "instalment": "Assets:Bank",
}
"""Where the other leg of each kind of correction stands."""

FIXED: Final = (
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
ADVANCED, ROUNDING = "Assets:Clearing:Advances", "Income:Currency:Rounding"

Posting = tuple[str, int, str]
"""Account, micros, currency."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One transaction; in each currency its postings sum to zero."""

    day: date
    narration: str
    postings: tuple[Posting, ...]


def holder(party: str) -> str:
    """Return the account of a party."""
    return f"Liabilities:Holders:{_short(party)}"


def kept(party: str) -> str:
    """Return the account of a party's reserve."""
    return f"Liabilities:Reserves:{_short(party)}"


def advanced(party: str) -> str:
    """Return the account of a party's unrecouped advances."""
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
    """Return the transactions of one published run, from opening to carried; `paid`: the payees handed over."""
    ends = last_day(period)
    entries = [
        opening_entry(ends, currency, accounts),
        *run_entries(ends, currency, outcome, accounts),
        *(payment_entry(ends, unit, micros) for unit, micros in _handed(currency, accounts, paid)),
    ]
    lines = [f"; period {period}, pool {pool}, run {run}"]
    always = dict.fromkeys((*FIXED, *(holder(account.party) for account in accounts)), currency)
    opened = used(entries, always)
    lines += [f"{ends} open {name} {','.join(sorted(units))}" for name, units in opened.items()]
    for entry in entries:
        lines += entry_lines(entry)
    settled = ends + timedelta(days=1)
    lines += [
        f"; {party}\n{balance_line(settled, name, micros, currency)}"
        for party, name, micros in balances(accounts)
        if name in opened
    ]
    for unit, micros in sorted(_due(currency, accounts, paid).items()):
        lines.append(balance_line(settled, PAYABLE, -micros, unit))
    return "\n".join(lines) + "\n"


def last_day(period: str) -> date:
    """Return the day on which a month's run is posted."""
    return Period.parse(period).end.date() - timedelta(days=1)


def used(entries: Iterable[JournalEntry], always: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the accounts with postings and their currencies; `always`: accounts that are opened in any case."""
    accounts: dict[str, set[str]] = {name: {currency} for name, currency in always.items()}
    for entry in entries:
        for name, micros, unit in entry.postings:
            if micros:
                accounts.setdefault(name, set()).add(unit)
    return accounts


def balances(accounts: Sequence[Account]) -> Iterator[tuple[str, str, int]]:
    """Return the balance of every party's account after a run: party, account, micros."""
    for account in accounts:
        yield account.party, holder(account.party), -account.carried
        yield account.party, kept(account.party), -account.deductions.left("reserve")
        yield account.party, advanced(account.party), account.deductions.left("advance")


def _due(currency: str, accounts: Sequence[Account], paid: Collection[str]) -> Mapping[str, int]:
    """Return the amounts still to be paid, by currency."""
    due: dict[str, int] = defaultdict(int, {currency: 0})
    for account in accounts:
        unit, micros = sent(account, currency)
        due[unit] += 0 if account.party in paid else micros
    return due


def _handed(currency: str, accounts: Sequence[Account], paid: Collection[str]) -> list[tuple[str, int]]:
    handed: dict[str, int] = defaultdict(int)
    for account in accounts:
        if account.party in paid:
            unit, micros = sent(account, currency)
            handed[unit] += micros
    return sorted(handed.items())


def sent(account: Account, currency: str) -> tuple[str, int]:
    """Return the currency and the micro-units in which an account is paid."""
    converted = account.converted
    return (currency, account.payable) if converted is None else (converted.currency, converted.micros)


def _legs(currency: str, postings: Iterable[tuple[str, int]]) -> tuple[Posting, ...]:
    return tuple((name, micros, currency) for name, micros in postings)


def opening_entry(day: date, currency: str, accounts: Sequence[Account]) -> JournalEntry:
    """Return the balances that a run took from a run outside the books."""
    opening = [(holder(account.party), -account.opening) for account in accounts]
    for account in accounts:
        for balance in account.deductions.before:
            reserve = balance.kind == "reserve"
            name = kept(account.party) if reserve else advanced(account.party)
            opening.append((name, -balance.micros if reserve else balance.micros))
    return JournalEntry(
        day, "Balances carried from the run before", _legs(currency, _balanced("Equity:Opening", opening))
    )


def run_entries(
    day: date, currency: str, outcome: Outcome, accounts: Sequence[Account], *, carried: int = 0
) -> Iterator[JournalEntry]:
    """Return a run's transactions from its pool to payable. `carried`: the part left unattributed by the run before."""
    remains = (
        ("Liabilities:Held", -outcome.held),
        ("Liabilities:Suspense", -outcome.suspense),
        ("Liabilities:Unattributed", carried - outcome.unattributed),
        ("Liabilities:Reserve", -outcome.reserve),
    )
    earned = [(holder(account.party), -account.earned) for account in accounts]
    pool = ("Expenses:Royalties", outcome.pool - carried)
    yield JournalEntry(day, "The pool, divided", _legs(currency, (pool, *earned, *remains)))
    for account in accounts:
        for correction in account.corrections:
            narration = f"{correction.kind.capitalize()} {correction.id}"
            legs = _balanced(CONTRA[correction.kind], [(holder(account.party), -correction.micros)])
            yield JournalEntry(day, narration, _legs(currency, legs))
        for deduction in account.deductions.entries:
            narration = f"{deduction.kind.capitalize()} {deduction.term}"
            yield JournalEntry(day, narration, _legs(currency, _deduction(account, deduction)))
    due = [(holder(account.party), account.payable) for account in accounts if account.converted is None]
    yield JournalEntry(day, "Published: to be paid", _legs(currency, _balanced(PAYABLE, due)))
    for account in accounts:
        if account.converted is not None:
            yield _conversion(day, currency, account.party, account.payable, account.converted)


def _conversion(day: date, currency: str, party: str, payable: int, converted: Converted) -> JournalEntry:
    unit = converted.currency
    narration = f"Published: to be paid in {unit} at {converted.rate} of {converted.date}, {converted.source}"
    own = _legs(currency, ((holder(party), payable), (FX, -payable)))
    rounding = ((ROUNDING, -converted.rounding), (PAYABLE, -converted.micros))
    return JournalEntry(day, narration, (*own, *_legs(unit, ((FX, converted.micros + converted.rounding), *rounding))))


def payment_entry(day: date, unit: str, micros: int) -> JournalEntry:
    """Return the transaction of payments handed to a route."""
    return JournalEntry(day, "Handed over for payment", ((PAYABLE, micros, unit), (BANK, -micros, unit)))


def _deduction(one: Account, entry: DeductionStep) -> list[tuple[str, int]]:
    """Return both legs of a deduction; an entry has the party's sign, a liability the opposite sign."""
    match entry.kind:
        case "advance" | "given-up":
            return _balanced(ADVANCED if entry.kind == "advance" else GIVEN_UP, [(advanced(one.party), entry.micros)])
        case "reserve" | "released":
            contra = kept(one.party)
        case "recouped":
            contra = advanced(one.party)
        case "tax":
            clause = next(agreed.clause for agreed in one.deductions.agreed if agreed.id == entry.term)
            contra = f"Liabilities:Tax:WHT:{clause.territory if isinstance(clause, Withholding) else 'ZZ'}"
    return _balanced(contra, [(holder(one.party), -entry.micros)])


def _balanced(contra: str, postings: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    legs = list(postings)
    return [(contra, -sum(micros for _, micros in legs)), *legs]


def entry_lines(entry: JournalEntry) -> list[str]:
    """Return one transaction, or none if every leg is zero."""
    legs = [posting for posting in entry.postings if posting[1]]
    if not legs:
        return []
    postings = (f"  {name}  {amount(micros)} {unit}" for name, micros, unit in legs)
    return [f'{entry.day} * "{quoted(entry.narration)}"', *postings]


def balance_line(day: date, name: str, micros: int, unit: str) -> str:
    """Return the line that states the balance of an account at the start of a day."""
    return f"{day} balance {name} {amount(micros)} ~ 0 {unit}"


def quoted(text: str) -> str:
    """Escape a text for quotation marks."""
    return " ".join(text.replace("\\", "").replace('"', "'").split())


def amount(micros: int) -> str:
    """Format an amount with six decimals."""
    sign, magnitude = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}{magnitude // 1_000_000}.{magnitude % 1_000_000:06d}"
