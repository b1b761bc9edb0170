"""Import, decisions and training proofs at the size of a large catalogue: `make bench-registry`.

Seconds are of CPU, one thread, so that a busy machine does not change them; the wall clock stands
beside them where a disk is involved. Ratios are to work of the same run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from ledger.proofs import tree
from ledger.registry import facts as f
from ledger.registry import sparse
from ledger.registry.fold import State
from ledger.registry.importing import import_files
from ledger.registry.registry import Registry
from ledger.registry.sparse import SparseTree
from ledger.registry.view import View
from tests.ledger.registry.conftest import MakeOffice, make_office

pytestmark = pytest.mark.bench

T = TypeVar("T")
RECORDINGS = 100_000
PARTIES = 2_000
QUESTIONS = 200_000
TRAINED = 1_000_000
PROOFS = 2_000
AT = "2026-06-01T00:00:00Z"
__all__ = ["make_office"]


def timed(work: Callable[[], T]) -> tuple[float, float, T]:
    """CPU seconds, wall seconds, result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def catalogue() -> dict[str, list[dict[str, Any]]]:
    """Recordings with a work each and two owners; one row in a thousand is bad."""
    numbers = range(RECORDINGS)
    shares = [
        {
            "subject": f"rec-{n:06d}",
            "party": f"p-{(n + k) % PARTIES:05d}",
            "right": "master",
            "ppm": ppm,
            "territory": "WORLD",
            "from": "2020-01-01",
            "state": "confirmed",
        }
        for n in numbers
        for k, ppm in ((0, 700_000), (1, 300_000))
    ]
    for n in range(0, RECORDINGS, 1_000):
        shares[2 * n]["party"] = "p-nobody"
    return {
        "parties": [{"id": f"p-{n:05d}", "name": f"Party {n}", "kind": "person"} for n in range(PARTIES)],
        "works": [{"id": f"wrk-{n:06d}", "title": f"Song {n}"} for n in numbers],
        "recordings": [
            {
                "id": f"rec-{n:06d}",
                "title": f"Song {n}",
                "artist": f"Artist {n % PARTIES}",
                "isrc": f"SEA01{n:07d}",
                "work": f"wrk-{n:06d}",
                "style": "pop",
            }
            for n in numbers
        ],
        "shares": shares,
    }


