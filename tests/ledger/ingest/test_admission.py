"""Ingest as a platform sees it: what is accepted, what is answered again, what is refused and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError
from ledger.ingest import ndjson, quarantine
from ledger.ingest.admission import Ingest
from ledger.ingest.blocks import LineBlock
from ledger.log.append import Log
from ledger.proofs import canon, leaf, vector
from ledger.proofs.dsse import Envelope
from ledger.types import InfluenceVector
from tests.ledger.ingest.streams import VECTOR, entropy, events, known_log, lines, row, take
from tests.ledger.logs import KEY, log_in


def counted(log: Log, data: bytes) -> tuple[int, ...]:
    """(read, accepted, unresolved, duplicates, conflicts, quarantined), which must reconcile."""
    counts = take(log, data)
    assert counts.read == counts.accepted + counts.duplicates + counts.conflicts + counts.quarantined
    return counts.read, counts.accepted, counts.unresolved, counts.duplicates, counts.conflicts, counts.quarantined


def reasons(log: Log) -> list[tuple[str, int, str]]:
    with log.store.reading() as connection:
        return [(kept.kind, kept.line, kept.reason) for kept in quarantine.listed(connection)]


def test_an_event_is_bound_to_its_tracks_vector(tmp_path: Path) -> None:
    """If this fails, an event pays by no vector, or by another track's."""
    log = known_log(tmp_path)
    assert counted(log, lines(row("e-1"), row("e-2", track="trk-2"))) == (2, 2, 1, 0, 0, 0)
    assert [event["vector"] for event in events(log)] == [VECTOR, None]


def test_leaves_are_canonical_whatever_the_strings(tmp_path: Path) -> None:
    """If this fails, the quick encoder writes leaves that no verifier would read."""
    log = known_log(tmp_path)
    ids = ['quote"d', "back\\slash", "snow☃man", "😀", "/slash/", "\u00e9t\u00e9", "<&>'`"]
    assert counted(log, lines(*(row(one, product=one) for one in ids)))[1] == len(ids)
    for entry in log.entries(types=["event"]):
        assert leaf.encode(leaf.decode(entry.body)) == entry.body
    assert [event["event_id"] for event in events(log)] == ids


def test_a_discarded_row_that_comes_again_waits_again(tmp_path: Path) -> None:
    """If this fails, a row that was closed once stays out of sight for ever, or closed though it was taken."""
    log, data = known_log(tmp_path), lines(row("e-1", track="trk-new"))
    take(log, data)
    with log.store.writing() as tx:
        assert quarantine.discard(tx, [1], "discarded by bo: no") == 1
    assert reasons(log) == []
    take(log, data)
    ((kind, line, reason),) = reasons(log)
    assert (kind, line) == ("unknown-track", 1)
    assert reason.endswith("(discarded by bo: no)")
    with log.store.writing() as tx:
        quarantine.discard(tx, [1], "again")
    log.append([leaf.make("track", log.clock(), id="trk-new")])
    assert counted(log, data)[1] == 1
    with log.store.reading() as connection:
        assert quarantine.one(connection, 1).state == "replayed"


@pytest.mark.parametrize("number", [-1, 0, 7, 2**63, 10**20])
def test_an_id_that_no_row_can_have_is_refused(tmp_path: Path, number: int) -> None:
    """If this fails, a slip in a row's id ends in a traceback."""
    log = known_log(tmp_path)
    for read in (quarantine.one, quarantine.raw_of):
        with log.store.reading() as connection, pytest.raises(InputError, match="in quarantine"):
            read(connection, number)


def test_an_assignment_binds_later_events_only(tmp_path: Path) -> None:
    """If this fails, a correction rewrites what was bound before it."""
    log = known_log(tmp_path)
    take(log, lines(row("e-1")))
    log.append([leaf.assign(log.clock(), track="trk-1", vector="cd" * 32, signer=KEY)])
    take(log, lines(row("e-2")))
    assert [event["vector"] for event in events(log)] == [VECTOR, "cd" * 32]


def test_an_assignment_made_meanwhile_is_seen(tmp_path: Path) -> None:
    """If this fails, a running ingest goes on binding to a vector that another process has replaced."""
    log, other = known_log(tmp_path), log_in(tmp_path)
    run = Ingest(log, name="x", entropy=entropy())
    run.take(ndjson.decode(LineBlock(1, lines(row("e-1")), 0)))
    other.append([leaf.assign(log.clock(), track="trk-1", vector="cd" * 32, signer=KEY)])
    run.take(ndjson.decode(LineBlock(1, lines(row("e-2")), 0)))
    assert [event["vector"] for event in events(log)] == [VECTOR, "cd" * 32]


