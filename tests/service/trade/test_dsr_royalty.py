"""Royalty reports: what a statement says, in the form that licensors' systems read, with sums that hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from service.statements.royalty_reporting import royalty_report
from service.statements.statements import state
from service.trade.dsr import royalty
from service.trade.dsr.royalty import RoyaltyLine, RoyaltyReport, RoyaltySender, RoyaltySummary
from tests.cli.support import settle
from tests.service.month import Month, published

SENDER = RoyaltySender(party="operator", name="The operator", recipient="ann", recipient_name="Ann")
LINE = RoyaltyLine(
    track="trk-1", title="Blue", units=6, source="rec-1", aspect="recording", share=10**12, micros=12_345_678
)


def report(*lines: RoyaltyLine) -> RoyaltyReport:
    earned = sum(line.micros for line in lines)
    summary = RoyaltySummary(pool="main", currency="EUR", earned_micros=earned, lines=lines)
    return RoyaltyReport(
        message="2026-06-ann",
        created="2026-07-02T09:00:00Z",
        start="2026-06-01",
        end="2026-06-30",
        sender=SENDER,
        summaries=(summary,),
    )


def test_a_licensor_reads_what_its_statement_says(june: Month, tmp_path: Path) -> None:
    """If this fails, the amounts of a royalty report are not those that are paid, or it cannot be read back."""
    published(june)
    data = royalty_report(june.ws, "ann", "2026-06")
    answer = royalty.read(data, "ann.tsv")
    (pool,) = state(june.ws, "ann", "2026-06").pools
    (summary,) = answer.summaries
    assert (summary.earned_micros, summary.currency) == (pool.earned_micros, "EUR")
    assert sorted(line.micros for line in summary.lines) == sorted(earning.micros for earning in pool.earnings)
    assert (answer.start, answer.end, answer.sender.recipient_name) == ("2026-06-01", "2026-06-30", "Ann")
    out = tmp_path / "ann.tsv"
    assert settle("statement", "ann", "--period", "2026-06", "--format", "dsr", "--out", out, home=june.home).code == 0
    assert royalty.read(out.read_bytes(), "ann.tsv").summaries == answer.summaries


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda value: not value.startswith("'") and value != royalty.SEVERAL
)


@given(
    st.lists(
        st.builds(
            RoyaltyLine,
            track=st.sampled_from(["trk-1", "trk-2", ""]),
            title=st.just("Blue"),
            units=st.just(3),
            source=text,
            aspect=st.sampled_from(["recording", "composition", "style"]),
            share=st.none() | st.integers(0, 10**12),
            micros=st.integers(0, 10**15),
        ),
        max_size=6,
    )
)
def test_what_is_written_is_read(lines: list[RoyaltyLine]) -> None:
    """If this fails, a report loses a line, an amount or a letter on the way to a licensor."""
    ordered = [line for track in dict.fromkeys(line.track for line in lines) for line in lines if line.track == track]
    assert royalty.read(royalty.write(report(*lines)), "x") == report(*ordered)


def test_no_cell_is_a_formula() -> None:
    """If this fails, a title that somebody registered runs in a licensor's spreadsheet."""
    data = royalty.write(report(replace(LINE, title="=HYPERLINK(1)", source="@x"))).decode()
    assert not [cell for row in data.splitlines() for cell in row.split("\t") if cell[:1] in ("=", "+", "-", "@")]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("12.345678\t12.345678\nFOOT", "12.345679\t12.345679\nFOOT", "SU03 says"),
        ("Worldwide\t\tmain\t6", "Worldwide\t\tmain\t6\t", "19 cells"),
        ("FOOT\t6", "FOOT\t7", "FOOT counts"),
        ("RoyaltyReportingProfile", "BasicAudioProfile", "expected a HEAD"),
        ("LI01.01\t1\t1", "LI01.01\t2\t1", "which are not there"),
    ],
)
def test_a_report_whose_sums_do_not_hold_is_refused(old: str, new: str, says: str) -> None:
    """If this fails, a damaged report is believed."""
    data = royalty.write(report(LINE)).decode()
    assert old in data
    with pytest.raises(InputError, match=says):
        royalty.read(data.replace(old, new, 1).encode(), "x")
    with pytest.raises(InputError, match=r"no record|cut off"):
        royalty.read(data[: data.rindex("FOOT")].encode(), "x")
