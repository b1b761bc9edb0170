"""A stored log of a million entries: proofs from its tiles, the whole of it examined; and ingest into PostgreSQL."""

from __future__ import annotations

import os
import random
import statistics
import time
from pathlib import Path

import msgspec
import pytest

from ledger.event import EventLeaf
from ledger.ingest import ndjson
from ledger.ingest.admission import ingest
from ledger.log.anchor import content
from ledger.log.append import LeafBatch, Log
from ledger.log.fsck import fsck
from ledger.log.opening import open_log
from ledger.proofs import leaf, tlog_proof, tree
from tests.bench.bench_ingest import TRACKS, write_events
from tests.ledger.logs import KEY, ORIGIN, TickingClock, log_in
from tests.postgres import database, server_url

pytestmark = pytest.mark.bench

ENTRIES = 1_000_000
BATCH = 50_000
PROOFS = 2_000
POSTGRES_EVENTS = 200_000


def grown(folder: Path) -> Log:
    log = log_in(folder)
    now = log.clock()
    log.append(
        [
            leaf.make("track", now, id="trk-1"),
            leaf.assign(now, track="trk-1", vector="ab" * 32, signer=KEY),
        ]
    )
    for start in range(log.head().size, ENTRIES, BATCH):
        count = min(BATCH, ENTRIES - start)
        ids = [f"e-{start + i:08d}" for i in range(count)]
        bodies = [
            msgspec.json.encode(
                EventLeaf(
                    event_id=one,
                    occurred_at="2026-06-03T11:05:00Z",
                    source="acme",
                    territory="SE",
                    track="trk-1",
                    units=1,
                    vector="ab" * 32,
                )
            )
            for one in ids
        ]
        events = [("acme", one, i) for i, one in enumerate(ids)]
        log.commit(LeafBatch(bodies=bodies, types=["event"] * count, hashes=tree.leaf_hashes(bodies), events=events))
    return log


def test_a_million_entries(tmp_path: Path) -> None:
    """If this fails, a receipt takes long to make, or nobody runs fsck because it takes all night."""
    log = grown(tmp_path)
    size, moments = log.head().size, random.Random(1)
    made, checked = [], []
    for _ in range(PROOFS):
        index = moments.randrange(size)
        start = time.perf_counter()
        found = tlog_proof.parse(log.inclusion(index))
        made.append(time.perf_counter() - start)
        body, root = log.entry(index).body, content(found.checkpoint).root
        start = time.perf_counter()
        tree.check_inclusion(index, size, tree.leaf_hash(body), found.hashes, root)
        checked.append(time.perf_counter() - start)
    made.sort()
    median, late, check = made[PROOFS // 2], made[PROOFS * 99 // 100], statistics.median(checked)
    start = time.process_time()
    assert fsck(log).ok
    rate = size / (time.process_time() - start)
    print(f"\n{size:,} entries in SQLite")
    print(f"inclusion proof: median {median * 1e3:.2f} ms, p99 {late * 1e3:.2f} ms; checking it {check * 1e3:.3f} ms")
    print(f"fsck: {rate:,.0f} entries per CPU second")
    assert median <= 1e-3
    assert late <= 5e-3
    assert check <= 1e-4
    assert rate >= 120_000


def test_ingest_into_postgres(tmp_path: Path) -> None:
    """If this fails, several hosts together ingest less than one file did alone."""
    events = tmp_path / "events.ndjson"
    write_events(events, POSTGRES_EVENTS)
    with database(server_url()) as url:
        log = open_log(url, origin=ORIGIN, signer=KEY, anchor=tmp_path / "settle.anchor", clock=TickingClock())
        log.append([leaf.make("track", log.clock(), id=f"trk-{i}") for i in range(TRACKS)])
        start, cpu = time.perf_counter(), time.process_time()
        with events.open("rb") as file:
            counts = ingest(log, ndjson.read(file, events.name), name=events.name, entropy=os.urandom)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        log.close()
    rate = counts.accepted / wall
    print(f"\nPostgreSQL: {rate:,.0f} events/s, {cpu / counts.accepted * 1e6:.1f} us CPU/event on our side")
    assert rate >= 20_000
