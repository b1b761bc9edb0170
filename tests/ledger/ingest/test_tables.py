"""CSV and Parquet say the same as NDJSON, and what they cannot say is named."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError
from ledger.event import StreamEvent
from ledger.ingest.files import reader_for
from ledger.ingest.rows import RowRefusal
from ledger.ingest.tables import read_csv, read_parquet
from tests.ledger.ingest.streams import row

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def as_csv(*rows: dict[str, Any]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(row()))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def read_rows(data: bytes) -> tuple[list[StreamEvent], list[RowRefusal]]:
    batches = list(read_csv(io.BytesIO(data), "x.csv"))
    return [e for rows in batches for e in rows.events], [r for rows in batches for r in rows.refused]


def as_parquet(table: Any) -> io.BytesIO:
    out = io.BytesIO()
    pq.write_table(table, out)
    out.seek(0)
    return out


def test_csv_says_what_ndjson_says() -> None:
    """If this fails, the same event in two formats is two events."""
    events, refused = read_rows(as_csv(row("a"), row("b, with a comma", product=None)))
    assert not refused
    assert events == [StreamEvent(**row("a")), StreamEvent(**row("b, with a comma", product=None))]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"acme,e,trk-1,2026-06-03T11:05:00Z,SE,premium,1.0,,,", "units: expected a whole number, got '1.0'"),
        (b"acme,e,trk-1,2026-06-03T11:05:00Z,SE,premium", "6 cells, the header has 10"),
        (b'acme,"e,trk-1,2026-06-03T11:05:00Z,SE,premium,1,,,', "not CSV"),
        (b"acme,caf\x81,trk-1,2026-06-03T11:05:00Z,SE,premium,1,,,", "neither UTF-8 nor Windows-1252"),
        (b"acme,e,,2026-06-03T11:05:00Z,SE,premium,1,,,", "missing track"),
    ],
)
def test_a_bad_record_spoils_its_own_line_only(line: bytes, reason: str) -> None:
    """If this fails, one open quote swallows the rest of the file."""
    good = as_csv(row("a"), row("b")).split(b"\r\n")
    events, refused = read_rows(b"\r\n".join([good[0], good[1], line, good[2], b""]))
    assert [event.event_id for event in events] == ["a", "b"]
    assert [(one.line, reason in one.reason) for one in refused] == [(3, True)]


@pytest.mark.parametrize(("sign", "encoding"), [(";", "cp1252"), ("\t", "utf-8-sig"), (",", "cp1252")])
def test_a_table_from_excel_says_what_ndjson_says(sign: str, encoding: str) -> None:
    """If this fails, a platform must rewrite the file that its spreadsheet program saves."""
    records = [row("a"), row("caf\u00e9"), row("with ; , and tab\t".strip())]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sign)
    writer.writerow([name.replace("_", " ").title() for name in records[0]])
    writer.writerows(record.values() for record in records)
    events, refused = read_rows(out.getvalue().encode(encoding))
    assert (events, refused) == ([StreamEvent(**record) for record in records], [])


def test_a_row_in_another_encoding_than_its_table_is_kept_aside() -> None:
    """If this fails, an id is garbled, and its event counts as another than the one that was sent."""
    good = as_csv(row("a"), row("caf\u00e9")).decode().encode("cp1252")
    events, refused = read_rows(good)
    assert ([event.event_id for event in events], refused) == (["a", "caf\u00e9"], [])
    mixed = good + as_csv(row("\u00fc")).split(b"\r\n", 1)[1]
    events, refused = read_rows(mixed)
    assert [event.event_id for event in events] == ["a", "\u00fc"]
    assert "not UTF-8" in refused[0].reason


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"source,event_id", "missing column track"),
        (b"source,event_id,track,occurred_at,territory,units,colour", "unknown field 'colour'"),
        (b"source,event_id,track,occurred_at,territory,units,units", "occurs twice"),
        (b"", "empty|missing"),
    ],
)
def test_a_wrong_header_is_refused_before_the_first_row(header: bytes, reason: str) -> None:
    """If this fails, a table with the wrong columns is half ingested."""
    with pytest.raises(InputError, match=reason):
        read_rows(header + (b"\n1,2\n" if header else b""))


def test_parquet_says_what_ndjson_says(tmp_path: Path) -> None:
    """If this fails, a platform's data lake pays differently from its stream."""
    rows = [row("a"), row("b", product=None), {**row("c"), "vector": {"sources": [{"recording": "r", "ppm": 5}]}}]
    table = pa.Table.from_pylist([{**dict.fromkeys([*row(), "vector"]), **one} for one in rows])
    path = tmp_path / "events.parquet"
    pq.write_table(table, path)
    with path.open("rb") as file:
        found = list(reader_for(str(path))(file, "x"))
    assert [event for batch in found for event in batch.events] == [StreamEvent(**one) for one in rows]


def test_parquet_times_are_instants() -> None:
    """If this fails, a timestamp column is read in the wrong zone."""
    moment = datetime(2026, 6, 3, 11, 5, tzinfo=UTC)
    table = pa.Table.from_pylist([row("a", occurred_at=moment)])
    batch = next(read_parquet(as_parquet(table), "x"))
    assert batch.events[0].occurred_at == "2026-06-03T11:05:00Z"
    naive = pa.Table.from_pylist([row("a", occurred_at=moment.replace(tzinfo=None))])
    assert "no time zone" in next(read_parquet(as_parquet(naive), "x")).refused[0].reason


def test_parquet_floats_are_refused_as_a_column() -> None:
    """If this fails, a column of floats rounds money."""
    with pytest.raises(InputError, match="column units holds double"):
        list(read_parquet(as_parquet(pa.Table.from_pylist([row("a", units=1.0)])), "x"))


def test_what_is_no_parquet_is_refused() -> None:
    """If this fails, a misnamed file ends in a traceback."""
    with pytest.raises(InputError, match="not Parquet"):
        list(read_parquet(io.BytesIO(b"PAR1 nonsense"), "x"))
