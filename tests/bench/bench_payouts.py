"""Kernels, hash checks, the split and whole pools, timed apart: `make bench-payouts`.

Seconds are of CPU, one thread, so that a busy machine does not change them; ratios are to work of the same run.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import TypeVar

import pytest

from payouts.allocate import divide
from payouts.compute import compute
from payouts.division.breakdown import break_down
from payouts.division.contribute import BATCH
from payouts.division.kernel import Claim, Game, game_of, kernels
from payouts.rules.base import Rule
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from tests.payouts.worlds import World, inputs, plays, vector

pytestmark = pytest.mark.bench

T = TypeVar("T")
KERNELS = 200_000
SOURCES = 10
HOLDERS = 1_000_000
SALT = hashlib.sha256(b"bench").digest()


def timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def parts_of_million(random: Random, count: int) -> list[int]:
    cuts = sorted(random.sample(range(1, 1_000_000), count))
    return [high - low for low, high in zip([0, *cuts], cuts, strict=False)]


def claim_lists(random: Random) -> Iterator[list[tuple[Claim, int]]]:
    for _ in range(KERNELS):
        parts = parts_of_million(random, SOURCES)
        yield [
            (
                Claim(f"g-{random.randrange(2000)}-{n}", "p", f"rec-{n}", "recording", "estimated", "allocated"),
                ppm * 10**18,
            )
            for n, ppm in enumerate(parts)
        ]


def run_kernels(rule: Rule, games: list[Game]) -> int:
    count = 0
    for start in range(0, len(games), BATCH):
        count += len(kernels(rule, games[start : start + BATCH]))
    return count


def test_kernels() -> None:
    """If this fails, 200,000 distinct ten-source Shapley kernels take more than 30 seconds."""
    lists = list(claim_lists(Random(1)))
    digests = [hashlib.sha256(n.to_bytes(8, "big")).digest() for n in range(KERNELS)]
    gathering, games = timed(lambda: [game_of(claims, salt) for claims, salt in zip(lists, digests, strict=True)])
    plain, _ = timed(lambda: run_kernels(ProRata(), games))
    shapley, count = timed(lambda: run_kernels(ShapleyCapped(tau=500_000), games))
    print(f"\ngather {KERNELS:,} vectors of {SOURCES} sources into games: {gathering:.1f} s")
    print(f"pro-rata kernels {plain:.1f} s; shapley-capped {shapley:.1f} s ({shapley / plain:.1f} x pro-rata)")
    assert count == KERNELS
    assert gathering + shapley <= 30


def test_hash_checks() -> None:
    """If this fails, checking the digests of the vectors costs more than computing with them."""
    blobs = [Random(n).randbytes(1500) for n in range(10_000)]
    seconds, _ = timed(lambda: [hashlib.sha256(blob).hexdigest() for blob in blobs])
    print(f"\nSHA-256 of {KERNELS:,} vectors of 1,500 bytes: {seconds * KERNELS / len(blobs):.1f} s")
    assert seconds * KERNELS / len(blobs) <= 30


def test_split() -> None:
    """If this fails, dividing a pool among a million holders takes more than 5 seconds."""
    random = Random(2)
    weights = {f"p-{n}": random.randrange(1, 10**25) for n in range(HOLDERS)}
    sort, _ = timed(lambda: sorted(weights.values()))
    split, parts = timed(lambda: divide(33 * 10**11, weights, salt=SALT))
    print(f"\nsplit among {HOLDERS:,} holders: {split:.2f} s ({split / sort:.1f} x sorting the same weights)")
    assert sum(parts.values()) == 33 * 10**11
    assert split <= 5


def test_whole_pools_and_statements() -> None:
    """If this fails, a pool of 10,000 tracks cannot be computed, or explained, in a minute."""
    random = Random(3)
    world = World()
    recordings = [f"rec-{n}" for n in range(10_000)]
    for recording in recordings:
        world.own(recording, (f"p-{random.randrange(5_000)}", 600_000), (f"p-{random.randrange(5_000)}", 400_000))
    tracks = [f"trk-{n}" for n in range(10_000)]
    vectors = [
        vector(track, dict(zip(random.sample(recordings, SOURCES), parts_of_million(random, SOURCES), strict=True)))
        for track in tracks
    ]
    usage = [
        plays(track, random.randint(1, 1000), at=f"2026-06-{d:02d}T00:00:00Z") for track in tracks for d in (1, 9, 30)
    ]
    for rule in (ProRata(), ShapleyCapped(tau=500_000, kappa=10_000)):
        pool = inputs(world, usage, vectors, rule=rule, micros=10**12)
        seconds, outcome = timed(lambda pool=pool: compute(pool))  # type: ignore[misc]
        explaining, lines = timed(lambda pool=pool, outcome=outcome: sum(1 for _ in break_down(pool, outcome)))  # type: ignore[misc]
        print(
            f"\n{rule.name}: {len(usage):,} rows, {len(tracks):,} tracks, {lines:,} lines: "
            f"computed in {seconds:.1f} s, every line explained in {explaining:.1f} s"
        )
        assert seconds + explaining <= 60
