"""How the cost of a large index grows: bytes and CPU a recording, CPU a query, and what is found.

    python -m tests.bench.bench_index_scale [--sizes 1000 3000 10000] [--bases 40] [--queries 40]

Recordings are invented half minutes, perturbed: peaks moved in time and frequency, a third of them exchanged, segments
and notes changed. So every one has siblings that share a part of its patterns, as a band's recordings do. A query is
twelve seconds of one recording, of whose peaks a part is lost, and eighteen seconds of one that is not indexed; the
index is asked for its candidates, and the default method judges them.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from attribution.hearing.audio import clip_of
from attribution.hearing.constellation import Constellation
from attribution.hearing.features import Features, features_of_clip
from attribution.hearing.landmarks import LANDMARK_BINS, pairs
from attribution.hearing.precision import levels, power_of, rounded_rows
from attribution.hearing.spectra import HOP_SECONDS, MEL_SECONDS, STEPS, unit
from attribution.index.large import LargeCatalogue
from attribution.index.limits import Chance
from attribution.index.shelves import Shelves
from attribution.index.store import IndexStore
from attribution.judge import judge
from attribution.lab import synth
from attribution.methods.byname import method

CHANCE = Chance(recording=14.0, tunes={"audio": 40.0}, near=0.9, groups=0.5)
EXCERPT, WHOLE = 12.0, 30.0
JUDGED = 10
KEPT = {"as it is": 1.0, "a quarter of its peaks lost": 0.75, "two fifths lost": 0.6}


class Recordings:
    """Any number of recordings made of a few, each the same whenever it is asked for."""

    def __init__(self, bases: int) -> None:
        world = synth.make_world(31, pieces=bases)
        self.bases = [features_of_clip(clip_of(synth.perform(piece))) for piece in world.pieces]

    def one(self, number: int) -> Features:
        base, rng = self.bases[number % len(self.bases)], np.random.default_rng((31, number))
        length = int(base.seconds / MEL_SECONDS)
        late, up, octave_part = int(rng.integers(length)), int(rng.integers(-40, 41)), int(rng.integers(-10, 11))
        frames = (base.marks.peaks[:, 0] + late) % length
        bins = np.clip(_exchanged(base.marks.peaks[:, 1], rng) + up, 0, LANDMARK_BINS - 1)
        star_frames = (base.stars.frames + late) % length
        steps = np.clip(_exchanged(base.stars.steps, rng) + octave_part, 0, STEPS - 1)
        order, star_order = np.argsort(frames, kind="stable"), np.argsort(star_frames, kind="stable")
        moved = np.cumsum(rng.integers(-3, 4, size=len(base.line))).astype(np.int16)
        return replace(
            base,
            digest=f"{number:064x}",
            judged_sha256=f"{number:064x}",
            segments={
                name: rounded_rows(
                    unit(rows + 0.5 / np.sqrt(rows.shape[1]) * rng.standard_normal(rows.shape).astype(np.float32))
                )
                for name, rows in base.segments.items()
            },
            power=power_of(levels(np.roll(base.power, late // 4, axis=0))),
            marks=pairs(frames[order].astype(np.int64), bins[order].astype(np.int64)),
            stars=Constellation(frames=star_frames[star_order], steps=steps[star_order].astype(np.float32)),
            line=replace(base.line, pitches=(base.line.pitches + moved).astype(np.int16)),
        )

    def query(self, number: int, stranger: int, part: float) -> Features:
        """Twelve seconds of one recording, of whose peaks a part is left, and eighteen of another."""
        first, second, rng = self.one(number), self.one(stranger), np.random.default_rng((32, number))
        marks = _spliced(first.marks.peaks, second.marks.peaks, part, rng)
        stars = _spliced(
            np.stack([first.stars.frames, first.stars.steps], axis=1),
            np.stack([second.stars.frames, second.stars.steps], axis=1),
            part,
            rng,
        )
        cut, power_cut = int(EXCERPT / HOP_SECONDS), int(len(first.power) * EXCERPT / WHOLE)
        return replace(
            second,
            digest=f"q{number}",
            judged_sha256=f"q{number}-{part}",
            segments={
                name: np.concatenate([rows[:cut], second.segments[name][cut:]]) for name, rows in first.segments.items()
            },
            power=np.concatenate([first.power[:power_cut], second.power[power_cut:]]),
            marks=pairs(marks[:, 0].astype(np.int64), marks[:, 1].astype(np.int64)),
            stars=Constellation(frames=stars[:, 0].astype(np.int32), steps=stars[:, 1].astype(np.float32)),
        )


def _exchanged(values: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[Any]:
    """The same values, a third of them each in another's place."""
    places = np.flatnonzero(rng.random(len(values)) < 1 / 3)
    answer = values.copy()
    answer[places] = values[rng.permutation(places)]
    return answer


