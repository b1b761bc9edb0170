"""The usage stage beside DuckDB's bare scan-and-count of the same Parquet, and the rate of sealing: `make bench`.

Each measurement runs in a process of its own, so that its peak memory is its own; files are in the page
cache. The floor is `SELECT track, count(*) ... GROUP BY track`; `by number` counts by the integer that
usage itself groups by, which no reader of the files would think of.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ledger.log import Batch, Log
from ledger.segments.check import check_files, verify_segments
from ledger.segments.manifest import manifests
from ledger.segments.seal import seal
from ledger.tree import leaf_hashes
from payouts.engines import MEMORY_MIB, duckdb_engine
from payouts.grain import Grain
from payouts.terms import Terms
from payouts.usage import usage
from tests.bench.made_segments import TERRITORIES, Made, make
from tests.ledger.logs import log_in

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

THREADS = 2
MEMORY_MAX_MIB = 512
TERMS = Terms(period="2026-06", currency="EUR", micros=10**12)
GRAINS = {
    "plain": Grain(),
    "one country apart": Grain(territories=("SE",)),
    "shares change mid-month": Grain(cuts=("2026-06-15T00:00:00Z",)),
    "weight=gross": Grain(gross=True),
    "ten countries apart": Grain(territories=tuple(sorted(TERRITORIES))),
}


def in_child(work: Callable[..., Any], *arguments: Any) -> tuple[float, int, Any]:
    """(best seconds, peak RSS in MiB, answer) of work done in a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(there, work, arguments))
    child.start()
    there.close()
    answer: tuple[float, int, Any] = here.recv()
    child.join()
    return answer


def _child(there: Any, work: Callable[..., Any], arguments: Any) -> None:
    times, result = work(*arguments)
    there.send((min(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, result))


def floor(folder: Path, column: str) -> tuple[list[float], int]:
    """A bare scan and count."""
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": f"{MEMORY_MIB}MiB"})
    query = f"SELECT {column}, count(*) FROM read_parquet('{folder}/period=*/day=*/*.parquet') GROUP BY 1"  # noqa: S608
    times, rows = [], 0
    for _ in range(3):
        start = time.perf_counter()
        rows = connection.sql(query).to_arrow_table().num_rows
        times.append(time.perf_counter() - start)
    return times, rows


def stage(made: Made, grain: Grain) -> tuple[list[float], tuple[int, int]]:
    """The usage stage, from opened engine to sorted rows."""
    times = []
    with duckdb_engine(threads=THREADS) as engine:
        for _ in range(2):
            start = time.perf_counter()
            rows = usage(engine, [made.source()], assigned={}, terms=TERMS, grain=grain)
            times.append(time.perf_counter() - start)
    return times, (len(rows), sum(row.count for row in rows))


@pytest.mark.parametrize(("millions", "limit"), [(10, 5.0), (100, 2.0)])
def test_usage_beside_a_bare_scan(tmp_path: Path, millions: int, limit: float) -> None:
    """If this fails, summing a period takes longer than a small multiple of reading it, or more than 512 MiB."""
    count = millions * 1_000_000
    made = make(tmp_path, count)
    start = time.perf_counter()
    size = check_files(tmp_path, [file for one in made.manifests for file in one.files])
    hashing = time.perf_counter() - start
    bare, bare_memory, tracks = in_child(floor, tmp_path, "track")
    number, _, _ = in_child(floor, tmp_path, "binding")
    files = sum(len(one.files) for one in made.manifests)
    print(f"\n{millions}M events, {size / 2**20:,.0f} MiB in {files} files, {tracks:,} tracks; {THREADS} threads")
    print(f"{'':<28}{'seconds':>9}{'x floor':>9}{'x by number':>12}{'MiB':>6}{'rows':>11}")
    print(
        f"{'floor: scan, count by track':<28}{bare:>9.2f}{1:>9.2f}{bare / number:>12.2f}{bare_memory:>6}{tracks:>11,}"
    )
    print(f"{'digests of all files':<28}{hashing:>9.2f}{hashing / bare:>9.2f}")
    for name, grain in GRAINS.items():
        seconds, memory, (rows, events) = in_child(stage, made, grain)
        print(f"{name:<28}{seconds:>9.2f}{seconds / bare:>9.2f}{seconds / number:>12.2f}{memory:>6}{rows:>11,}")
        assert events == count
        if name == "plain":
            assert seconds <= limit * bare
            assert memory <= MEMORY_MAX_MIB


def filled(folder: Path, count: int) -> Log:
    """A log of this many events over two days, with everything an event may carry."""
    log = log_in(folder)
    for start in range(0, count, 50_000):
        bodies = [
            b'{"currency":"EUR","event_id":"%s","gross_micros":%d,"listener":"%s","occurred_at":"2026-06-%02dT11:05:%02dZ",'
            b'"product":"premium","source":"acme","territory":"SE","track":"trk-%06d","type":"event","units":1,"v":1,'
            b'"vector":"%s"}'
            % (
                hashlib.md5(b"e%d" % n, usedforsecurity=False).hexdigest().encode(), 4000 + n % 1000,
                hashlib.sha256(b"l%d" % (n % 60_000)).hexdigest().encode(), 1 + n * 2 // count, n % 60,
                (track := n * n % 20_011), hashlib.sha256(b"v%d" % track).hexdigest().encode(),
            )
            for n in range(start, min(start + 50_000, count))
        ]  # fmt: skip
        log.commit(Batch(bodies=bodies, types=["event"] * len(bodies), hashes=leaf_hashes(bodies)))
    return log


def test_sealing(tmp_path: Path) -> None:
    """If this fails, sealing does not keep up with 200,000 events a second."""
    count = 2_000_000
    log = filled(tmp_path, count)
    with log.store.reading() as connection:
        cursor = connection.connection.cursor()
        start = time.perf_counter()
        leaf_hashes(body for (body,) in cursor.execute("SELECT body FROM entry"))
        reading = time.perf_counter() - start
    start = time.perf_counter()
    sealed = seal(log, tmp_path / "segments")
    sealing = time.perf_counter() - start
    start = time.perf_counter()
    verify_segments(log, tmp_path / "segments", manifests(log))
    verifying = time.perf_counter() - start
    print(f"\n{count:,} events of {len(log.entry(9).body)} bytes, {sealed.segments} segments")
    for name, seconds in (("floor: read and hash", reading), ("seal", sealing), ("verify", verifying)):
        print(f"{name:<22}{seconds:>8.2f} s{count / seconds:>12,.0f} events/s{seconds / reading:>8.2f} x floor")
    assert count / sealing >= 200_000
