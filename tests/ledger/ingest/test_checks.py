"""What an event must be: each impossible thing is named, and the quick and the thorough way agree."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.event import StreamEvent
from ledger.ingest import ndjson
from ledger.ingest.blocks import LineBlock
from ledger.ingest.checks import Checker, explain
from tests.ledger.ingest.streams import lines, row

LATEST = date(2026, 7, 2)

BAD: list[tuple[Any, str]] = [
    (row(units=1.0), "units: expected a whole number, got 1.0"),
    (row(units="1"), 'units: expected a whole number, got "1"'),
    (row(units=True), "units: expected a whole number, got true"),
    (row(units=-1), "units: -1 is negative"),
    (row(units=2**53), "not below 2^53"),
    (row(units=1_000_000_001), "units: 1000000001 in one event is impossible"),
    (row(" e-1"), 'event_id: " e-1" begins or ends with a blank'),
    (row("e-1 "), "event_id"),
    (row(source="acme "), "source"),
    (row("e\u0301t\u00e9"), "not in Unicode's normal form NFC"),
    (row(source="cafe\u0301"), "source"),
    (row(gross_micros=-4200), "gross_micros: -4200 is negative"),
    (row(currency=None), "gross_micros without currency"),
    (row(currency="euro"), "currency"),
    (row(territory="Sweden"), "territory"),
    (row(territory="se"), "territory"),
    (row(occurred_at="2026-02-30T00:00:00Z"), "occurred_at"),
    (row(occurred_at="2026-06-03 11:05"), "occurred_at"),
    (row(occurred_at="2026-06-03T11:05:00"), "offset"),
    (row(occurred_at="2026-06-03T25:00:00Z"), "occurred_at"),
    (row(occurred_at="1969-12-31T23:59:59Z"), "before 1970"),
    (row(occurred_at="2027-01-01T00:00:00Z"), "future"),
    (row(occurred_at=1780000000), "occurred_at: expected a text"),
    (row(event_id=""), "event_id"),
    (row(event_id="a\u0000b"), "U+0000"),
    (row(listener="a\nb"), "listener: contains U+000A"),
    (row(track="x" * 257), "track: 257 characters"),
    (row(track=None), "missing track"),
    (row(colour="red"), "unknown field 'colour'"),
    (row(vector=[1]), "vector: expected an object"),
    ([1, 2], "expected a JSON object, got [1,2]"),
    ("text", "expected a JSON object"),
    (None, "expected a JSON object"),
]


def refusals(document: Any) -> list[str]:
    """Why a line is refused, by the way that files take."""
    rows = ndjson.decode(LineBlock(1, lines(json.dumps(document).encode()), 0))
    return [refused.reason for refused in rows.refused] + list(Checker(lambda: LATEST).run(rows.events).values())


@pytest.mark.parametrize(("document", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_an_impossible_event_is_named(document: Any, reason: str) -> None:
    """If this fails, an impossible value enters the log, or its refusal does not say what is wrong."""
    found = refusals(document)
    assert len(found) == 1
    assert reason in found[0]


@pytest.mark.parametrize(
    "document",
    [
        row(),
        row(listener=None, product=None, gross_micros=None, currency=None),
        row(units=0),
        row(gross_micros=2**53 - 1),
        row(occurred_at="2026-07-02T23:59:59Z"),
        row(occurred_at="1970-01-01T00:00:00Z"),
        row(event_id="ü" * 256),
        {**row(listener=None), "listener": None},
    ],
)
def test_a_possible_event_is_taken(document: Any) -> None:
    """If this fails, an honest event is refused."""
    assert refusals(document) == []


def test_memory_never_admits_what_a_first_look_refuses() -> None:
    """If this fails, the quick check lets a value pass because its neighbour was good."""
    checker = Checker(lambda: LATEST)
    good = [explain(row(f"e-{i}")) for i in range(3)]
    assert checker.run(good) == {}
    for document, reason in BAD:
        try:
            event = explain(document)
        except InputError:
            continue
        assert reason in checker.run([*good, event])[3]


values = st.one_of(st.none(), st.booleans(), st.integers(-5, 2**54), st.floats(allow_nan=False), st.text(max_size=5))
names = st.sampled_from([*row(), "vector", "colour"])


@given(st.dictionaries(names, values, max_size=3))
def test_the_quick_way_and_the_thorough_way_agree(changes: dict[str, Any]) -> None:
    """If this fails, whether an event is taken depends on which neighbours it has in the file."""
    line = json.dumps({**row(), **changes}).encode()
    alone = ndjson.decode(LineBlock(1, line + b"\n", 0))
    beside = ndjson.decode(LineBlock(1, line + b"\n{\n", 0))
    assert [one.reason for one in alone.refused] == [one.reason for one in beside.refused[:-1]]
    assert alone.events == beside.events
    try:
        thorough = [explain(ndjson.parse_json(line))]
    except InputError:
        thorough = []
    alone_events = list(alone.events)
    refused = Checker(lambda: date(9999, 12, 31)).run(alone_events)
    assert thorough == [event for i, event in enumerate(alone_events) if i not in refused]


def test_a_platforms_file_speaks_for_no_other() -> None:
    """If this fails, one platform's file holds events in the name of another."""
    checker = Checker(lambda: LATEST, "acme")
    rows = ndjson.decode(LineBlock(1, lines(row("e-1"), row("e-2", source="other"), row("e-3")), 0))
    for _ in range(2):
        assert checker.run(rows.events) == {1: "source: \"other\", and this file is taken as one of 'acme'"}


