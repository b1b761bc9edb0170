"""kill -9 at random moments: what was acknowledged is there, nothing is there twice, the root is the entries'."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ledger import leaf
from ledger.errors import TransientError
from ledger.fsck import fsck
from ledger.ingest import ndjson
from ledger.ingest.blocks import Block
from ledger.ingest.run import Ingest
from ledger.log import Log
from tests.ledger.ingest.streams import entropy, lines, row
from tests.ledger.store.both import STORES, Place, places
from tests.postgres import own_server
from tests.support import ROOT

EVENTS = 20_000


def run_and_kill(store: str, anchor: str, events: Path, seconds: float) -> dict[str, int]:
    """Start an ingest, kill it after this long; what it said was acknowledged: index by event id."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.ingesting", store, anchor, str(events), "forever"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    first = child.stdout.readline()
    if first != "ready\n":
        pytest.fail(child.stderr.read())
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(child.stdout or ()))
    reader.start()
    time.sleep(seconds)
    child.kill()
    child.wait()
    reader.join()
    child.stdout.close()
    child.stderr.close()
    whole = [line.split() for line in said if line.endswith("\n")]
    return {event_id: int(index) for event_id, index in whole}


def check(log: Log, acknowledged: dict[str, int]) -> None:
    """Every acknowledged event stands where it was said to; fsck recomputes root, ids and tiles."""
    found = fsck(log)
    assert found.ok, found.problems
    assert found.root == log.check().root.hex()
    places = {leaf.decode(one.body)["event_id"]: one.index for one in log.entries(types=["event"])}
    assert sum(1 for _ in log.entries(types=["event"])) == len(places)
    assert acknowledged.items() <= places.items()


def kill_often(place: Place, folder: Path, times: int, seed: int) -> None:
    log = place.open()
    now = log.clock()
    log.append([leaf.make("track", now, id="trk-1")])
    place.close()
    path = folder / "events.ndjson"
    path.write_bytes(lines(*(row(f"e-{i:06d}", listener=f"u-{i % 500}") for i in range(EVENTS))))
    moments = random.Random(seed)
    acknowledged: dict[str, int] = {}
    for _ in range(times):
        said = run_and_kill(place.store, place.anchor, path, moments.uniform(0.0, 0.4))
        assert all(acknowledged.get(event_id, index) == index for event_id, index in said.items())
        acknowledged |= said
        check(place.open(), acknowledged)
        place.close()
    assert acknowledged


@pytest.mark.parametrize("kind", STORES)
def test_ten_kills_lose_nothing(tmp_path: Path, kind: str) -> None:
    """If this fails, a crash loses or doubles a stream that a platform has a receipt for."""
    for place in places(kind, tmp_path):
        kill_often(place, tmp_path, 10, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", STORES)
def test_two_hundred_kills_lose_nothing(tmp_path: Path, kind: str) -> None:
    """If this fails, a rarer crash loses or doubles a stream."""
    for place in places(kind, tmp_path):
        kill_often(place, tmp_path, 200, seed=2)


@pytest.mark.postgres
def test_a_server_killed_under_load_loses_nothing(tmp_path: Path) -> None:
    """If this fails, a crash of the database server loses an acknowledged stream, or stops the log for good."""
    with own_server() as server:
        place = Place("postgres", server.url, str(tmp_path / "settle.anchor"))
        log = place.open()
        log.append([leaf.make("track", log.clock(), id="trk-1")])
        acknowledged: dict[str, int] = {}
        for attempt in range(6):
            batch = [row(f"e-{attempt}-{i}", listener=None) for i in range(2000)]
            killer = threading.Timer(0.05 * attempt, server.stop, ["immediate"])
            killer.start()
            run = Ingest(log, name="x", entropy=entropy())
            with contextlib.suppress(TransientError):
                for start in range(0, len(batch), 100):
                    done = run.take(ndjson.decode(Block(1, lines(*batch[start : start + 100]), 0)))
                    acknowledged |= {event_id: index for _, event_id, index in done.accepted}
            killer.join()
            server.start()
            check(log, acknowledged)
        place.close()
