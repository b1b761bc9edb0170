"""Signed batches under way: a crash between a batch and its events, and two processes with the same file."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.log.append import batch_of
from ledger.log.fsck import fsck
from ledger.proofs import batch, canon, leaf, vector
from ledger.proofs.keys import PrivateKey
from service.log import batches, keys
from service.log.ingesting import Ingested, ingest_file
from service.log.sources import settle_source
from service.settlement import life
from service.settlement.restating import restate
from service.settlement.runs import check_again
from service.settlement.step import read_book
from service.settlement.stored import load
from tests.ledger.logs import event
from tests.service.month import Month, asked

KEY = PrivateKey.from_seed(b"p" * 32)


def signed_file(june: Month, folder: Path, count: int) -> tuple[Path, Path]:
    """A file of beta's and what beta signed over it; the log knows beta's key."""
    settle_source(june.ws, "beta", party="ann", public=KEY.public.raw.hex())
    rows = [
        {
            "source": "beta",
            "event_id": f"b-{n}",
            "track": "trk-1",
            "occurred_at": "2026-06-05T11:05:00Z",
            "territory": "SE",
            "units": 1,
        }
        for n in range(count)
    ]
    file, signed = folder / "beta.ndjson", folder / "beta.batch"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    batches.sign_file(file, KEY, source="beta", log=june.ws.log.origin, previous=None, out=signed)
    return file, signed


def test_a_crash_between_a_batch_and_its_events(june: Month, tmp_path: Path) -> None:
    """If this fails, a batch whose ingest broke off is lost, or its events can never be signed."""
    file, signed = signed_file(june, tmp_path, 20)
    batches.take(june.ws, file, signed, None)
    (cut_off,) = batches.show(june.ws)
    assert (cut_off.count, cut_off.here) == (20, 0)
    assert ingest_file(june.reopened(), file, batch_file=signed).accepted == 20
    (whole,) = batches.show(june.ws)
    assert (whole.count, whole.here) == (20, 20)


@pytest.mark.parametrize("changed", [{"party": "bob"}, {"signer": "operator"}, {"count": 19}, {"log": "elsewhere"}])
def test_a_label_is_asked_of_the_signature(june: Month, tmp_path: Path, changed: dict[str, Any]) -> None:
    """If this fails, a batch leaf of the operator's own making labels events as signed by a platform."""
    file, signed = signed_file(june, tmp_path, 2)
    found, envelope = batches.read(signed)
    if changed.get("signer"):
        changed = {"signer": june.ws.signer("operator").public.id}
    if "log" in changed:
        found = replace(found, log="example.org/elsewhere")
        envelope = batch.sign(found, KEY)
    hashes = batches.content_of(file, "beta", None).bodies
    made = batch.make(
        june.now, found, party="ann", signer=KEY.public.id, statement=envelope.digest, bodies=canon.digest(hashes)
    )
    forged = {name: value for name, value in changed.items() if name != "log"}
    june.ws.log.commit(batch_of([{**made, **forged}], [envelope.encode(), hashes]))
    assert batches.signers(june.ws.log) == {}
    index = june.ws.log.append(
        [event("b-0", source="beta", vector=june.digests["trk-1"], occurred_at="2026-06-05T11:05:00Z")]
    ).first
    assert batches.place_of(june.ws, index) is None


