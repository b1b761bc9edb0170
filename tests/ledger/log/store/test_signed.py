"""Signed batches in a log, on both stores: which events stand in them, through retries, replays and hand-edits."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.ingest import ndjson, quarantine
from ledger.ingest.acknowledged import Counts
from ledger.ingest.admission import Ingest
from ledger.ingest.carried import Admit
from ledger.ingest.signed import InOrder, Places, PlaceSearch, read_content
from ledger.log.append import Log, batch_of
from ledger.log.export import export
from ledger.log.fsck import fsck
from ledger.log.opening import open_log
from ledger.log.recover import Static, replay
from ledger.log.store import signed
from ledger.proofs import batch, canon, keyring, leaf, source, vector
from ledger.proofs.batch import BatchStatement
from ledger.proofs.keyring import Key
from tests.ledger.ingest.streams import entropy, lines, row
from tests.ledger.log.store.both import Place
from tests.ledger.logs import KEY, ORIGIN
from tests.ledger.world import seeded

PLATFORM = seeded("platform")
OPERATOR = seeded("operator")
ATTRIBUTION = seeded("attribution")
TRUSTED = [
    Key(role="log", party="operator", public=KEY.public),
    Key(role="operator", party="operator", public=OPERATOR.public),
    Key(role="attribution", party="operator", public=ATTRIBUTION.public),
]
ASSIGNED = vector.sign(vector.from_declared({"sources": []}, track="trk-1"), ATTRIBUTION)


def prepared(place: Place, *, must: bool = False) -> Log:
    """A log that knows a track, a source and its platform's key."""
    log = place.open()
    now = log.clock()
    log.append(
        [
            leaf.make("track", now, id="trk-1"),
            leaf.assign(now, track="trk-1", vector=ASSIGNED.digest, signer=ATTRIBUTION),
            keyring.add(now, signer=OPERATOR, role="platform", party="p-acme", public=PLATFORM.public),
            source.make(now, source="acme", party="p-acme", signed=must, signer=OPERATOR),
        ],
        blobs=[ASSIGNED.encode()],
    )
    return log


def blocks(data: bytes) -> Any:
    return ndjson.read(io.BytesIO(data), "june")


def took(
    log: Log, data: bytes, number: int = 1, previous: str | None = None, origin: str | None = None, **leaves: Any
) -> tuple[int, bytes, str]:
    """A signed batch taken into the log: its leaf's index, its hashes, its statement."""
    hashes = read_content(blocks(data), "june", "acme").bodies
    found = BatchStatement(
        source="acme", number=number, previous=previous, count=len(hashes) // 32, root=batch.root_of(hashes), log=origin
    )
    envelope = batch.sign(found, PLATFORM)
    made = batch.make(
        log.clock(),
        found,
        party="p-acme",
        signer=PLATFORM.public.id,
        statement=envelope.digest,
        bodies=canon.digest(hashes),
    )
    index = log.commit(batch_of([{**made, **leaves}], [envelope.encode(), hashes])).first
    return index, hashes, envelope.digest


def take(log: Log, data: bytes, places: Places | None = None, admit: Admit | None = None) -> Counts:
    run = Ingest(log, name="june", entropy=entropy(), places=places, admit=admit)
    for rows in blocks(data):
        run.take(rows)
    return run.counts


def signed_rows(log: Log) -> list[signed.Row]:
    with log.store.reading() as connection:
        return list(signed.ranges(connection, 0, log.head().size).rows)


def test_events_of_a_batch_stand_in_it(place: Place) -> None:
    """If this fails, what a platform signed is not known as signed, or a retry counts it twice."""
    log = prepared(place)
    data = lines(*(row(f"e-{i}") for i in range(12_000)))
    index, hashes, _ = took(log, data)
    done = take(log, data, InOrder(index, hashes))
    again = take(log, data, InOrder(index, hashes))
    assert (done.accepted, again.accepted, again.duplicates) == (12_000, 0, 12_000)
    rows = signed_rows(log)
    assert signed.compress((i, index, i - index - 1) for i in range(index + 1, index + 12_001)) == [
        (rows[0][0], rows[-1][1], index, 0)
    ]
    assert [row[0] for row in rows[1:]] == [row[1] for row in rows[:-1]]
    examined = fsck(trusting(place))
    assert examined.ok, examined.problems


def trusting(place: Place) -> Log:
    """The log as one opens it who knows its first keys."""
    log = place.open(check=False)
    return Log(log.store, log.anchor, origin=log.origin, signer=KEY, clock=place.clock, trusted=TRUSTED)


def test_what_came_unsigned_before_is_signed_by_a_later_batch(place: Place) -> None:
    """If this fails, a platform cannot put its name to what it had handed in without."""
    log = prepared(place)
    take(log, lines(row("e-1"), row("e-2", units=7), row("e-3")))
    data = lines(row("e-0"), row("e-1"), row("e-2"), row("e-3"))
    index, hashes, _ = took(log, data)
    counts = take(log, data, InOrder(index, hashes))
    assert (counts.accepted, counts.duplicates, counts.conflicts) == (1, 2, 1)
    placed = signed.Ranges(signed_rows(log))
    assert [placed.find(i) for i in (5, 6, 7, 9)] == [(index, 1), None, (index, 3), (index, 0)]
    assert fsck(trusting(place)).ok


def test_a_source_is_what_its_operator_says(place: Place) -> None:
    """If this fails, whoever holds the log's key alone lets unsigned events in for a source that must sign."""
    prepared(place, must=True)
    log = trusting(place)
    thief = log.append([source.make(log.clock(), source="acme", party=None, signed=False, signer=KEY)]).first
    assert take(log, lines(row("e-1"))).quarantined == 1
    examined = fsck(log)
    assert [problem for problem in examined.problems if f"entry {thief}: the source leaf is void" in str(problem)]


@pytest.mark.parametrize("in_batch", [True, False])
def test_a_registered_sources_event_brings_no_vector(place: Place, in_batch: bool) -> None:
    """If this fails, whoever handles a platform's file, signed or not, adds who is paid for its streams."""
    log = prepared(place)
    log.append([leaf.make("track", log.clock(), id="trk-2")])
    plain = [row("e-1", track="trk-2"), row("e-2", track="trk-2")]
    altered = lines(plain[0] | {"vector": {"sources": [{"recording": "rec-2", "ppm": 1_000_000}]}}, plain[1])
    index, hashes, _ = took(log, lines(*plain))
    counts = take(
        log,
        altered,
        InOrder(index, hashes) if in_batch else None,
        admit=lambda declared, _territory: vector.sign(declared, ATTRIBUTION),
    )
    assert (counts.accepted, counts.unresolved, counts.quarantined) == (1, 1, 1)
    assert not list(log.entries(types=["vector"]))
    assert take(log, lines(plain[0]), PlaceSearch({"acme": [(index, canon.digest(hashes))]}, log.blob)).accepted == 1


def test_a_replayed_row_finds_its_place(place: Place) -> None:
    """If this fails, a signed event whose track was registered late counts as unsigned for ever."""
    log = prepared(place, must=True)
    data = lines(row("e-1"), row("e-2", track="trk-2"), row("e-3"))
    index, hashes, _ = took(log, data)
    assert take(log, data, InOrder(index, hashes)).quarantined == 1
    log.append([leaf.make("track", log.clock(), id="trk-2")])
    known: Mapping[str, Any] = {"acme": [(index, canon.digest(hashes))]}
    changed = lines(row("e-2", track="trk-2", units=9))
    assert take(log, changed, PlaceSearch(known, log.blob)).quarantined == 1
    assert take(log, lines(row("e-2", track="trk-2")), PlaceSearch(known, log.blob)).accepted == 1
    assert signed.Ranges(signed_rows(log)).find(log.head().size - 1) == (index, 1)
    assert fsck(trusting(place)).ok


def test_recovery_knows_again_what_was_signed(place: Place, tmp_path: Path) -> None:
    """If this fails, a log that was mended from its export calls signed events unsigned."""
    log = prepared(place)
    take(log, lines(row("e-1"), row("e-2")))
    data = lines(row("e-0"), row("e-1"), row("e-2", units=9), row("e-4"))
    index, hashes, _ = took(log, data)
    take(log, data, InOrder(index, hashes))
    before = signed_rows(log)
    export(log, tmp_path / "export")
    place.clock.advance(seconds=1)
    again = open_log(
        tmp_path / "again.db",
        origin=ORIGIN,
        signer=KEY,
        anchor=tmp_path / "again.anchor",
        clock=place.clock,
        check=False,
    )
    replay(again, Static.open(tmp_path / "export", ORIGIN, TRUSTED))
    assert (
        signed_rows(again)
        == before
        == [(5, 6, index, 1), (index + 1, index + 2, index, 0), (index + 2, index + 3, index, 3)]
    )
    again.close()


def test_a_source_that_must_sign(place: Place) -> None:
    """If this fails, unsigned events slip in under the name of a platform that signs all of its own."""
    log = prepared(place)
    assert take(log, lines(row("e-1"))).accepted == 1
    log.append([source.make(log.clock(), source="acme", party="p-acme", signed=True, signer=OPERATOR)])
    counts = take(log, lines(row("e-1"), row("e-2"), row("e-3", source="other")))
    assert (counts.accepted, counts.duplicates, counts.quarantined) == (1, 1, 1)
    with log.store.reading() as connection:
        (kept,) = quarantine.listed(connection)
    assert (kept.kind, "p-acme signed" in kept.reason) == ("source", True)


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        ({"count": 3}, "says otherwise than the statement"),
        ({"party": "p-other"}, "did not speak for source acme"),
        ({"signer": "ab" * 32}, "was no platform key"),
        ({"bodies": "ab" * 32}, "nothing is kept under digest"),
        ({"number": 2, "previous": "ab" * 32}, "batch 1 is missing"),
        ({"origin": "example.org/other"}, "was signed for log example.org/other"),
    ],
    ids=str,
)
def test_fsck_names_a_false_batch(place: Place, leaves: dict[str, Any], said: str) -> None:
    """If this fails, an operator can write batches into the log that no platform signed."""
    log = prepared(place)
    index, _, _ = took(log, lines(row("e-1"), row("e-2")), **leaves)
    found = fsck(trusting(place))
    assert (found.ok, found.first_bad) == (False, index)
    assert said in found.problems[0]


def test_fsck_names_an_event_that_was_not_signed(place: Place) -> None:
    """If this fails, whoever edits the projection makes unsigned events look signed."""
    log = prepared(place)
    data = lines(row("e-1"), row("e-2"))
    index, hashes, statement = took(log, data)
    take(log, data, InOrder(index, hashes))
    take(log, lines(row("e-3")))
    took(log, lines(row("e-9")), 3, statement)
    place.edit(f"INSERT INTO log_signed VALUES ({index + 3}, {index + 4}, {index}, 1)")  # noqa: S608  our own numbers
    found = fsck(trusting(place))
    assert (found.ok, found.first_bad) == (False, index + 3)
    assert any(f"entry {index + 3} does not say what stands at 1" in problem for problem in found.problems)
    assert any("batch 2 is missing" in problem for problem in found.problems)


def test_a_batch_that_does_not_hold_what_comes_is_refused_whole(place: Place) -> None:
    """If this fails, a file that differs from what was signed is half believed."""
    log = prepared(place)
    index, hashes, _ = took(log, lines(row("e-1"), row("e-2")))
    size = log.head().size
    with pytest.raises(VerificationError, match="changed while its file was read"):
        take(log, lines(row("e-1"), row("e-2", units=2)), InOrder(index, hashes))
    assert log.head().size == size