ODD: list[dict[str, Any]] = (
    [
        {name: value}
        for name in ("track", "listener", "event_id", "source", "product")
        for value in ("a\nb", "a\x1b[2J", "", "x" * 256, "x" * 257, " a", "a ", "e\u0301", "\u00e9", "x")
    ]
    + [
        {"gross_micros": gross, "currency": currency}
        for gross in (None, -1, 0, 2**53 - 1, 2**53)
        for currency in (None, "EUR", "eur")
    ]
    + [{"units": units} for units in (-1, 0, 10**9, 10**9 + 1)]
    + [{"occurred_at": at} for at in ("2026-06-03T24:00:00Z", "2026-06-03T11:05:00+00:00", "1969-12-31T11:05:00Z", "x")]
    + [{"territory": "se"}, {"territory": "NO"}]
)


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_neighbour_changes_nothing(odd: dict[str, Any]) -> None:
    """If this fails, whether an event is taken, and as what, depends on the events that came before it."""
    event = StreamEvent(**row("e-1") | odd)
    found = []
    for before in ([], [StreamEvent(**row("e-0"))], [StreamEvent(**row("e-0", **odd_)) for odd_ in ODD[-2:]]):
        checker = Checker(lambda: LATEST)
        checker.run(list(before))
        events = [event]
        found.append((checker.run(events), events))
    assert found[0] == found[1] == found[2]


def test_ids_are_checked_on_the_quick_way_too() -> None:
    """If this fails, a second spelling of an id counts twice once its source is known."""
    checker = Checker(lambda: LATEST)
    ids = [StreamEvent(**row(one)) for one in ("e-1", "e-1 ", " e-1", "e\u0301", "\u00e9")]
    assert sorted(checker.run(ids)) == [1, 2, 3]
    enormous = [StreamEvent(**row("e-2", units=10**9)), StreamEvent(**row("e-3", units=10**9 + 1))]
    assert list(checker.run(enormous)) == [1]


def test_a_checker_that_lives_for_days_takes_each_days_events() -> None:
    """If this fails, a long-lived process refuses today's events as lying in the future (R2)."""
    today = [date(2026, 6, 1)]
    checker = Checker(lambda: today[0])
    third = [StreamEvent(**row("e-1"))]
    assert list(checker.run(third)) == [0]
    today[0] = date(2026, 6, 3)
    assert checker.run(third) == {}