def test_the_same_batch_from_two_processes_at_once(june: Month, tmp_path: Path) -> None:
    """If this fails, a retry that overtakes the first attempt is refused as a forgery, or counts twice."""
    file, signed = signed_file(june, tmp_path, 400)
    answers: list[Ingested] = []
    together = threading.Barrier(3)

    def hand_in() -> None:
        ws = june.reopened()
        together.wait()
        answers.append(ingest_file(ws, file, batch_file=signed))
        ws.log.close()

    workers = [threading.Thread(target=hand_in) for _ in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert [(one.read, one.platform) for one in answers] == [(400, "signed by ann")] * 3
    assert sum(one.accepted for one in answers) == 400
    (shown,) = batches.show(june.ws)
    assert (shown.count, shown.here) == (400, 400)


# --- vectors that a platform declares (finding D2) ------------------------------------------------

THEIRS = {"sources": [{"recording": "rec-2", "ppm": 900_000}]}
OTHERS = {"sources": [{"recording": "rec-1", "ppm": 900_000}]}


def declaring_file(june: Month, folder: Path, *, declares: bool = True) -> tuple[Path, Path, dict[str, Any]]:
    """An event of beta's with a vector of its own for trk-3: the file, what beta signed over it, and its row."""
    settle_source(june.ws, "beta", party="ann", public=KEY.public.raw.hex(), declares=declares)
    row = {
        "source": "beta",
        "event_id": "b-1",
        "track": "trk-3",
        "occurred_at": "2026-06-05T11:05:00Z",
        "territory": "SE",
        "units": 1,
    }
    file, signed = folder / "beta.ndjson", folder / "beta.batch"
    file.write_text(json.dumps(row | {"vector": THEIRS}))
    batches.sign_file(file, KEY, source="beta", log=june.ws.log.origin, previous=None, out=signed)
    return file, signed, row


def declaring(june: Month, folder: Path, *, declares: bool = True, handed: dict[str, Any] | None = None) -> Ingested:
    """What comes of that event; what is `handed` in may name another vector than was signed."""
    file, signed, row = declaring_file(june, folder, declares=declares)
    if handed is not None:
        file.write_text(json.dumps(row | handed))
    return ingest_file(june.reopened(), file, batch_file=signed)


def june_of_beta(june: Month) -> dict[str, int]:
    """What each holder gets of a pool over beta's streams alone."""
    life.close(june.ws, "2026-06")
    result = life.run(june.ws, asked(params={"sources": "beta"}))
    return {line.holder: line.micros for line in result.lines}


def test_a_vector_that_a_platform_signed_for_pays_for_its_event(june: Month, tmp_path: Path) -> None:
    """If this fails, a platform cannot declare what a track was made of, though it signs for it."""
    done = declaring(june, tmp_path)
    assert (done.accepted, done.quarantined) == (1, 0)
    assert fsck(june.ws.log).problems == []
    assert june_of_beta(june) == {"bob": 900_000_000}


@pytest.mark.parametrize("handed", [{"vector": OTHERS}, {}], ids=["changed", "left out"])
def test_a_batch_whose_vectors_were_changed_is_refused_whole(
    june: Month, tmp_path: Path, handed: dict[str, Any]
) -> None:
    """If this fails (finding D2), whoever carries a signed file chooses who is paid for its streams."""
    size = june.ws.log.head().size
    with pytest.raises(VerificationError, match="signed over other vectors"):
        declaring(june, tmp_path, handed=handed)
    assert fsck(june.ws.log).ok
    assert not list(june.ws.log.entries(types={"batch"}, start=size))


def test_a_platform_that_may_not_declare_brings_no_vector(june: Month, tmp_path: Path) -> None:
    """If this fails, every platform that signs decides who is paid for tracks without a vector."""
    done = declaring(june, tmp_path, declares=False)
    assert (done.accepted, done.quarantined) == (0, 1)


def test_a_later_word_on_its_source_takes_no_declared_vector_back(june: Month, tmp_path: Path) -> None:
    """If this fails, events of a batch that broke off are refused for good once anything is said of their source."""
    file, signed, _ = declaring_file(june, tmp_path)
    batches.take(june.ws, file, signed, None)
    settle_source(june.ws, "beta", signed=True)
    done = ingest_file(june.reopened(), file, batch_file=signed)
    assert (done.accepted, done.quarantined) == (1, 0)
    assert june_of_beta(june) == {"bob": 900_000_000}


def test_a_right_to_declare_given_later_covers_no_earlier_batch(june: Month, tmp_path: Path) -> None:
    """If this fails, vectors get in that no run pays by, of a platform that might not declare when it signed."""
    file, signed, _ = declaring_file(june, tmp_path, declares=False)
    batches.take(june.ws, file, signed, None)
    settle_source(june.ws, "beta", declares=True)
    done = ingest_file(june.reopened(), file, batch_file=signed)
    assert (done.accepted, done.quarantined) == (0, 1)


def test_the_reading_asks_who_declared_a_vector(june: Month, tmp_path: Path) -> None:
    """If this fails (finding D2), a program that skips the check at the door pays by a vector nobody signed for."""
    declaring(june, tmp_path)
    envelope = vector.sign(vector.from_declared(OTHERS, track="trk-3"), june.ws.signer("attribution"))
    june.ws.log.append(
        [
            leaf.vector(june.now, track="trk-3", statement=envelope.digest, method="declared"),
            event("b-2", source="beta", track="trk-3", vector=envelope.digest, occurred_at="2026-06-05T11:05:00Z"),
        ],
        blobs=[envelope.encode()],
    )
    june.ws = june.reopened()
    reading = june.ws.log.reading()
    assert not reading.pays("trk-3", envelope.digest, reading.size, "beta")
    assert reading.pays("trk-3", envelope.digest, reading.size, "nobody's")
    assert any("finding D2" in problem for problem in fsck(june.ws.log).problems)
    assert june_of_beta(june) == {"bob": 450_000_000}


def revoked_from_before(june: Month) -> None:
    """Ann's key is revoked from before all that it signed."""
    keys.revoke(june.ws, KEY.public.id, until=1, by="operator")
    june.ws = june.reopened()


def test_a_key_revoked_from_before_its_batch_declared_nothing(june: Month, tmp_path: Path) -> None:
    """If this fails, whoever stole a platform's key is paid by the vectors it declared, after the key is revoked."""
    declaring(june, tmp_path)
    revoked_from_before(june)
    reading = june.ws.log.reading()
    assert fsck(june.ws.log).problems == []
    assert not any(reading.pays("trk-3", digest, reading.size, "beta") for _, digest in reading.vectors)
    assert june_of_beta(june) == {}


def test_a_run_keeps_to_what_was_revoked_before_its_close(june: Month, tmp_path: Path) -> None:
    """If this fails, an honest month is refused once a key is revoked later, or a restatement pays the thief again."""
    declaring(june, tmp_path)
    assert june_of_beta(june) == {"bob": 900_000_000}
    revoked_from_before(june)
    book = read_book(june.ws)
    (run,) = book.runs.values()
    check_again(june.ws, book, load(june.ws.log, run))
    life.approve(june.ws, run.run, "approver")
    life.publish(june.ws, run.run)
    (line,) = restate(june.ws, "2026-06").lines
    assert (line.holder, line.was_micros, line.now_micros) == ("bob", 900_000_000, 0)


def test_a_batch_that_broke_off_takes_no_more_events_once_its_key_is_revoked(june: Month, tmp_path: Path) -> None:
    """If this fails, an event enters that names a vector by which no run pays, and fsck refuses the honest log."""
    file, signed, _ = declaring_file(june, tmp_path)
    batches.take(june.ws, file, signed, None)
    revoked_from_before(june)
    with pytest.raises(VerificationError, match="revoked by now"):
        ingest_file(june.ws, file, batch_file=signed)