def test_a_file_sent_again_changes_nothing(tmp_path: Path) -> None:
    """If this fails, a resumed or repeated ingest pays streams twice."""
    log = known_log(tmp_path)
    data = lines(*(row(f"e-{i}") for i in range(20)))
    counted(log, data)
    head = log.head()
    assert counted(log, data) == (20, 0, 0, 20, 0, 0)
    assert log.head() == head


def test_a_broken_off_file_is_resumed(tmp_path: Path) -> None:
    """If this fails, what was acknowledged before a break is lost or doubled afterwards."""
    log = known_log(tmp_path)
    data = lines(*(row(f"e-{i}") for i in range(20)))
    counted(log, data[: len(data) // 2].rpartition(b"\n")[0])
    _, accepted, _, duplicates, _, _ = counted(log, data)
    assert (accepted + duplicates, len(events(log))) == (20, 20)


def test_the_listener_is_no_part_of_the_body(tmp_path: Path) -> None:
    """If this fails, erasing or re-keying listeners turns honest repeats into conflicts."""
    log = known_log(tmp_path)
    assert counted(log, lines(row("e-1"), row("e-1", listener="someone else"), row("e-1", listener=None)))[3] == 2


def test_the_same_instant_in_another_zone_is_the_same_body(tmp_path: Path) -> None:
    """If this fails, two spellings of one time are two events."""
    log = known_log(tmp_path)
    assert counted(log, lines(row("e-1"), row("e-1", occurred_at="2026-06-03T13:05:00.25+02:00")))[3] == 1
    assert events(log)[0]["occurred_at"] == "2026-06-03T11:05:00Z"


def test_another_body_is_a_conflict_and_is_kept(tmp_path: Path) -> None:
    """If this fails, a platform can change what it has reported, or its change is lost without a trace."""
    log = known_log(tmp_path)
    take(log, lines(row("e-1")))
    assert counted(log, lines(row("e-1", units=2), row("e-2"), row("e-2", territory="DE"))) == (3, 1, 0, 0, 2, 0)
    assert reasons(log) == [
        ("conflict", 1, "entry 4 has this event id with another body"),
        ("conflict", 3, "line 2 has this event id with another body"),
    ]
    assert events(log)[0]["units"] == 1


def test_sources_do_not_share_ids(tmp_path: Path) -> None:
    """If this fails, one platform's event hides another's."""
    log = known_log(tmp_path)
    assert counted(log, lines(row("e-1"), row("e-1", source="other")))[1] == 2


def test_unknown_tracks_wait_and_are_replayed(tmp_path: Path) -> None:
    """If this fails, events that came before their track are lost."""
    log = known_log(tmp_path)
    data = lines(row("e-1", track="trk-9"), row("e-2"))
    assert counted(log, data) == (2, 1, 0, 0, 0, 1)
    assert reasons(log)[0][:2] == ("unknown-track", 1)
    log.append([leaf.make("track", log.clock(), id="trk-9")])
    assert counted(log, data) == (2, 1, 1, 1, 0, 0)


def test_a_row_lies_in_quarantine_once(tmp_path: Path) -> None:
    """If this fails, sending a file again fills the quarantine."""
    log = known_log(tmp_path)
    for _ in range(3):
        assert counted(log, lines(row("e-1", units=-1)))[5] == 1
    assert len(reasons(log)) == 1


def test_conflicts_and_bad_rows_cost_no_good_row(tmp_path: Path) -> None:
    """If this fails, one bad row takes its neighbours with it."""
    log = known_log(tmp_path)
    take(log, lines(row("e-0")))
    bad: list[dict[str, Any] | bytes] = [
        b"{",
        row("x", units=1.5),
        row("x", units=-1),
        row("e-0", units=9),
        row("y", track="nobody"),
    ]
    good: list[dict[str, Any] | bytes] = [row(f"e-{i}") for i in range(1, 6)]
    mixed = [one for pair in zip(bad, good, strict=True) for one in pair]
    assert counted(log, lines(*mixed)) == (10, 5, 0, 0, 1, 4)


# --- vectors that events carry -----------------------------------------------------------------


def signing(found: InfluenceVector, _territory: str) -> Envelope:
    return vector.sign(found, KEY)


def test_a_carried_vector_is_signed_logged_and_bound(tmp_path: Path) -> None:
    """If this fails, an event's own vector pays without evidence in the log."""
    log = known_log(tmp_path)
    declared = {"sources": [{"recording": "rec-1", "ppm": 600_000}]}
    counts = take(
        log,
        lines(row("e-1", track="trk-2", vector=declared), row("e-2", track="trk-2", vector=declared)),
        admit=signing,
    )
    assert (counts.accepted, counts.quarantined) == (2, 0)
    logged = [leaf.decode(entry.body) for entry in log.entries(types=["vector"])]
    assert len(logged) == 1
    assert [event["vector"] for event in events(log)] == [logged[0]["statement"]] * 2
    found = vector.read_statement(log.blob(logged[0]["statement"]))
    assert (found.track, found.method, found.recording.unattributed) == ("trk-2", "declared", 400_000)


def test_a_carried_vector_belongs_to_the_body(tmp_path: Path) -> None:
    """If this fails, a platform can change the vector of an event it has reported."""
    log = known_log(tmp_path)
    declared = {"sources": [{"recording": "rec-1", "ppm": 600_000}]}
    take(log, lines(row("e-1", track="trk-2", vector=declared)), admit=signing)
    changed = {"sources": [{"recording": "rec-1", "ppm": 600_001}]}
    again = [row("e-1", track="trk-2", vector=one) for one in (declared, changed)]
    counts = take(log, lines(*again), admit=signing)
    assert (counts.duplicates, counts.conflicts) == (1, 1)


def test_a_refused_vector_quarantines_its_event(tmp_path: Path) -> None:
    """If this fails, an event pays by a vector whose source forbids it."""

    def refusing(_found: InfluenceVector, _territory: str) -> Envelope:
        raise InputError("vector: rec-1: ann denies it")

    log = known_log(tmp_path)
    declared = {"sources": [{"recording": "rec-1", "ppm": 600_000}]}
    counts = take(log, lines(row("e-1", track="trk-2", vector=declared), row("e-2")), admit=refusing)
    assert (counts.accepted, counts.quarantined) == (1, 1)
    assert reasons(log) == [("vector", 1, "vector: rec-1: ann denies it")]


def test_a_carried_vector_never_overrides_an_assignment(tmp_path: Path) -> None:
    """If this fails, whoever writes an event file chooses whom an attributed track pays."""
    log = known_log(tmp_path)
    declared = {"sources": [{"recording": "rec-1", "ppm": 600_000}]}
    take(log, lines(row("e-1", track="trk-2", vector=declared)), admit=signing)
    log.append([leaf.assign(log.clock(), track="trk-2", vector=VECTOR, signer=KEY)])
    again = take(log, lines(row("e-1", track="trk-2", vector=declared)), admit=signing)
    assert again.duplicates == 1, "what was taken before the assignment is known still"
    counts = take(log, lines(row("e-2", track="trk-2", vector=declared)), admit=signing)
    assert (counts.accepted, counts.quarantined) == (0, 1)
    assert "pays by the vector assigned to it" in reasons(log)[0][2]


def test_without_a_signer_carried_vectors_are_refused(tmp_path: Path) -> None:
    """If this fails, unsigned vectors enter the log."""
    log = known_log(tmp_path)
    assert take(log, lines(row("e-1", vector={"sources": []}))).quarantined == 1


@pytest.mark.parametrize("size", [1, 7, 300, 5000])
def test_however_it_is_cut_the_log_is_the_same(tmp_path: Path, size: int) -> None:
    """If this fails, the size of a read decides what is in the log."""
    import io

    log = known_log(tmp_path)
    data = lines(*(row(f"e-{i}", track=("trk-1", "trk-2")[i % 2], listener=None) for i in range(40)))
    run = Ingest(log, name="x", entropy=entropy())
    from ledger.ingest.blocks import read_blocks

    for block in read_blocks(io.BytesIO(data), "x", size):
        assert isinstance(block, LineBlock)
        run.take(ndjson.decode(block))
    assert [canon.digest(entry.body) for entry in log.entries(types=["event"])] == [
        canon.digest(entry.body) for entry in _reference(tmp_path / "other", data).entries(types=["event"])
    ]


def _reference(folder: Path, data: bytes) -> Log:
    folder.mkdir()
    log = known_log(folder)
    take(log, data)
    return log
