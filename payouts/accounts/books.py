"""The books of several months as one journal: opening balances once, each run in its month, payments on their days.

Balances are opened once: a run that follows another one in the books continues its balances. The balance of every
party's accounts at each month's end is stated, for the accounting program to check.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from payouts.accounts.account import Account
from payouts.accounts.journal import (
    BANK,
    FX,
    PAYABLE,
    JournalEntry,
    Posting,
    advanced,
    amount,
    balance_line,
    balances,
    entry_lines,
    holder,
    kept,
    last_day,
    opening_entry,
    payment_entry,
    quoted,
    run_entries,
    sent,
    used,
)
from payouts.accounts.payment import cell
from payouts.compute import Outcome

REVERSED, RETURNED, SUSPENSE = "Equity:Reversed", "Liabilities:Returned", "Liabilities:Suspense"
COLUMNS: Final = (
    "date",
    "entry",
    "narration",
    "account",
    "party",
    "name",
    "amount",
    "currency",
    "period",
    "pool",
    "run",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedRun:
    """A published run, as input of the books.

    `paid`: the day on which each party's payment left, if it did. `carried`: the part of its pool that the run before
    left unattributed. `gives_up`: the month in which its suspense is given up, and the receiver.
    """

    period: str
    pool: str
    run: str
    follows: str | None
    currency: str
    outcome: Outcome
    accounts: Sequence[Account]
    paid: Mapping[str, date] = field(default_factory=dict)
    carried: int = 0
    gives_up: tuple[str, str] = ("", "")
    restated: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By restatement that this run books: what it adds to the parts of the earlier pool that no holder has."""


@dataclass(frozen=True, slots=True)
class BookEntry:
    """A transaction and the run it belongs to."""

    entry: JournalEntry
    run: BookedRun


def book_entries(runs: Sequence[BookedRun], undone: Sequence[BookedRun] = ()) -> list[BookEntry]:
    """Return every transaction of these runs, by day; `undone`: reversed runs, of which only payments are booked."""
    if not runs:
        return []
    included = {run.run: run for run in runs}
    last = max(run.period for run in runs)
    entries: list[BookEntry] = []
    for run in runs:
        ends = last_day(run.period)
        if run.follows not in included:
            entries.append(BookEntry(opening_entry(ends.replace(day=1), run.currency, run.accounts), run))
        posted = run_entries(ends, run.currency, run.outcome, run.accounts, carried=run.carried)
        entries += [BookEntry(entry, run) for entry in posted]
        entries += [BookEntry(entry, run) for entry in _came_back(ends, run, included)]
        entries += [BookEntry(entry, run) for entry in _restatements(ends, run)]
        entries += [BookEntry(entry, run) for entry in _payments(run)]
        due, to = run.gives_up
        if due and due <= last and run.outcome.suspense:
            postings = _pair(SUSPENSE, f"Liabilities:GivenUp:{to.capitalize()}", run.outcome.suspense, run.currency)
            entries.append(BookEntry(JournalEntry(last_day(due), "Suspense given up", postings), run))
    for run in undone:
        entries += [BookEntry(entry, run) for entry in _paid_and_undone(run)]
    return sorted(
        (booked for booked in entries if any(micros for _, micros, _ in booked.entry.postings)),
        key=lambda booked: booked.entry.day,
    )


def _payments(run: BookedRun) -> Iterator[JournalEntry]:
    """Return the amounts handed over on each day, in each currency."""
    sums: dict[tuple[date, str], int] = defaultdict(int)
    for account in run.accounts:
        if account.party in run.paid:
            unit, micros = sent(account, run.currency)
            sums[run.paid[account.party], unit] += micros
    for (day, unit), micros in sorted(sums.items()):
        yield payment_entry(day, unit, micros)


def _restatements(day: date, run: BookedRun) -> Iterator[JournalEntry]:
    """Return the bookings of a restatement: holders' amounts come from other parts of the pool and are no expense."""
    for name, moved in run.restated.items():
        booked = sum(
            correction.micros
            for account in run.accounts
            for correction in account.corrections
            if correction.id.rpartition(".")[0] == name
        )
        held = -booked - sum(moved.values())
        parts = [
            ("Expenses:Adjustments" if part == "award" else f"Liabilities:{part.capitalize()}", -micros)
            for part, micros in sorted(moved.items())
        ]
        legs = [*parts, ("Liabilities:Held", -held), ("Expenses:Adjustments", -booked)]
        yield JournalEntry(day, f"Restated: {name}", tuple((account, micros, run.currency) for account, micros in legs))


def _came_back(day: date, run: BookedRun, included: Mapping[str, BookedRun]) -> Iterator[JournalEntry]:
    """Return payments of earlier runs that this run owes again: they are neither paid nor converted any more."""
    for account in run.accounts:
        for correction in account.corrections:
            origin = included.get(correction.run)
            if correction.kind != "returned" or origin is None:
                continue
            earlier = next((candidate for candidate in origin.accounts if candidate.party == account.party), None)
            if earlier is None:
                continue
            unit, micros = sent(earlier, origin.currency)
            postings = _through_fx(PAYABLE, RETURNED, (unit, micros), (origin.currency, earlier.payable))
            yield JournalEntry(day, f"Came back: {correction.id}", postings)


