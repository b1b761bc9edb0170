"""kill -9 at random moments: what was acknowledged is there, nothing is there twice, the root is the entries'."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ledger import leaf
from ledger.fsck import fsck
from ledger.log import Log
from tests.ledger.ingest.streams import known_log, lines, row
from tests.ledger.logs import log_in
from tests.support import ROOT

EVENTS = 20_000


def run_and_kill(store: str, anchor: str, events: Path, seconds: float) -> dict[str, int]:
    """Start an ingest, kill it after this long; what it said was acknowledged: index by event id."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.ingesting", store, anchor, str(events)],
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


def kill_often(folder: Path, times: int, seed: int) -> None:
    known_log(folder).close()
    events = folder / "events.ndjson"
    events.write_bytes(lines(*(row(f"e-{i:06d}", listener=f"u-{i % 500}") for i in range(EVENTS))))
    moments = random.Random(seed)
    acknowledged: dict[str, int] = {}
    for _ in range(times):
        said = run_and_kill(str(folder / "settle.db"), str(folder / "settle.anchor"), events, moments.uniform(0.0, 0.4))
        assert all(acknowledged.get(event_id, index) == index for event_id, index in said.items())
        acknowledged |= said
        log = log_in(folder)
        check(log, acknowledged)
        log.close()
    assert acknowledged


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    """If this fails, a crash loses or doubles a stream that a platform has a receipt for."""
    kill_often(tmp_path, 10, seed=1)


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    """If this fails, a rarer crash loses or doubles a stream."""
    kill_often(tmp_path, 200, seed=2)
