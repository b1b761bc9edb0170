"""The books of several months, with an accounting program written by others as the judge."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from ledger.errors import InputError, StateError
from payouts.accounts.clauses import Advance, Clause, PaidIn, Rate, Reserve, Withholding
from service.settlement import agreements, holds, life, paying
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import booking
from tests.service.month import JULY_OVER, Month, asked, july, month, published

CLAUSES: tuple[tuple[str, Clause], ...] = (
    ("2026-06", Advance(party="ann", pool="default", currency="EUR", micros=100_000_000, ppm=500_000)),
    ("2026-06", Reserve(party="ann", ppm=100_000, months=1)),
    ("2026-06", Withholding(party="bob", ppm=150_000, territory="SE")),
    ("2026-06", PaidIn(party="cy", currency="NOK")),
    ("2026-06", Rate(currency="EUR", to="NOK", rate="11.4321", date="2026-06-30")),
    ("2026-07", Rate(currency="EUR", to="NOK", rate="11.5", date="2026-07-31")),
)


@pytest.fixture(scope="module")
def summer(tmp_path_factory: pytest.TempPathFactory) -> Month:
    """June with terms, a hold, a payment lost; July twice, the first time undone by two people after it was paid."""
    made = month(tmp_path_factory.mktemp("books") / "home")
    for n, (period, clause) in enumerate(CLAUSES):
        agreed = agreements.agree(made.ws, clause, period=period, note=f"contract {n}")
        life.approve(made.ws, agreed.id, "approver")
    hold = holds.open_hold(made.ws, scope="party", subject="dee", reason="legal")
    june = published(made)
    paying.pay(made.ws, june, "file")
    lost = paying.confirm(made.ws, june, "cy", "written-off")
    life.approve(made.ws, str(lost.id), "approver")
    life.approve(made.ws, holds.release(made.ws, hold.id, note="settled in court").id, "approver")
    wrong = july(made)
    paying.pay(made.ws, wrong, "file")
    life.approve(made.ws, holds.reverse(made.ws, wrong, reason="wrong pool").id, "approver")
    made.now = JULY_OVER
    run = life.run(made.ws, asked(period="2026-07", pool="1100.00")).run
    life.approve(made.ws, run, "approver")
    life.publish(made.ws, run)
    paying.pay(made.ws, run, "file")
    return made


def checked(path: str) -> None:
    subprocess.run([Path(sys.executable).parent / "bean-check", path], check=True, capture_output=True)


def test_two_months_are_one_journal(summer: Month, tmp_path: Path) -> None:
    """If this fails, a bookkeeper cannot load the year, or finds a micro-unit missing in it."""
    done = booking.write_books(summer.ws, tmp_path)
    assert (done.since, done.until, done.runs) == ("2026-06", "2026-07", 2)
    checked(done.files[0])
    text = Path(done.files[0]).read_text()
    assert 'name: "Ann"' in text
    assert text.count("Balances carried from the run before") == 0
    assert "2026-06-30 * " in text
    assert "Paid by a run that was reversed" in text
    again = booking.write_books(summer.ws, tmp_path / "again")
    assert [Path(path).read_bytes() for path in again.files] == [Path(path).read_bytes() for path in done.files]


def test_one_month_of_the_books_opens_once(summer: Month, tmp_path: Path) -> None:
    """If this fails, books that begin in July lack what June left, or open it twice."""
    done = booking.write_books(summer.ws, tmp_path, since="2026-07")
    checked(done.files[0])
    assert Path(done.files[0]).read_text().count("Balances carried from the run before") == 1


def test_a_wrong_posting_is_found(summer: Month, tmp_path: Path) -> None:
    """If this fails, the books are written so that an accounting program overlooks a micro-unit."""
    (path, *_) = booking.write_books(summer.ws, tmp_path).files
    text = Path(path).read_text()
    wrong = tmp_path / "wrong.beancount"
    for line in [row for row in text.splitlines() if row.startswith("  Liabilities:Holders")][:3]:
        figure = line.split()[1]
        wrong.write_text(text.replace(line, line.replace(figure, figure[:-1] + str((int(figure[-1]) + 1) % 10)), 1))
        with pytest.raises(subprocess.CalledProcessError):
            checked(str(wrong))


def test_the_table_of_postings_says_the_same(summer: Month, tmp_path: Path) -> None:
    """If this fails, who imports CSV books other amounts than who imports beancount."""
    done = booking.write_books(summer.ws, tmp_path)
    rows = list(csv.DictReader(io.StringIO(Path(done.files[1]).read_text())))
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        sums[row["entry"], row["currency"]] += int(row["amount"].replace(".", ""))
    assert rows
    assert not any(sums.values())
    assert {row["name"] for row in rows if row["party"] == "bob"} == {"Bob"}
    assert len({row["entry"] for row in rows}) == done.entries


def test_tax_advances_and_reserves_are_in_overviews(summer: Month, tmp_path: Path) -> None:
    """If this fails, the tax return or an advance's balance must be added up by hand from statements."""
    done = booking.write_books(summer.ws, tmp_path)
    book = read_book(summer.ws)
    runs = [load(summer.ws.log, run) for run in book.standing()]
    withheld = sum(
        -step.micros for stored in runs for step in stored.accounts["bob"].deductions.entries if step.kind == "tax"
    )
    assert [(total.territory, total.party, total.withheld_micros) for total in done.tax] == [("SE", "bob", withheld)]
    last = runs[-1].accounts["ann"].deductions
    left = {row.kind: row.left_micros for row in done.beside}
    assert left == {"advance": last.left("advance"), "reserve": last.left("reserve")}
    tax = list(csv.DictReader(io.StringIO(Path(done.files[2]).read_text())))
    assert [row["period"] for row in tax] == ["2026-06", "2026-07"]


def test_books_of_nothing_are_refused(summer: Month, tmp_path: Path) -> None:
    """If this fails, an empty journal is taken for a month without payments."""
    with pytest.raises(StateError, match="nothing to book"):
        booking.write_books(summer.ws, tmp_path, since="2027-01")
    with pytest.raises(InputError, match="earlier month first"):
        booking.write_books(summer.ws, tmp_path, since="2026-07", until="2026-06")
