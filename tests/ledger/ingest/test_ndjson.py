"""NDJSON: repeated keys, odd encodings, blank and broken lines; the quick decoder hides none of them."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.ingest import ndjson
from ledger.ingest.blocks import LineBlock
from tests.ledger.ingest.streams import lines, row


def decode(data: bytes) -> tuple[list[str], list[tuple[int, str]]]:
    rows = ndjson.decode(LineBlock(1, data, 0))
    return [event.event_id for event in rows.events], [(one.line, one.reason) for one in rows.refused]


def test_good_lines_are_decoded_in_one_go() -> None:
    """If this fails, ordinary files take the slow way."""
    rows = ndjson.decode(LineBlock(7, lines(row("a"), row("b")), 0))
    assert [(rows.line(i), json.loads(rows.raw(i))["event_id"]) for i in range(2)] == [(7, "a"), (8, "b")]


@pytest.mark.parametrize("tail", ['"units":2', '"unit\\u0073":2', '"vector":{"sources":[],"sources":[]}'])
def test_a_repeated_key_is_refused(tail: str) -> None:
    """If this fails, two readers of one line can see two different events."""
    line = f"{json.dumps(row('e'))[:-1]}, {tail}}}".encode()
    ids, refused = decode(lines(row("a")) + line + b"\n" + lines(row("b")))
    assert ids == ["a", "b"]
    assert [number for number, _ in refused] == [2]
    assert "occurs twice" in refused[0][1]


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=20).filter(str.isprintable), st.sampled_from(list(row()))
)
def test_no_value_hides_a_repeated_key(text: str, repeated: str) -> None:
    """If this fails, a cleverly filled field smuggles a second value past the count of colons."""
    for ascii_only in (True, False):
        body = json.dumps(row("a", product=text or "x"), ensure_ascii=ascii_only)
        doubled = json.dumps({repeated: row()[repeated]}, ensure_ascii=ascii_only)[:-1] + ", " + body[1:]
        assert decode(body.encode() + b"\n") == (["a"], [])
        assert "occurs twice" in decode(doubled.encode() + b"\n")[1][0][1]


def test_blank_lines_and_missing_last_newline() -> None:
    """If this fails, line numbers in quarantine point at the wrong rows."""
    data = lines(row("a"), b"", b"  ", row("b"), b"{") + json.dumps(row("c")).encode()
    ids, refused = decode(data)
    assert (ids, [number for number, _ in refused]) == (["a", "b", "c"], [5])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"source": "caf\xe9"}', "not UTF-8: byte 0xE9 at column 16"),
        (b"{'source': 1}", "not JSON"),
        (b'{"units": NaN}', "NaN is not a JSON value"),
        (b"[" * 10_000, "not JSON"),
        (b'{"a": 1} {"b": 2}', "not JSON"),
        (b'{"source": "a\x00b"}', "not JSON"),
    ],
)
def test_a_line_that_is_no_json_is_named(line: bytes, reason: str) -> None:
    """If this fails, a broken line stops the file or says nothing useful."""
    ids, refused = decode(lines(row("a"), line, row("b")))
    assert (ids, refused[0][0]) == (["a", "b"], 2)
    assert reason in refused[0][1]


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_refusals(data: bytes) -> None:
    """If this fails, some input ends the ingest with a traceback."""
    for rows in ndjson.read(io.BytesIO(lines(row("a")) + data), "x"):
        assert [rows.line(i) for i in range(len(rows.events))] == sorted(rows.line(i) for i in range(len(rows.events)))
        assert all(one.reason for one in rows.refused)
