"""A statement's lines computed again as an artist's manager would: from the statement alone."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from payouts.statements.pdf import as_pdf
from payouts.statements.text import as_csv, as_html
from service.statements import statements
from tests.service.month import Month, july, published


def test_three_lines_follow_from_the_statement_alone(june: Month) -> None:
    """If this fails, a manager who multiplies what a statement shows comes to another amount than it pays."""
    published(june)
    lines = []
    for party in ("ann", "bob", "cy", "dee"):
        rows = csv.DictReader(io.StringIO(as_csv(statements.state(june.ws, party, "2026-06")).decode()))
        lines += [row for row in rows if row["row"] == "earning"]
    assert len(lines) >= 3
    for row in lines:
        factors = Decimal(row["ppm"]) * Decimal(row["aspect_ppm"]) * Decimal(row["share"]) / Decimal(10) ** 24
        amount = factors * Decimal(row["units"]) * Decimal(row["unit_value"])
        assert abs(amount - Decimal(row["micros"]) / 1_000_000) < Decimal("0.00001")


def test_a_statement_says_who_issues_it_and_what_came_before(june: Month) -> None:
    """If this fails, a holder does not know whom to ask, or how the month compares."""
    with (june.home / "settle.toml").open("a") as settings:
        settings.write('\n[payouts]\nissuer_name = "Nordtone AB"\nissuer_address = "Storgatan 1, Stockholm"\n')
    june.ws = june.reopened()
    published(june)
    july(june)
    stated = statements.state(june.ws, "cy", "2026-07")
    earlier = stated.pools[0].earlier
    assert earlier is not None
    assert (earlier.last_period, earlier.last_earned_micros) == ("2026-06", 90_000_000)
    assert (earlier.year, earlier.year_earned_micros) == ("2026", 180_000_000)
    page = as_html(stated)
    for words in ("Nordtone AB", "July 2026", "90.00 EUR", "to be paid", "To contest", "Appendix"):
        assert words in page, words
    assert as_pdf(stated).startswith(b"%PDF")


def test_late_plays_are_marked(june: Month) -> None:
    """If this fails, a holder reads June's plays as July's."""
    published(june)
    june.stream(["trk-1"] * 2, at="2026-06-20T10:00:00Z")
    july(june)
    (line,) = statements.state(june.ws, "ann", "2026-07").pools[0].earnings
    assert (line.units, line.late_units) == (8, 2)
    assert "2 late" in as_html(statements.state(june.ws, "ann", "2026-07"))