def test_import(make_office: MakeOffice, tmp_path: Path) -> None:
    """If this fails, a catalogue of 100,000 recordings with shares takes more than a minute to import."""
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(catalogue()), encoding="utf-8")
    office = make_office("big")
    cpu, took, done = timed(lambda: import_files(office.registry, [path], office.operator))
    hashing, _, _ = timed(lambda: [hashlib.sha256(b"\x00" * 400).digest() for _ in range(done.leaves)])
    assert (done.quarantined, done.conflicts) == (RECORDINGS // 1_000, 0)
    print(
        f"\nimport of {done.read:,} rows, {done.leaves:,} leaves: {cpu:.1f} s CPU, {took:.1f} s wall; "
        f"{cpu / hashing:.0f} x hashing as many leaves; quarantined {done.quarantined}"
    )
    cpu, wall, _ = timed(office.registry.catch_up)
    print(f"index of what is about what: {cpu:.1f} s CPU, {wall:.1f} s wall")
    again = Registry(office.registry.log)
    cpu, wall, view = timed(again.view)
    print(f"whole view from the log: {cpu:.1f} s CPU, {wall:.1f} s wall")
    cpu, wall, narrow = timed(lambda: again.view_of("rec-054321"))
    assert narrow.decide("rec-054321", "train", at=AT) == view.decide("rec-054321", "train", at=AT)
    print(f"narrow view of one recording: {1000 * wall:.1f} ms")
    cpu, wall, twice = timed(lambda: import_files(office.registry, [path], office.operator, dry_run=True))
    assert (twice.accepted, twice.duplicates) == (0, done.accepted)
    print(f"the same file again (all duplicates): {cpu:.1f} s CPU")
    assert took < 60


def decisions_view() -> View:
    """100,000 recordings of two owners, 300,000 grants: two specific ones each and one that restricts a use."""

    def stated() -> Iterator[f.AnyFact]:
        for n in range(PARTIES):
            yield f.PartyFact(id=f"p-{n:05d}", kind="person", at=AT)
        for n in range(RECORDINGS):
            name = f"rec-{n:06d}"
            yield f.RecordingFact(id=name, title="Song", at=AT)
            for k, ppm in ((0, 700_000), (1, 300_000)):
                party = f"p-{(n + k) % PARTIES:05d}"
                yield f.ShareFact(
                    id=f"sh-{n}-{k}",
                    subject=name,
                    party=party,
                    right="master",
                    ppm=ppm,
                    territory="WORLD",
                    state="confirmed",
                    at=AT,
                )
                yield f.GrantFact(
                    id=f"g-{n}-{k}",
                    grantor=party,
                    subject=name,
                    uses=("train", "condition"),
                    decision="allow",
                    territory="WORLD",
                    start="2026-01-01T00:00:00Z",
                    at=AT,
                )
            yield f.GrantFact(
                id=f"g-{n}-2",
                grantor=f"p-{n % PARTIES:05d}",
                subject=name,
                uses=("voice",),
                decision="deny",
                territory="SE",
                at=AT,
            )

    state = State()
    for index, fact in enumerate(stated()):
        state.apply(index, fact)
    return state.view()


def test_decisions() -> None:
    """If this fails, decide() answers fewer than 20,000 questions a second."""
    view = decisions_view()
    assert len(view.grants) == 3 * RECORDINGS
    random = Random(7)
    questions = [
        (
            f"rec-{random.randrange(RECORDINGS):06d}",
            random.choice(["train", "condition", "voice"]),
            random.choice(["WORLD", "SE", "DE"]),
        )
        for _ in range(QUESTIONS)
    ]
    cpu, _, answers = timed(
        lambda: [view.decide(name, use, territory, at=AT).decision for name, use, territory in questions]
    )
    floor, _, _ = timed(lambda: [view.all_recordings[name].id for name, _, _ in questions])
    print(
        f"\ndecide(): {QUESTIONS / cpu:,.0f} a second over {RECORDINGS:,} recordings and {len(view.grants):,} grants "
        f"({answers.count('allow'):,} allowed); {cpu / floor:.0f} x one look-up each"
    )
    assert QUESTIONS / cpu > 20_000


def prove_all(built: SparseTree, asked: list[str]) -> list[dict[str, Any]]:
    return [built.prove(name) for name in asked]


def check_all(built: SparseTree, proofs: list[dict[str, Any]]) -> list[bool]:
    return [sparse.check(one, root=built.root) for one in proofs]


def test_training_proofs() -> None:
    """If this fails, a proof about a million-recording training set takes more than two milliseconds."""
    ids = [f"rec-{2 * n:08d}" for n in range(TRAINED)]
    build, _, built = timed(lambda: SparseTree(ids))
    hashing, _, _ = timed(lambda: tree.leaf_hashes(one.encode() for one in ids))
    random = Random(7)
    for what, offset in (("membership", 0), ("non-membership", 1)):
        asked = [f"rec-{2 * random.randrange(TRAINED) + offset:08d}" for _ in range(PROOFS)]
        proving, _, proofs = timed(partial(prove_all, built, asked))
        checking, _, shown = timed(partial(check_all, built, proofs))
        assert shown == [offset == 0] * PROOFS
        print(
            f"\n{what} over {TRAINED:,}: prove {1000 * proving / PROOFS:.3f} ms, "
            f"check {1000 * checking / PROOFS:.3f} ms"
        )
        assert proving / PROOFS < 0.002
        assert checking / PROOFS < 0.002
    print(f"building the tree: {build:.1f} s, {build / hashing:.1f} x hashing the ids")
