"""How a platform's fields are read: renamed, left out and counted, or refused as a slip of the keyboard."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from ledger.errors import InputError
from ledger.ingest.files import reader_for
from ledger.ingest.naming import Naming, renaming
from tests.ledger.ingest.streams import lines, row

CSV = b"source,event_id,track,played_at,territory,units,device\nacme,e-1,trk-1,2026-06-01T10:00:00Z,SE,1,phone\n"


def read(data: bytes, naming: Naming, form: str = "ndjson") -> tuple[list[Any], list[str]]:
    parts = list(reader_for("x", form, naming)(io.BytesIO(data), "x"))
    return [event for part in parts for event in part.events], [one.reason for part in parts for one in part.refused]


def played(**fields: Any) -> bytes:
    document = row("e-1") | fields
    document["played_at"] = document.pop("occurred_at")
    return lines(document)


def test_renamed_fields_and_unknown_ones_give_the_same_event_in_every_format() -> None:
    """If this fails, a platform's own names lose an event, or what was left out is not counted."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    plain, _ = read(lines(row("e-1")), Naming())
    document = json.loads(played(device="phone"))
    parquet = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([document]), parquet)
    csv = (",".join(document) + "\n" + ",".join(map(str, document.values())) + "\n").encode()
    for form, data in (("ndjson", lines(document)), ("csv", csv), ("parquet", parquet.getvalue())):
        naming = Naming(renamed=renaming(["played_at=occurred_at"]))
        events, refused = read(data, naming, form)
        assert (events, refused, dict(naming.ignored)) == (plain, [], {"device": 1}), form


def test_a_slip_of_the_keyboard_is_refused_and_strict_refuses_everything() -> None:
    """If this fails, `gros_micros` is left out and an event pays nothing without anybody knowing."""
    for name in ("unit", "gros_micros", "teritory", "Units", "lsitener"):
        (reason,) = read(lines(row("e-1"), row("e-2") | {name: 1}), Naming())[1]
        assert reason.startswith(f"unknown field '{name}', which looks like")
    assert read(lines(row("e-1") | {"device": 1}), Naming()) == read(lines(row("e-1")), Naming())
    assert "unknown field 'device'" in read(lines(row("e-1"), row("e-2") | {"device": 1}), Naming(strict=True))[1][0]
    with pytest.raises(InputError, match="missing column occurred_at"):
        read(CSV, Naming(), "csv")
    with pytest.raises(InputError, match="unknown field 'device'"):
        read(CSV, Naming(renamed={"played_at": "occurred_at"}, strict=True), "csv")


def test_a_field_that_stands_twice_under_two_names_is_refused() -> None:
    """If this fails, which of two times counts depends on the order of a row's fields."""
    naming = Naming(renamed={"played_at": "occurred_at"})
    both = row("e-1") | {"played_at": "2026-06-02T10:00:00Z"}
    for document in (both, dict(reversed(both.items()))):
        assert "occurs twice" in read(lines(row("e-0"), document), naming)[1][0]


def test_a_quarantined_row_keeps_the_names_that_were_mapped() -> None:
    """If this fails, a renamed row in quarantine can never be replayed."""
    naming = Naming(renamed={"played_at": "occurred_at"})
    (part,) = reader_for("x", "ndjson", naming)(io.BytesIO(played()), "x")
    assert json.loads(part.raw(0)) == row("e-1")


@pytest.mark.parametrize("pair", ["played_at", "=units", "played_at=when", "units=event_id", "="])
def test_a_mapping_that_names_no_field_is_refused(pair: str) -> None:
    """If this fails, a mistyped --map leaves a field out without a word."""
    with pytest.raises(InputError):
        renaming([pair])
    with pytest.raises(InputError, match="twice"):
        renaming(["a=units", "a=track"])


def test_a_field_mapped_to_nothing_is_left_out_and_counted() -> None:
    """If this fails, a platform whose `unit` is something else cannot hand in its file, or loses the count of it."""
    table = (",".join((*row("e-1"), "unit")) + "\n" + ",".join((*map(str, row("e-1").values()), "x")) + "\n").encode()
    for form, data in (("ndjson", lines(row("e-1") | {"unit": "x"})), ("csv", table)):
        naming = Naming(renamed=renaming(["unit="]), strict=True)
        assert read(data, naming, form) == read(lines(row("e-1")), Naming())
        assert dict(naming.ignored) == {"unit": 1}
