"""CPU seconds for one half-minute clip, end to end, against 100,000 indexed segments; and indexing in flat memory.

    python -m tests.bench.bench_attribution_speed [--quick]

The large catalogue is a small one repeated with every table perturbed, so that searches meet full-sized
tables without hours of synthesis.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from attribution.hearing.audio import clip_of, decode
from attribution.hearing.constellation import Constellation
from attribution.hearing.features import Features, features_of_clip, read
from attribution.hearing.landmarks import Landmarks
from attribution.hearing.spectra import unit
from attribution.index.catalogue import SCREEN_ENCODERS, Catalogue, CatalogueEntry, joined
from attribution.index.nearest import Nearest, recall
from attribution.lab import synth
from attribution.lab.synth import KINDS, perform
from attribution.methods.byname import NAMES, method
from service.attribution.indexing import build_index
from service.workspace import Workspace
from tests.service.sounding import sounding
from tests.support import ROOT


def perturbed(item: Features, number: int) -> Features:
    """Another recording's worth of numbers: as many segments, landmarks and notes, none the same."""
    rng = np.random.default_rng(number)
    segments = {
        name: unit(rows + 0.5 / np.sqrt(rows.shape[1]) * rng.standard_normal(rows.shape).astype(np.float32))
        for name, rows in item.segments.items()
    }
    marks = Landmarks(
        hashes=item.marks.hashes ^ int(rng.integers(1 << 22)), frames=item.marks.frames, peaks=item.marks.peaks
    )
    moved = rng.permutation(len(item.stars))
    stars = Constellation(frames=item.stars.frames, steps=item.stars.steps[moved])
    steps = np.cumsum(rng.integers(-3, 4, size=len(item.line))).astype(np.int16)
    line = replace(item.line, pitches=(item.line.pitches + steps).astype(np.int16))
    return replace(item, segments=segments, marks=marks, stars=stars, line=line, judged_sha256=f"{number:064x}")


def cpu(work: Callable[[], Any], rounds: int) -> float:
    begun = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - begun) / rounds


def clip_speed(pieces: int, copies: int, rounds: int) -> None:
    world = synth.make_world(31, pieces=pieces)
    kept = [features_of_clip(clip_of(perform(piece))) for piece in world.pieces]
    listed = []
    for number, (piece, item) in enumerate(zip(world.pieces, kept, strict=True)):
        for k in range(copies):
            mine = perturbed(item, number * copies + k) if k else item
            listed.append(CatalogueEntry(id=f"r{number:03d}-{k:03d}", style=piece.style, features=mine))
    catalogue = Catalogue(listed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        soundfile.write(path, synth.make_track(world, "verbatim", 0).pcm, 16_000)
        item = read(path)
        print(
            f"{len(catalogue.owners):,} segments, {len(catalogue.landmarks):,} landmarks,"
            f" {len(catalogue):,} recordings\n"
        )
        print("| step | CPU s per 30 s clip |\n|---|---|")
        print(f"| decode | {cpu(lambda: decode(path), rounds):.3f} |")
        heard = cpu(lambda: read(path), rounds)
        print(f"| decode and features | {heard:.3f} |")
    for name in NAMES:
        chosen = method(name)
        chosen.fit(catalogue)
        chosen.attribute(item)

        def fresh(chosen: Any = chosen) -> None:
            catalogue.evidence = None
            chosen.attribute(item)

        print(f"| {name}, end to end | {heard + cpu(fresh, rounds):.3f} |")
    neighbours(catalogue, [item, *(features_of_clip(clip_of(synth.make_track(world, kind, 1).pcm)) for kind in KINDS)])


def neighbours(catalogue: Catalogue, items: list[Features]) -> None:
    """What the graph finds of the true ten nearest, in both spaces that are searched, and at what cost."""
    print("\n| space | recall@10 of HNSW | CPU ms a query: HNSW, exact |\n|---|---|---|")
    queries = {
        "screen": [joined({name: one.segments[name] for name in SCREEN_ENCODERS}) for one in items],
        "style": [one.segments["style"] for one in items],
    }
    for name, exact in (("screen", catalogue.screen), ("style", catalogue.styles_index)):
        rows = np.concatenate(queries[name])
        graph = Nearest(exact.rows, exact=False)
        found = recall(graph.search(rows, 10)[1], exact.search(rows, 10)[1])
        fast, slow = (1000 * cpu(partial(index.search, rows, 10), 1) / len(rows) for index in (graph, exact))
        print(f"| {name}, {len(exact):,} x {rows.shape[1]} | {found:.3f} | {fast:.2f}, {slow:.2f} |")


def index_memory(clips: int) -> None:
    """Peak memory of `settle index` over a fifth of the clips and over all, each in a process of its own."""
    world = synth.make_world(32, pieces=clips)
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "audio"
        audio.mkdir()
        for piece in world.pieces:
            soundfile.write(audio / f"{piece.id}.wav", perform(piece), 16_000, subtype="ULAW")
        print("\n| `settle index` over | peak memory | CPU s a clip | on disk a clip |\n|---|---|---|---|")
        for count in (clips // 5, clips):
            words = [sys.executable, "-m", "tests.bench.bench_attribution_speed", "--index", folder, str(count)]
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
            print(done.stdout.strip())


def index_here(folder: Path, count: int) -> None:
    """One row of the table: this process indexes the first `count` clips."""
    made = sounding(folder / f"home-{count}")
    (made.label / "audio").symlink_to(folder / "audio")
    made.add({path.stem: f"audio/{path.name}" for path in sorted((folder / "audio").iterdir())[:count]})
    begun = time.process_time()
    found = build_index(Workspace.open(made.home))
    spent = (time.process_time() - begun) / count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    kept = (made.home / "index").rglob("*.safetensors.zlib")
    size = sum(path.stat().st_size for path in kept) // 1024 // count
    print(f"| {found.recordings:,} half-minute clips | {peak} MiB | {spent:.2f} | {size} KiB |")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--index", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    if options.index:
        index_here(Path(options.index[0]), int(options.index[1]))
        return
    index_memory(20 if options.quick else 1_000)
    clip_speed(*((10, 4, 1) if options.quick else (60, 64, 5)))


@pytest.mark.bench
def test_the_quick_speed_benchmark_runs() -> None:
    """If this fails, the speed tables can no longer be made."""
    main(["--quick"])


if __name__ == "__main__":
    main()
