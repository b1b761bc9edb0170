"""Write the books of published months: one journal, withheld tax, remaining advances and reserves."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import InputError, StateError
from ledger.files import write_whole
from ledger.types import Period
from payouts.accounts.books import BookedRun, beancount, book_entries, spreadsheet
from payouts.accounts.clauses import Withholding
from payouts.accounts.deductions import later
from payouts.accounts.payment import cell
from payouts.life.book import Book
from payouts.money import format_amount
from service.settlement.carrying import parts_moved, transfers
from service.settlement.step import read_book
from service.settlement.stored import Stored, load

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRow:
    """Tax withheld from one party for one territory in one month, under which law."""

    territory: str
    party: str
    name: str
    period: str
    pool: str
    law: str
    rate_ppm: int
    withheld_micros: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxTotal:
    """The tax withheld from a party for a territory over all months."""

    territory: str
    party: str
    name: str
    withheld_micros: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideRow:
    """An advance or a reserve over the months: paid or kept, recouped or released, and the remainder."""

    kind: str
    term: str
    party: str
    name: str
    pool: str
    contract: str
    added_micros: int
    taken_micros: int
    given_up_micros: int
    left_micros: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksWritten:
    """The books of some months, and their files."""

    since: str
    until: str
    runs: int
    entries: int
    files: tuple[str, ...]
    tax: tuple[TaxTotal, ...]
    beside: tuple[BesideRow, ...]


def write_books(ws: Workspace, folder: Path, *, since: str | None = None, until: str | None = None) -> BooksWritten:
    """Write one journal over all published months, or a range of them, with its overviews."""
    for period in (since, until):
        if period is not None:
            Period.parse(period)
    if since is not None and until is not None and since > until:
        raise InputError(f"books from {since} to {until}: expected the earlier month first")
    book = read_book(ws)
    chosen = [
        load(ws.log, book.runs[run])
        for run in book.published
        if (since is None or book.runs[run].period >= since) and (until is None or book.runs[run].period <= until)
    ]
    standing = [stored for stored in chosen if not book.reversed(stored.record.run)]
    if not standing:
        raise StateError("no run of these months is published; there is nothing to book yet")
    runs = [_booked(ws, book, stored) for stored in standing]
    undone = [_booked(ws, book, stored) for stored in chosen if book.reversed(stored.record.run)]
    names = _names(ws, [*standing, *chosen])
    entries = book_entries(runs, undone)
    tax = list(_tax(standing, names))
    balances = _beside(standing, names)
    files = {
        "books.beancount": beancount(runs, entries, names).encode(),
        "books.csv": spreadsheet(entries, runs, names),
        "tax.csv": _table(TaxRow, tax),
        "beside.csv": _table(BesideRow, balances),
    }
    for name, data in files.items():
        write_whole(folder / name, data)
    return BooksWritten(
        since=min(run.period for run in runs),
        until=max(run.period for run in runs),
        runs=len(runs),
        entries=len(entries),
        files=tuple(str(folder / name) for name in files),
        tax=tuple(_tax_totals(tax)),
        beside=tuple(balances),
    )


def _booked(ws: Workspace, book: Book, stored: Stored) -> BookedRun:
    """A published run with the days on which its payments left."""
    record, terms = stored.record, stored.terms
    days = {batch.batch: date.fromisoformat(batch.at[:10]) for batch in book.batches.get(record.run, [])}
    paid = {
        party: days[transfer.attempts[-1].batch]
        for party, transfer in transfers(ws.log, book, stored).items()
        if transfer.moved
    }
    return BookedRun(
        period=record.period,
        pool=record.pool,
        run=record.run,
        follows=stored.follows,
        currency=stored.currency,
        outcome=stored.outcome,
        accounts=tuple(stored.accounts.values()),
        paid=paid,
        carried=int(stored.payload["inputs"].get("carried_micros", 0)),
        gives_up=(later(record.period, terms.suspense_months), terms.suspense_to),
        restated={
            restate.id: parts_moved(ws.log, book, restate)
            for restate in book.restates.values()
            if f"{restate.id}.0" in stored.entries
        },
    )


def _names(ws: Workspace, runs: Iterable[Stored]) -> dict[str, str]:
    parties = {party for stored in runs for party in stored.accounts}
    return {party: str(ws.registry.personal("party", party).get("name", "")) for party in sorted(parties)}


def _tax(runs: Sequence[Stored], names: dict[str, str]) -> Iterator[TaxRow]:
    """Return every withholding, by territory, party and month."""
    rows = []
    for stored in runs:
        for account in stored.accounts.values():
            agreed = {term.id: term for term in account.deductions.agreed}
            for entry in account.deductions.entries:
                term = agreed.get(entry.term)
                if entry.kind == "tax" and term is not None and isinstance(term.clause, Withholding):
                    rows.append(
                        TaxRow(
                            territory=term.clause.territory,
                            party=account.party,
                            name=names.get(account.party, ""),
                            period=stored.record.period,
                            pool=stored.record.pool,
                            law=term.note,
                            rate_ppm=term.clause.ppm,
                            withheld_micros=-entry.micros,
                            currency=stored.currency,
                        )
                    )
    yield from sorted(rows, key=lambda row: (row.territory, row.party, row.period, row.pool))


def _tax_totals(rows: Iterable[TaxRow]) -> Iterator[TaxTotal]:
    sums: dict[tuple[str, str, str, str], int] = {}
    for row in rows:
        key = (row.territory, row.party, row.name, row.currency)
        sums[key] = sums.get(key, 0) + row.withheld_micros
    for (territory, party, name, currency), micros in sorted(sums.items()):
        yield TaxTotal(territory=territory, party=party, name=name, withheld_micros=micros, currency=currency)


MOVES: Final[dict[str, tuple[str, str]]] = {
    "reserve": ("reserve", "added"),
    "released": ("reserve", "taken"),
    "advance": ("advance", "added"),
    "recouped": ("advance", "taken"),
    "given-up": ("advance", "given up"),
}
"""What each kind of deduction does to which balance beside the account; tax leaves none."""


def _beside(runs: Sequence[Stored], names: dict[str, str]) -> list[BesideRow]:
    """Return advances and reserves by party and terms: increases, decreases, and the remainder."""
    included = {stored.record.run for stored in runs}
    sums: dict[tuple[str, str, str, str, str], Counter[str]] = {}
    contracts: dict[str, str] = {}
    for stored in runs:
        for account in stored.accounts.values():
            deductions, key = account.deductions, (account.party, stored.record.pool, stored.currency)
            contracts |= {term.id: term.note for term in deductions.agreed}
            for balance in deductions.before if stored.follows not in included else ():
                sums.setdefault((balance.kind, balance.term, *key), Counter())["added"] += balance.micros
            for entry in deductions.entries:
                if entry.kind in MOVES:
                    kind, move = MOVES[entry.kind]
                    sums.setdefault((kind, entry.term, *key), Counter())[move] += abs(entry.micros)
    return [
        BesideRow(
            kind=kind,
            term=term,
            party=party,
            name=names.get(party, ""),
            pool=pool,
            contract=contracts.get(term, ""),
            added_micros=micros["added"],
            taken_micros=micros["taken"],
            given_up_micros=micros["given up"],
            left_micros=micros["added"] - micros["taken"] - micros["given up"],
            currency=currency,
        )
        for (kind, term, party, pool, currency), micros in sorted(sums.items())
    ]


def _table(kind: type[Any], rows: Sequence[Any]) -> bytes:
    """Return rows as CSV, amounts in their currency."""
    columns = [column.name for column in fields(kind)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(name.removesuffix("_micros") for name in columns)
    for row in rows:
        writer.writerow(
            format_amount(getattr(row, name), row.currency)
            if name.endswith("_micros")
            else cell(str(getattr(row, name)))
            for name in columns
        )
    return out.getvalue().encode()
