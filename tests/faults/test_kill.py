"""kill -9 at random moments: what was acknowledged is there, nothing is there twice, the root is the entries'."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from ledger.errors import TransientError
from ledger.ingest import ndjson
from ledger.ingest.admission import Ingest
from ledger.ingest.blocks import LineBlock
from ledger.log.append import Log
from ledger.log.fsck import fsck
from ledger.log.store import queries
from ledger.proofs import leaf
from tests.faults.ingesting import for_ever
from tests.ledger.ingest.streams import entropy, lines, row
from tests.ledger.log.store.both import STORES, Place, places
from tests.postgres import own_server

FULL_CHECK_EVERY = 25
"""Kills from one reading of every entry to the next; after each kill, what opening checks and what was acknowledged."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["tests.faults.ingesting", "ledger.log.store.postgres", "psycopg"]
)  # so that a child costs a fork, not an interpreter


def run_and_kill(place: Place, number: int, seconds: float) -> dict[str, int]:
    """Start an ingest, kill it after this long; what it said was acknowledged: index by event id."""
    receiving, sending = FORKS.Pipe(duplex=False)
    child = FORKS.Process(target=for_ever, args=(sending, place.store, place.anchor, number))
    child.start()
    sending.close()
    said = [receiving.recv_bytes()]  # it is open, and nothing has been sent
    until = time.monotonic() + seconds
    with receiving, contextlib.suppress(EOFError, OSError):  # the end, or a message that the kill cut off
        while (left := until - time.monotonic()) > 0:
            if receiving.poll(left):
                said.append(receiving.recv_bytes())
        child.kill()
        while True:
            said.append(receiving.recv_bytes())
    child.join()
    assert child.exitcode == -signal.SIGKILL
    words = b"".join(said).decode().split()
    return {event_id: int(index) for event_id, index in zip(words[::2], words[1::2], strict=True)}


def check(log: Log, acknowledged: dict[str, int]) -> None:
    """Every acknowledged event stands where it was said to; fsck recomputes root, ids and tiles."""
    found = fsck(log)
    assert found.ok, found.problems
    assert found.root == log.check().root.hex()
    places = {leaf.decode(one.body)["event_id"]: one.index for one in log.entries(types=["event"])}
    assert sum(1 for _ in log.entries(types=["event"])) == len(places)
    assert acknowledged.items() <= places.items()


def stands(log: Log, acknowledged: dict[str, int]) -> None:
    """The log opens, and these events are where they were said to be."""
    with log.store.reading() as connection:
        found = queries.find_events(connection, "acme", list(acknowledged))
    assert found == acknowledged


def kill_often(place: Place, times: int, seed: int) -> None:
    log = place.open()
    log.append([leaf.make("track", log.clock(), id="trk-1")])
    place.close()
    moments = random.Random(seed)
    acknowledged: dict[str, int] = {}
    for number in range(times):
        said = run_and_kill(place, number, moments.uniform(0.0, 0.2))
        assert all(acknowledged.get(event_id, index) == index for event_id, index in said.items())
        acknowledged |= said
        log = place.open()
        if (number + 1) % FULL_CHECK_EVERY and number + 1 < times:
            stands(log, said)
        else:
            check(log, acknowledged)
        place.close()
    assert len(acknowledged) >= times


@pytest.mark.parametrize("kind", STORES)
def test_ten_kills_lose_nothing(tmp_path: Path, kind: str) -> None:
    """If this fails, a crash loses or doubles a stream that a platform has a receipt for."""
    for place in places(kind, tmp_path):
        kill_often(place, 10, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", STORES)
def test_two_hundred_kills_lose_nothing(tmp_path: Path, kind: str) -> None:
    """If this fails, a rarer crash loses or doubles a stream."""
    for place in places(kind, tmp_path):
        kill_often(place, 200, seed=2)


@pytest.mark.postgres
def test_a_server_killed_under_load_loses_nothing(tmp_path: Path) -> None:
    """If this fails, a crash of the database server loses an acknowledged stream, or stops the log for good."""
    with own_server() as server:
        place = Place("postgres", server.url, str(tmp_path / "settle.anchor"))
        log = place.open()
        log.append([leaf.make("track", log.clock(), id="trk-1")])
        acknowledged: dict[str, int] = {}
        for attempt in range(4):
            batch = [row(f"e-{attempt}-{i}", listener=None) for i in range(2000)]
            killer = threading.Timer(0.05 * attempt, server.kill)
            killer.start()
            run = Ingest(log, name="x", entropy=entropy())
            with contextlib.suppress(TransientError):
                for start in range(0, len(batch), 100):
                    done = run.take(ndjson.decode(LineBlock(1, lines(*batch[start : start + 100]), 0)))
                    acknowledged |= {event_id: index for _, event_id, index in done.accepted}
            killer.join()
            server.start()
            check(log, acknowledged)
        place.close()