def _spliced(
    first: npt.NDArray[Any], second: npt.NDArray[Any], part: float, rng: np.random.Generator
) -> npt.NDArray[Any]:
    cut = EXCERPT / MEL_SECONDS
    early = first[(first[:, 0] < cut) & (rng.random(len(first)) < part)]
    return np.concatenate([early, second[second[:, 0] >= cut]])


def measure(recordings: Recordings, sizes: Sequence[int], queries: int, folder: Path) -> None:
    shelves, store = Shelves(folder / "shelves"), IndexStore(folder)
    item = recordings.one(0)
    store.put(item)
    features_kib = store.place(item.digest).stat().st_size / 1024
    print(
        "| recordings | KiB a recording: features, tables | CPU s to add the last 1,000 | resident MiB |"
        f" {' | '.join(f'found, {name}' for name in KEPT)} | claimed of those, share over true share |"
        " CPU s a query: candidates, in all |\n|---|---|---|---|" + "---|" * (len(KEPT) + 2)
    )
    size = 0
    for goal in sizes:
        while size < goal - 1_000:
            step = min(10_000, goal - 1_000 - size)
            shelves.add((f"{number:064x}", recordings.one(number)) for number in range(size, size + step))
            size += step
        items = [(f"{number:064x}", recordings.one(number)) for number in range(size, goal)]
        begun = time.process_time()
        shelves.add(items)
        added, size = time.process_time() - begun, goal
        tables = sum(path.stat().st_size for path in (folder / "shelves").rglob("*") if path.is_file())
        catalogue = LargeCatalogue(
            {f"{number:064x}": f"{number:064x}" for number in range(goal)},
            dict.fromkeys((f"{number:064x}" for number in range(goal)), "s"),
            root="00" * 32,
            chance=CHANCE,
            shelves=shelves,
            read=store.get,
        )
        print(f"| {goal:,} | {features_kib:.1f}, {tables / goal / 1024:.1f} | {added:.1f} | ", end="")
        print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024:,} |", end="")
        print(_asked(recordings, catalogue, shelves, store, queries), flush=True)


def _asked(recordings: Recordings, catalogue: LargeCatalogue, shelves: Shelves, store: IndexStore, queries: int) -> str:
    """What is found of recordings drawn from all, and what the default method then claims of some of them."""
    chosen = method("hybrid")
    numbers = np.random.default_rng(len(catalogue)).integers(len(catalogue), size=queries).tolist()
    search, cells = 0.0, []
    for part in KEPT.values():
        hits = []
        for number in numbers:
            item = recordings.query(number, 10_000_000 + number, part)
            begun = time.process_time()
            hits.append(f"{number:064x}" in shelves.candidates(item))
            search += time.process_time() - begun
        cells.append(f"{np.mean(hits):.3f}")
    ratios, judging = [], 0.0
    for number in numbers[:JUDGED]:
        item = recordings.query(number, 10_000_000 + number, 1.0)
        for digest in shelves.candidates(item):
            if not store.has(digest):
                store.put(recordings.one(int(digest, 16)))
        begun = time.process_time()
        vector, _ = judge(chosen, catalogue, item, track="t")
        judging += time.process_time() - begun
        ratios.append(sum(claim.ppm for claim in vector.recording.sources if claim.id == f"{number:064x}") / 400_000)
    claimed = sum(ratio > 0 for ratio in ratios)
    return (
        f" {' | '.join(cells)} | {claimed} of {len(ratios)}, {np.mean(ratios):.2f} |"
        f" {search / (len(KEPT) * queries):.2f}, {judging / len(ratios):.2f} |"
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="*", type=int, default=[1_000, 3_000, 10_000])
    parser.add_argument("--bases", type=int, default=40)
    parser.add_argument("--queries", type=int, default=40)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        measure(Recordings(options.bases), options.sizes, options.queries, Path(folder))


@pytest.mark.bench
def test_the_quick_benchmark_of_a_large_index_runs() -> None:
    """If this fails, the table of a large index can no longer be made."""
    main(["--sizes", "200", "400", "--bases", "8", "--queries", "4"])


if __name__ == "__main__":
    main()