def _paid_and_undone(run: BookedRun) -> Iterator[JournalEntry]:
    """Return the payments of a reversed run, in the account in which the next run books them back."""
    for account in run.accounts:
        if account.party in run.paid:
            postings = tuple(
                (name, -micros, unit)
                for name, micros, unit in _through_fx(
                    BANK, REVERSED, sent(account, run.currency), (run.currency, account.payable)
                )
            )
            yield JournalEntry(run.paid[account.party], f"Paid by a run that was reversed: {run.run[:16]}", postings)


def _through_fx(first: str, second: str, paid: tuple[str, int], own: tuple[str, int]) -> tuple[Posting, ...]:
    """Add `paid` to the first account and take `own` off the second; different currencies go through Equity:FX."""
    (unit, micros), (currency, amount_) = paid, own
    if unit == currency:
        return _pair(first, second, amount_, currency)
    return (*_pair(first, FX, micros, unit), *_pair(FX, second, amount_, currency))


def _pair(first: str, second: str, micros: int, unit: str) -> tuple[Posting, Posting]:
    return (first, micros, unit), (second, -micros, unit)


# --- what the accounts must hold ----------------------------------------------------------------


def _month_ends(runs: Sequence[BookedRun]) -> Iterator[tuple[date, dict[tuple[str, str], int]]]:
    """Return for each month with a run: the day after it, and the balance of every party's accounts in all pools."""
    latest: dict[tuple[str, str], BookedRun] = {}
    for period in sorted({run.period for run in runs}):
        latest |= {(run.pool, run.currency): run for run in runs if run.period == period}
        holding: dict[tuple[str, str], int] = defaultdict(int)
        for run in latest.values():
            for _, name, micros in balances(run.accounts):
                holding[name, run.currency] += micros
        yield last_day(period) + timedelta(days=1), holding


def payable_left(runs: Sequence[BookedRun]) -> dict[str, int]:
    """Return by currency the published amounts that are neither handed over nor owed again by another run."""
    booked_again = {
        (correction.run, account.party)
        for run in runs
        for account in run.accounts
        for correction in account.corrections
        if correction.kind == "returned"
    }
    left: dict[str, int] = defaultdict(int)
    for run in runs:
        for account in run.accounts:
            if account.party not in run.paid and (run.run, account.party) not in booked_again:
                unit, micros = sent(account, run.currency)
                left[unit] += micros
    return {unit: micros for unit, micros in sorted(left.items()) if micros}


# --- as files -----------------------------------------------------------------------------------


def beancount(runs: Sequence[BookedRun], entries: Sequence[BookEntry], names: Mapping[str, str]) -> str:
    """Return the books in beancount's syntax, with every party's id and name beside its accounts."""
    accounts = used((booked.entry for booked in entries), {})
    owners = _owners(runs)
    first = min((booked.entry.day for booked in entries), default=last_day("2000-01"))
    lines = ['option "title" "Royalties"', 'option "inferred_tolerance_default" "*:0"']
    for name, units in sorted(accounts.items()):
        lines.append(f"{first} open {name} {','.join(sorted(units))}")
        if name in owners:
            lines.append(f'  party: "{quoted(owners[name])}"')
            lines.append(f'  name: "{quoted(names.get(owners[name], ""))}"')
    for booked in entries:
        head, *postings = entry_lines(booked.entry)
        run = booked.run
        lines += [head, f'  period: "{run.period}"', f'  pool: "{run.pool}"', f'  run: "{run.run}"', *postings]
    for day, holding in _month_ends(runs):
        lines += [
            balance_line(day, name, micros, unit)
            for (name, unit), micros in sorted(holding.items())
            if unit in accounts.get(name, ())
        ]
    end = max((booked.entry.day for booked in entries), default=first) + timedelta(days=1)
    left = payable_left(runs)
    lines += [balance_line(end, PAYABLE, -left.get(unit, 0), unit) for unit in sorted(accounts.get(PAYABLE, ()))]
    return "\n".join(lines) + "\n"


def spreadsheet(entries: Iterable[BookEntry], runs: Sequence[BookedRun], names: Mapping[str, str]) -> bytes:
    """Return the books as CSV (RFC 4180, UTF-8, CRLF): one row per posting; `entry` numbers the transactions."""
    owners = _owners(runs)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for number, booked in enumerate(entries, 1):
        entry, run = booked.entry, booked.run
        for name, micros, unit in entry.postings:
            if micros:
                party = owners.get(name, "")
                texts = (
                    str(entry.day),
                    str(number),
                    entry.narration,
                    name,
                    party,
                    names.get(party, ""),
                    "",
                    unit,
                    run.period,
                    run.pool,
                    run.run,
                )
                row = [cell(text) for text in texts]
                # A negative amount is a number, not a formula.
                row[COLUMNS.index("amount")] = amount(micros)
                writer.writerow(row)
    return out.getvalue().encode()


def _owners(runs: Sequence[BookedRun]) -> dict[str, str]:
    """Return the names of the accounts' parties."""
    parties = {account.party for run in runs for account in run.accounts}
    return {name(party): party for party in parties for name in (holder, kept, advanced)}
