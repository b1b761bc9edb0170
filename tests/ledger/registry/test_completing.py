"""Shares in people's units come to the whole, to the millionth, or are left as short as they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ledger.registry.completing import TOLERANCE, completed, to_ppm
from ledger.registry.readers import RawRow
from ledger.types import MILLION
from tests.ledger.registry.conftest import MakeOffice

PARTIES = [{"id": name, "kind": "person"} for name in ("ann", "bob", "cem")]
REC = [{"id": "rec", "title": "Song"}]


def thirds(text: str) -> list[dict[str, str]]:
    return [
        {"subject": "rec", "party": name, "right": "master", "ppm": text, "state": "confirmed"}
        for name in ("ann", "bob", "cem")
    ]


def test_three_thirds_are_the_whole(make_office: MakeOffice) -> None:
    """If this fails, three equal owners are short of the whole by a millionth and none of them is paid."""
    for text in ("1/3", "33.33%", "33.3333%", "33.35%"):
        office = make_office(text.replace("/", "-"))
        done = office.load({"parties": PARTIES, "recordings": REC, "shares": thirds(text)})
        shares = office.registry.view().shares("rec", "master", "SE", "2026-07-01T00:00:00Z")
        assert (shares.state, done.notices) == ("confirmed", ())
        assert dict(shares.parts) == {"ann": 333_334, "bob": 333_333, "cem": 333_333}
        again = office.load({"parties": PARTIES, "recordings": REC, "shares": thirds(text)})
        assert (again.accepted, again.duplicates) == (0, again.read)


def test_shares_that_are_short_stay_short(make_office: MakeOffice) -> None:
    """If this fails, an owner who is missing from the file has lost the share to the others."""
    office = make_office("short")
    done = office.load({"parties": PARTIES, "recordings": REC, "shares": thirds("33.3%")[:3]})
    assert "short" in done.notices[0]
    counted = make_office("counted")
    rows = [{**row, "ppm": 333_333} for row in thirds("0%")]
    assert "short" in counted.load({"parties": PARTIES, "recordings": REC, "shares": rows}).notices[0]


def test_a_csv_takes_percentages(make_office: MakeOffice) -> None:
    """If this fails, a publisher's own file has to be counted in millionths by hand."""
    office = make_office("csv")
    office.load({"parties": PARTIES, "recordings": REC})
    path = Path(office.folder / "shares.csv")
    path.write_text("subject,party,right,ppm,state\nrec,ann,master,62.5 %,confirmed\nrec,bob,master,37.5%,confirmed\n")
    from ledger.registry.importing import import_files

    assert import_files(office.registry, [path], office.operator).accepted == 2
    assert dict(office.registry.view().shares("rec", "master", "SE", "2026-07-01T00:00:00Z").parts) == {
        "ann": 625_000,
        "bob": 375_000,
    }


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=30))
def test_parts_of_a_whole_sum_to_it_each_within_a_millionth(weights: list[int]) -> None:
    """If this fails, completing a right moves more than the rounding from one owner to another."""
    parts = [Fraction(weight, sum(weights)) for weight in weights]
    names = [f"p{n:02d}" for n in range(len(parts))]
    ppm = to_ppm(parts, names)
    assert sum(ppm) == MILLION
    assert all(abs(one - part * MILLION) < 1 for one, part in zip(ppm, parts, strict=True))
    near = to_ppm([part * (1 - TOLERANCE) for part in parts], names)
    assert near == ppm


def test_rows_in_whole_ppm_are_not_touched() -> None:
    """If this fails, an import changes a share that somebody counted out."""
    row = RawRow(
        list="shares", file="f", line=1, value={"subject": "r", "party": "a", "right": "master", "ppm": "333333"}
    )
    assert list(completed([row])) == [row]
