"""Tables of the registry's lists, as spreadsheet programs write them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.registry.importing import import_files
from ledger.registry.readers import read, table_fields, table_reader
from ledger.registry.rows import LISTS
from tests.ledger.registry.conftest import Office
from tests.ledger.registry.test_importing import counts

SPLITS = """Song;Rechteinhaber;Recht;Anteil;Notiz
rec-1;p-ann;master;33,33 %;Café
rec-1;p-bo;master;33,33%;
rec-1;p-cy;master;33,34 %;
;;;;
"""
PAIRS = ("Song=subject", "Rechteinhaber=party", "Recht=right", "Anteil=ppm", "Notiz=")


def values(path: Path, name: str = "", pairs: tuple[str, ...] = ()) -> list[Any]:
    return [row.value for row in read(path, (table_reader(name, pairs),))]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("sign", [";", "\t"])
def test_a_split_sheet_from_a_spreadsheet_is_registered(office: Office, sign: str, encoding: str) -> None:
    """If this fails, a label must rewrite its split sheet before anybody on it can be paid."""
    office.load(
        {
            "parties": [{"id": f"p-{name}", "kind": "person"} for name in ("ann", "bo", "cy")],
            "recordings": [{"id": "rec-1", "title": "Blue"}],
        }
    )
    path = office.folder / "Splits Q3.csv"
    path.write_bytes(SPLITS.replace(";", sign).replace("\n", "\r\n").encode(encoding))
    done = import_files(office.registry, [path], office.operator, formats=(table_reader("shares", PAIRS),))
    assert counts(done) == (3, 0, 0, 0), done.refused
    assert sum(line.ppm for line, _ in office.registry.view().share_lines("rec-1")) == 1_000_000


def test_a_column_of_percent_is_read_as_a_share(tmp_path: Path) -> None:
    """If this fails, 50 in a column of percentages is 50 millionths."""
    path = tmp_path / "shares.tsv"
    path.write_text("subject\tparty\tright\tpercent\nr\tp\tmaster\t12.5\nr\tq\tmaster\t1/2\nr\ts\tmaster\t5%\n")
    assert [value["ppm"] for value in values(path)] == ["12.5%", "1/2", "5%"]
    path.write_text("subject,party,right,percent,ppm\n")
    with pytest.raises(InputError, match="say the same"):
        values(path)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"subject,party,right,ppm,colour\n", "column 'colour' not understood"),
        (b"subject,party,rigth,ppm\n", "--map 'rigth=right'"),
        (b"subject,party,right\n", "no column for ppm"),
        (b'subject,party,right,ppm\nr,"p,master,1\nr,q,master,1\n', "line 3: not CSV"),
        (b"subject,party,right,ppm\nr,caf\xe9,master,1\nr,caf\xc3\xa9,master,1\n", "line 2: not UTF-8"),
        (b"subject,party,right,ppm\nr,a\x81,master,1\n", "line 2: neither"),
        (b"\xff\xfes\x00u", "no column|not UTF-16|not understood"),
        (b"PK\x03\x04", "save the sheet as CSV"),
    ],
)
def test_a_table_that_is_not_understood_is_refused_whole(tmp_path: Path, table: bytes, reason: str) -> None:
    """If this fails, half a table is registered, or nobody is told which column was not understood."""
    path = tmp_path / "shares.csv"
    path.write_bytes(table)
    with pytest.raises(InputError, match=reason):
        values(path)


def test_what_is_no_table_is_answered_with_the_next_step(tmp_path: Path) -> None:
    """If this fails, somebody with a workbook, or a file with another name, does not know what to do."""
    for name, reason in (("book.xlsx", "save the sheet as CSV"), ("people.csv", "--list says which")):
        (tmp_path / name).write_text("id\n")
        with pytest.raises(InputError, match=reason):
            values(tmp_path / name)
    with pytest.raises(InputError, match="list 'people'"):
        table_reader("people", ())


def test_cells_out_of_step_are_kept_aside(office: Office) -> None:
    """If this fails, a cell that slipped to the right of the table is lost without a word."""
    path = office.folder / "parties.csv"
    path.write_text("id,kind,\np-1,person,\np-2,person,,Bob\np-3,person,Bob\n")
    done = import_files(office.registry, [path], office.operator)
    assert counts(done) == (1, 0, 0, 2)
    assert all("cell" in refusal.reason for refusal in done.refused)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(st.sampled_from(sorted(LISTS)), st.binary(max_size=200))
def test_no_table_crashes_the_reader(tmp_path: Path, name: str, junk: bytes) -> None:
    """If this fails, a damaged file ends in a traceback instead of a sentence."""
    path = tmp_path / f"{name}.csv"
    path.write_bytes(",".join(table_fields(name)).replace(",percent", "").encode() + b"\n" + junk)
    with suppress(InputError):
        assert all(isinstance(value, dict) for value in values(path))
