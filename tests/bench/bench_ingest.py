"""Ingest end to end, from an NDJSON file to acknowledged events, beside a floor and two peers in the same run.

The floor is a bare `sqlite3.executemany` of rows of the same size; the peers are pymerkle's append
(a tree in SQLite without ids, chain or signatures) and one Ed25519 signature per event. Each runs
in a process of its own, so that its memory is its own too.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.ingest import ndjson
from ledger.ingest.admission import ingest
from ledger.log.opening import open_log
from ledger.proofs import leaf, vector
from ledger.proofs.vector import from_declared
from tests.ledger.logs import KEY, ORIGIN, TickingClock
from tests.support import ROOT

pytestmark = pytest.mark.bench

EVENTS = 500_000
TRACKS = 1_000
LISTENERS = 50_000
BATCH = 5_000


def write_events(path: Path, count: int) -> None:
    with path.open("w") as out:
        for i in range(count):
            row = {
                "source": "acme",
                "event_id": f"e-{i:08d}",
                "track": f"trk-{i * 7919 % TRACKS}",
                "occurred_at": f"2026-06-{1 + i % 30:02d}T{i % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d}Z",
                "territory": ("SE", "DE", "FR", "US")[i % 4],
                "product": "premium",
                "units": 1,
                "gross_micros": 4200,
                "currency": "EUR",
                "listener": f"u-{i * 31 % LISTENERS}",
            }
            out.write(json.dumps(row) + "\n")


def settle(events: Path, folder: Path) -> None:
    """Our ingest: tracks of five sources, each with a signed vector assigned."""
    clock = TickingClock()
    store = os.environ.get("SETTLE_BENCH_STORE") or str(folder / "settle.db")
    log = open_log(store, origin=ORIGIN, signer=KEY, anchor=folder / "settle.anchor", clock=clock)
    leaves, blobs = [], []
    for i in range(TRACKS):
        sources = [{"recording": f"rec-{(i * 5 + k) % 3000}", "ppm": 150_000 + k} for k in range(5)]
        statement = vector.sign(from_declared({"track": f"trk-{i}", "sources": sources}), KEY)
        blobs.append(statement.encode())
        leaves.append(leaf.make("track", clock(), id=f"trk-{i}"))
        leaves.append(leaf.vector(clock(), track=f"trk-{i}", statement=statement.digest, method="declared"))
        leaves.append(leaf.assign(clock(), track=f"trk-{i}", vector=statement.digest, signer=KEY))
    log.append(leaves, blobs=blobs)
    started()
    with events.open("rb") as file:
        counts = ingest(log, ndjson.read(file, events.name), name=events.name, entropy=os.urandom)
    assert counts.accepted == EVENTS


def bare_sqlite(_events: Path, folder: Path) -> None:
    """Rows of the size of our leaves, in batches as large, as durable, without index, guard or hash."""
    database = sqlite3.connect(folder / "bare.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE entry (idx INTEGER PRIMARY KEY, type TEXT, body BLOB)")
    body = b"x" * 330
    started()
    for start in range(0, EVENTS, BATCH):
        database.execute("BEGIN IMMEDIATE")
        rows = [(i, "event", body) for i in range(start, start + BATCH)]
        database.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)
        database.execute("COMMIT")
    database.close()


def pymerkle_append(_events: Path, folder: Path) -> None:
    """A Merkle tree of the same entries, kept by pymerkle; its entries have no ids and its roots no signatures."""
    from pymerkle import SqliteTree

    tree = SqliteTree(str(folder / "pymerkle.db"), algorithm="sha256")
    started()
    for start in range(0, EVENTS, BATCH):
        tree.append_entries([b"%0330d" % i for i in range(start, start + BATCH)], chunksize=BATCH)
        tree.get_state()


def signing(_events: Path, _folder: Path) -> None:
    """One Ed25519 signature per event and nothing else; a tenth of the events, times ten."""
    body = b"x" * 330
    started()
    for _ in range(EVENTS // 10):
        KEY.sign(body)


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "settle ingest": settle,
    "bare sqlite3 executemany": bare_sqlite,
    "pymerkle SqliteTree append": pymerkle_append,
    "Ed25519 signature per event": signing,
}
_started = [0.0, 0.0]


def started() -> None:
    """Preparation is over: clocks start."""
    _started[:] = [time.perf_counter(), time.process_time()]


def measure(way: str, events: str) -> None:
    """In a child: run one way and print what it cost."""
    with tempfile.TemporaryDirectory() as folder:
        WAYS[way](Path(events), Path(folder))
        wall, cpu = time.perf_counter() - _started[0], time.process_time() - _started[1]
        scale = 10 if WAYS[way] is signing else 1
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps({"wall": wall * scale, "cpu": cpu * scale, "rss_mib": memory}))


def test_ingest_end_to_end(tmp_path: Path) -> None:
    """If this fails, a platform cannot push its day through one process."""
    events = tmp_path / "events.ndjson"
    write_events(events, EVENTS)
    figures = {way: child(way, events) for way in WAYS}
    print(f"\n{EVENTS:,} events, {events.stat().st_size / EVENTS:.0f} bytes each, one process, every commit synced")
    print(f"{'':<30}{'us CPU/event':>13}{'events/s':>12}{'of the floor':>14}{'MiB':>7}")
    floor = figures["bare sqlite3 executemany"]
    for way, found in figures.items():
        cpu, rate = found["cpu"] / EVENTS * 1e6, EVENTS / found["wall"]
        print(f"{way:<30}{cpu:>13.1f}{rate:>12,.0f}{floor['wall'] / found['wall']:>13.2f}x{found['rss_mib']:>7.0f}")
    ours = figures["settle ingest"]
    assert ours["cpu"] / EVENTS <= 20e-6
    assert EVENTS / ours["wall"] >= 25_000
    assert ours["rss_mib"] < 300


def child(way: str, events: Path) -> dict[str, float]:
    run = subprocess.run(
        [sys.executable, "-c", f"from tests.bench.bench_ingest import measure; measure({way!r}, {str(events)!r})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures
