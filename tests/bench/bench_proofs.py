"""Proofs at a million entries, and what the core costs per leaf: `make bench` or pytest -m bench -s on this file.

Every figure stands beside a floor of the same run: bare hashlib over the same bytes, one bare
Ed25519 verification.
"""

from __future__ import annotations

import hashlib
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

import pytest

from ledger.proofs import canon, chain, tile, tree
from ledger.proofs.keys import PrivateKey
from ledger.proofs.tile import Tiles
from ledger.proofs.verify import verify_bundle
from tests.ledger.world import event_leaf, story
from tests.support import ROOT

pytestmark = pytest.mark.bench

SIZE: Final = 1_000_000
BATCH: Final = 1_000
LEAVES: Final = 100_000


def best(work: Callable[[], object], repeats: int = 3) -> float:
    """The least processor time of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def row(name: str, value: float, unit: str, against: str = "") -> None:
    print(f"{name:<66} {value:>9.2f} {unit:<3} {against}")


def test_per_leaf() -> None:
    """If this fails, the core takes more of each event's 20 microseconds than its part."""
    values = [event_leaf(n, "a" * 64) for n in range(LEAVES)]
    bodies = [canon.encode(value) for value in values]
    floor = best(lambda: [hashlib.sha256(body).digest() for body in bodies]) / LEAVES * 1e6
    hashes = tree.leaf_hashes(bodies)

    def grow() -> None:
        tiles = Tiles()
        for start in range(0, LEAVES, BATCH):
            tiles.append(hashes[start : start + BATCH])
            tiles.root()

    costs = {
        "leaf hash": best(lambda: tree.leaf_hashes(bodies)) / LEAVES * 1e6,
        "chain": best(lambda: chain.extend(chain.genesis("x"), hashes)) / LEAVES * 1e6,
        "tiles and a root per thousand": best(grow) / LEAVES * 1e6,
    }
    print()
    row("SHA-256 of the same leaves, hashlib in a loop", floor, "us")
    for name, cost in costs.items():
        row(name + ", per leaf", cost, "us", f"{cost / floor:.1f} x")
    row(
        "canonical JSON of an event, per leaf", best(lambda: [canon.encode(one) for one in values]) / LEAVES * 1e6, "us"
    )
    row(
        "reading it back, re-encoding included",
        best(lambda: [canon.decode(one) for one in bodies]) / LEAVES * 1e6,
        "us",
    )
    assert sum(costs.values()) < 6 * floor


def test_proofs_at_a_million() -> None:
    """If this fails, a receipt costs more to make or to check than a signature."""
    tiles, stored = Tiles(), dict[tuple[int, int], bytes]()
    hashes = tree.leaf_hashes(b"%d" % n for n in range(SIZE))
    for level, n, blob in tiles.append(hashes):
        stored[level, n] = blob
    root = tiles.root()
    read = tile.reader(lambda level, n: stored[level, n])
    places = [random.Random(n).randrange(SIZE) for n in range(500)]
    making, checking = [], []
    for index in places:
        start = time.process_time()
        proof = tree.prove_inclusion(index, SIZE, read)
        made = time.process_time()
        tree.check_inclusion(index, SIZE, hashes[index], proof, root)
        checking.append((time.process_time() - made) * 1e3)
        making.append((made - start) * 1e3)
    key = PrivateKey.generate()
    signature = key.sign(root)

    def verify() -> None:
        for _ in range(200):
            key.public.verify(signature, root)

    verifying = best(verify) / 200 * 1e3
    told = story()
    bundle, trusted = told.bundle(), told.world.trust()
    examining = best(lambda: [verify_bundle(bundle, trusted) for _ in range(50)]) / 50 * 1e3
    print()
    row("one Ed25519 verification", verifying, "ms")
    row("make an inclusion proof at 1,000,000, median, from tiles in memory", statistics.median(making), "ms")
    row("  p99", statistics.quantiles(making, n=100)[98], "ms")
    row("check it, median", statistics.median(checking), "ms", f"{statistics.median(checking) / verifying:.2f} x")
    row("verify a whole event bundle (four signatures)", examining, "ms", f"{examining / verifying:.1f} x")
    assert statistics.median(making) < 1
    assert statistics.quantiles(making, n=100)[98] < 5
    assert statistics.median(checking) < 0.1


def test_starting() -> None:
    """If this fails, one check of a bundle costs more in imports than in cryptography."""
    golden = ROOT / "tests" / "golden"
    words = ["verify", str(golden / "event.bundle"), "--trust", str(golden / "event.trust.json")]
    codes = {
        "typer and rich alone": "import typer, rich.console",
        "settle --help": "from cli.main import run; run(['--help'])",
        "settle verify of an event bundle": f"from cli.main import run; run({words!r})",
    }
    times: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(9):  # in turn, so that other work on the machine weighs on all alike
        for name, code in codes.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    floor, *_ = least = [min(found) for found in times.values()]
    print()
    for name, seconds in zip(codes, least, strict=True):
        row(f"starting: {name}", seconds * 1e3, "ms", f"{seconds / floor:.1f} x")
    assert max(least) < 2.5 * floor
