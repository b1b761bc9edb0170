"""CPU seconds for one half-minute clip, end to end, against 100,000 indexed segments; and indexing in flat memory.

    python -m tests.bench.bench_attribution_speed [--quick]

The large catalogue is a small one repeated with every table perturbed, so that searches meet full-sized
tables without hours of synthesis.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from attribution import synth
from attribution.audio import clip_of, decode
from attribution.catalogue import Catalogue, Listed
from attribution.features import Features, features_of_clip, read
from attribution.landmarks import Landmarks
from attribution.methods.byname import NAMES, method
from attribution.spectra import unit
from attribution.store import IndexStore
from attribution.synth import perform


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
    steps = np.cumsum(rng.integers(-3, 4, size=len(item.line))).astype(np.int16)
    line = replace(item.line, pitches=(item.line.pitches + steps).astype(np.int16))
    return replace(item, segments=segments, marks=marks, line=line, judged_sha256=f"{number:064x}")


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
            listed.append(Listed(id=f"r{number:03d}-{k:03d}", style=piece.style, features=mine))
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


def index_memory(clips: int) -> None:
    """Peak memory after a tenth of the clips and after all: indexing keeps none of them."""
    world = synth.make_world(32, pieces=min(clips, 50))
    with tempfile.TemporaryDirectory() as folder:
        store = IndexStore(Path(folder))
        begun = time.process_time()
        early = 0
        for number in range(clips):
            pcm = perform(world.pieces[number % len(world.pieces)]) * (1 - number / 10 / clips)
            store.put(features_of_clip(clip_of(np.asarray(pcm, dtype=np.float32))))
            if number == clips // 10:
                early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        spent = (time.process_time() - begun) / clips
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) // clips
    print(f"\n{clips} clips indexed: peak memory {early // 1024} MiB after a tenth, {late // 1024} MiB after all; "
          f"{spent:.2f} CPU s and {size // 1024} KiB a clip, synthesis included")  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    index_memory(20 if options.quick else 1_000)
    clip_speed(*((10, 4, 1) if options.quick else (60, 64, 5)))


@pytest.mark.bench
def test_the_quick_speed_benchmark_runs() -> None:
    """If this fails, the speed tables can no longer be made."""
    main(["--quick"])


if __name__ == "__main__":
    main()
