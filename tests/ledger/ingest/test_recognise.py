"""Files that hold no events are told apart from files that hold bad ones."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from ledger.errors import InputError
from ledger.ingest import recognise
from ledger.ingest.files import reader_for
from ledger.ingest.rows import RowRefusal, Rows
from tests.ledger.ingest.streams import row

GOOD = json.dumps(row("e-1")).encode()
REGISTRY = json.dumps({"parties": [{"id": "p-ann", "name": "Ann"}]}, indent=1).encode()
DECLARED = b'{"track": "trk-1", "sources": [{"recording": "rec-1", "ppm": 600000}]}\n'


def read(data: bytes) -> list[Rows]:
    return list(reader_for("x.ndjson")(io.BytesIO(data), "x.ndjson"))


@pytest.mark.parametrize(
    "data",
    [b"source,event_id,track\nacme,e-1,trk-1\n", b"[" + GOOD + b"]\n", bytes(range(256)) * 40],
    ids=["csv", "array", "binary"],
)
def test_a_file_without_a_single_event_is_refused(data: bytes) -> None:
    """If this fails, whoever hands in the wrong file is told all is well, and its lines fill the quarantine."""
    with pytest.raises(InputError, match="no file of stream events") as refused:
        read(data)
    assert "settle template events" in str(refused.value)
    assert "Nothing was written" in str(refused.value)


@pytest.mark.parametrize(
    ("data", "command"),
    [(REGISTRY, "settle registry import"), (DECLARED * 3, "settle attribute --declared")],
    ids=["registry", "vectors"],
)
def test_a_file_for_another_command_is_sent_there(data: bytes, command: str) -> None:
    """If this fails, whoever mixes up two files is told what is wrong with the file, and not where it belongs."""
    with pytest.raises(InputError, match="no file of stream events") as refused:
        read(data)
    assert f"{command} x.ndjson" in str(refused.value)


@pytest.mark.parametrize(
    "bad",
    [b"rubbish\n" * 20, REGISTRY + b"\n", b'{"source": "acme", "event_id": "e-9", "tra'],
    ids=["rubbish", "json", "torn"],
)
def test_one_event_is_enough_to_keep_the_others(bad: bytes) -> None:
    """If this fails, good rows are refused for bad neighbours, or bad rows among good ones are lost."""
    for data in (bad + b"\n" + GOOD + b"\n", GOOD + b"\n" + bad):
        found = read(data)
        assert sum(len(rows.events) for rows in found) == 1
        assert sum(len(rows.refused) for rows in found) >= 1


def test_a_damaged_event_is_an_event() -> None:
    """If this fails, a file whose every event lacks a field is refused as a stranger's, and not kept to be mended."""
    (rows,) = read(b'{"source": "acme", "event_id": "e-1", "track": "trk-1"}\n')
    assert [refused.reason for refused in rows.refused] == ["missing occurred_at, territory, units"]
    assert read(b"") == []


def test_rubbish_without_end_is_not_held_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a pipe of rubbish fills the memory."""
    monkeypatch.setattr(recognise, "ROWS_MAX", 10)
    given = 0

    def endless(_file: object, _name: str) -> Iterator[Rows]:
        nonlocal given
        while True:
            given += 1
            yield Rows([], lambda _: 0, lambda _: b"", refused=[RowRefusal(given, b"x", "not JSON")])

    with pytest.raises(InputError, match="none of its 11 rows"):
        next(recognise.of_events(endless)(io.BytesIO(), "-"))
    assert given == 11
