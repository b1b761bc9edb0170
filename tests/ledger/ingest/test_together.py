"""Several callers' rows in one transaction: each is answered for its own, and each row keeps its own place."""

from __future__ import annotations

import io
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.ingest import ndjson, quarantine
from ledger.ingest.acknowledged import Acknowledged, Handed
from ledger.ingest.admission import Ingest
from ledger.log.append import Log
from tests.ledger.ingest.streams import entropy, events, known_log, lines, row
from tests.support import examples


def handed(data: bytes, name: str, source: str | None = None) -> Handed:
    (rows,) = ndjson.read(io.BytesIO(data), name)
    return Handed(rows=rows, name=name, source=source)


def kept(log: Log) -> list[tuple[str, int, str]]:
    with log.store.reading() as connection:
        return [(row.file, row.line, row.kind) for row in quarantine.listed(connection)]


def test_each_caller_is_answered_for_its_own_rows(tmp_path: Path) -> None:
    """If this fails, a caller hears of another's rows, or quarantine names the wrong file and line."""
    log = known_log(tmp_path)
    run = Ingest(log, name="unused", entropy=entropy())
    size = log.head().size
    first, second, third = run.take_together(
        [
            handed(lines(row("a-1"), b"{}", row("a-2", track="nowhere")), "a", "acme"),
            handed(lines(row("b-1", source="bolt"), row("a-1"), row("b-2", source="acme")), "b", "bolt"),
            handed(lines(row("a-1"), row("a-1", units=9), row("a-3")), "c"),
        ]
    )
    assert (first.first, first.keys) == (size, [("acme", "a-1")])
    assert (second.first, second.keys) == (size + 1, [("bolt", "b-1")])
    assert (third.first, third.keys, third.duplicates) == (size + 2, [("acme", "a-3")], [("acme", "a-1", size)])
    assert (first.counts.read, first.counts.accepted, first.counts.quarantined) == (3, 1, 2)
    assert (second.counts.read, second.counts.accepted, second.counts.quarantined) == (3, 1, 2)
    assert (third.counts.duplicates, third.counts.conflicts) == (1, 1)
    assert first.appended == second.appended == third.appended
    assert sorted(kept(log)) == [
        ("a", 2, "invalid"),
        ("a", 3, "unknown-track"),
        ("b", 2, "other-source"),
        ("b", 3, "other-source"),
        ("c", 2, "conflict"),
    ]


def test_what_is_recorded_with_rows_is_in_their_transaction(tmp_path: Path) -> None:
    """If this fails, a broker's position can be ahead of its events, which are then never read again."""
    log = known_log(tmp_path)
    size = log.head().size
    written: list[int] = []

    def failing(_: object) -> None:
        raise RuntimeError("no")

    part = handed(lines(row("a-1")), "a")
    run = Ingest(log, name="unused", entropy=entropy())
    try:
        run.take_together([Handed(rows=part.rows, name="a", record=failing)])
    except RuntimeError:
        written.append(log.head().size)
    assert written == [size]
    again = Handed(rows=part.rows, name="a", record=lambda _: written.append(-1))
    assert run.take_together([again])[0].counts.accepted == 1
    assert run.take_together([again])[0].counts.duplicates == 1, "a batch that adds nothing records its position too"
    assert written == [size, -1, -1]


@settings(max_examples=examples(20))
@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=4))
def test_together_is_what_one_after_the_other_is(sent: list[list[int]]) -> None:
    """If this fails, sharing a commit changes what becomes of somebody's events."""
    from tempfile import TemporaryDirectory

    def body(number: int) -> dict[str, object]:
        return row(f"e-{number // 2}", units=number % 2)

    def outcome(done: Acknowledged) -> tuple[object, ...]:
        counts = done.counts
        return (counts.accepted, counts.duplicates, counts.conflicts, done.keys, sorted(done.duplicates))

    with TemporaryDirectory() as folder:
        homes = [Path(folder) / name for name in ("one", "other")]
        for home in homes:
            home.mkdir()
        one, other = map(known_log, homes)
        parts = [handed(lines(*map(body, numbers)), str(n)) for n, numbers in enumerate(sent)]
        together = Ingest(one, name="-", entropy=entropy()).take_together(parts)
        alone = Ingest(other, name="-", entropy=entropy())
        assert [outcome(done) for done in together] == [outcome(alone.take_together([part])[0]) for part in parts]
        assert [event["event_id"] for event in events(one)] == [event["event_id"] for event in events(other)]
        one.close()
        other.close()
