"""The usage stage beside DuckDB's bare scan-and-count of the same Parquet, and the rate of sealing: `make bench`.

Each measurement runs in a process of its own, so that its peak memory is its own; files are in the page
cache. The floor is `SELECT track, count(*) ... GROUP BY track`; counting by binding, the number that usage
itself sums by, is shown beside it. The limits are on CPU seconds, which other work on the machine does not
stretch; wall seconds stand beside them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.log.append import LeafBatch, Log
from ledger.proofs.tree import leaf_hashes
from ledger.segments.check import check_files, verify_segments
from ledger.segments.manifest import manifests
from ledger.segments.seal import seal
from tests.bench.made_segments import make
from tests.bench.usage_work import GRAINS, THREADS, floor, in_child, stage
from tests.ledger.logs import log_in

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

MEMORY_MAX_MIB = 512


@pytest.mark.parametrize(("millions", "limit"), [(10, 5.0), (100, 2.0)])
def test_usage_beside_a_bare_scan(tmp_path: Path, millions: int, limit: float) -> None:
    """If this fails, summing a period takes longer than a small multiple of reading it, or more than 512 MiB."""
    count = millions * 1_000_000
    made = make(tmp_path, count)
    start = time.perf_counter()
    size = check_files(tmp_path, [file for one in made.manifests for file in one.files])
    hashing = time.perf_counter() - start
    bare, bare_cpu, tracks = in_child(floor, tmp_path, "track")
    number, number_cpu, numbers = in_child(floor, tmp_path, "binding")
    files = sum(len(one.files) for one in made.manifests)
    print(f"\n{millions}M events, {size / 2**20:,.0f} MiB in {files} files; {THREADS} threads; best of three")
    print(f"{'':<28}{'wall s':>8}{'x floor':>9}{'CPU s':>8}{'x floor':>9}{'MiB':>6}{'rows':>11}{'as rows, s':>12}")
    print(f"{'floor: count by track':<28}{bare:>8.2f}{1:>9.2f}{bare_cpu:>8.2f}{1:>9.2f}{'':>6}{tracks:>11,}")
    ratios = f"{number / bare:>9.2f}{number_cpu:>8.2f}{number_cpu / bare_cpu:>9.2f}"
    print(f"{'count by binding':<28}{number:>8.2f}{ratios}{'':>6}{numbers:>11,}")
    print(f"{'digests of all files':<28}{hashing:>8.2f}{hashing / bare:>9.2f}")
    for name, grain in GRAINS.items():
        wall, cpu, found = in_child(stage, made, grain)
        ratios = f"{wall / bare:>9.2f}{cpu:>8.2f}{cpu / bare_cpu:>9.2f}"
        print(f"{name:<28}{wall:>8.2f}{ratios}{found.memory:>6}{found.rows:>11,}{found.as_rows:>12.2f}")
        assert found.events == count
        if name == "plain":
            assert cpu <= limit * bare_cpu
            assert found.memory <= MEMORY_MAX_MIB


def filled(folder: Path, count: int) -> Log:
    """A log of this many events over two days, with everything an event may carry."""
    log = log_in(folder)
    for start in range(0, count, 50_000):
        bodies = [
            b'{"currency":"EUR","event_id":"%s","gross_micros":%d,"listener":"%s","occurred_at":"2026-06-%02dT11:05:%02dZ",'
            b'"product":"premium","source":"acme","territory":"SE","track":"trk-%06d","type":"event","units":1,"v":1,'
            b'"vector":"%s"}'
            % (
                hashlib.md5(b"e%d" % n, usedforsecurity=False).hexdigest().encode(),
                4000 + n % 1000,
                hashlib.sha256(b"l%d" % (n % 60_000)).hexdigest().encode(),
                1 + n * 2 // count,
                n % 60,
                (track := n * n % 20_011),
                hashlib.sha256(b"v%d" % track).hexdigest().encode(),
            )
            for n in range(start, min(start + 50_000, count))
        ]
        log.commit(LeafBatch(bodies=bodies, types=["event"] * len(bodies), hashes=leaf_hashes(bodies)))
    return log


def test_sealing(tmp_path: Path) -> None:
    """If this fails, two cores have not CPU enough to seal 200,000 events a second."""
    count = 2_000_000
    log = filled(tmp_path, count)

    def floor() -> None:
        with log.store.reading() as connection:
            cursor = connection.connection.cursor()
            leaf_hashes(body for (body,) in cursor.execute("SELECT body FROM entry"))

    folder = tmp_path / "segments"
    work: dict[str, Callable[[], object]] = {
        "floor: read and hash": floor,
        "seal": lambda: seal(log, folder),
        "verify": lambda: verify_segments(log, folder, manifests(log)),
    }
    print(f"\n{count:,} events of {len(log.entry(9).body)} bytes")
    spent: dict[str, float] = {}
    for name, run in work.items():
        start, cpu = time.perf_counter(), time.process_time()
        run()
        wall, spent[name] = time.perf_counter() - start, time.process_time() - cpu
        each = spent[name] / count * 1e6
        ratio = spent[name] / spent["floor: read and hash"]
        print(
            f"{name:<22}{wall:>8.1f} s{count / wall:>12,.0f} events/s{each:>8.2f} us of CPU each{ratio:>7.1f} x floor"
        )
    assert THREADS * count / spent["seal"] >= 200_000
