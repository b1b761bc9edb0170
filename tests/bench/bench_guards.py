"""Hubs, pastiche and canaries: is what should be noticed noticed, and is anybody suspected wrongly?

    python -m tests.bench.bench_guards [--quick]

Thresholds were chosen on world 21; everything here is on world 23. Hubs are compilations of other people's
recordings, and medleys in other people's manner. A pastiche is new notes by one piece's band.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from attribution.hearing.audio import clip_of
from attribution.hearing.features import Features, features_of_clip
from attribution.index import hubs
from attribution.index.catalogue import SCREEN_ENCODERS, Catalogue, CatalogueEntry, joined
from attribution.judge import judge
from attribution.lab import canary, compose, evaluate, synth
from attribution.lab.render import Pcm, render
from attribution.lab.synth import InventedPiece, perform
from attribution.methods.byname import method
from ledger.types import ASPECTS
from tests.bench.pastiche import in_the_manner_of

SECONDS = 20.0
EXCERPT = 6.0


@dataclass(frozen=True, slots=True)
class Bench:
    """A world, its recordings, and how many of everything are measured."""

    world: synth.World
    kept: Mapping[str, Features]
    count: int

    def catalogue(self, more: Mapping[str, Features] | None = None) -> Catalogue:
        styles = {piece.id: piece.style for piece in self.world.pieces}
        every = {**self.kept, **(more or {})}
        return Catalogue([CatalogueEntry(id=name, features=one, style=styles.get(name)) for name, one in every.items()])


def heard(pcm: Pcm) -> Features:
    return features_of_clip(clip_of(np.asarray(pcm, np.float32)))


def in_manner(world: synth.World, source: InventedPiece, rng: np.random.Generator, seconds: float) -> Pcm:
    """New notes by the band of a piece."""
    made = synth._borrow("style", synth._host(world, rng), source, 1.0, rng)
    return np.asarray(
        render(compose.play(made.score, seconds), made.sound, made.score.tempo, seconds, rng), dtype=np.float32
    )


def planted_hub(world: synth.World, how: str, parts: int, number: int) -> Pcm:
    rng = np.random.default_rng((world.seed, parts, number))
    sources = [world.pieces[int(k)] for k in rng.choice(len(world.pieces), size=parts, replace=False)]
    if how == "medley in their manner":
        return np.concatenate([in_manner(world, source, rng, EXCERPT) for source in sources])
    cut = slice(2 * 16_000, int((2 + EXCERPT) * 16_000))
    return np.concatenate([perform(source, SECONDS)[cut] for source in sources])


def measure_hubs(bench: Bench, sizes: tuple[int, ...], items: list[Features]) -> None:
    tables = {name: screened(one) for name, one in bench.kept.items()}
    wrongly = hubs.hubs(tables)
    print(f"Honest recordings taken for hubs: {len(wrongly)} of {len(tables)}\n")
    print("| planted | recognised | crowd, of the median | gets of tracks by others, worst |\n|---|---|---|---|")
    for how in ("compilation of recordings", "medley in their manner"):
        for parts in sizes:
            seen, times, gains = [], [], []
            for number in range(4):
                planted = heard(planted_hub(bench.world, how, parts, number))
                crowds = hubs.crowds(tables | {"hub": screened(planted)})
                usual = float(np.median(list(crowds.values())))
                seen.append(float("hub" in hubs.hubs(tables | {"hub": screened(planted)})))
                times.append(crowds["hub"] / usual)
                chosen = method("hybrid")
                chosen.fit(bench.catalogue({"hub": planted}))
                if number == 0:
                    gains = [chosen.attribute(item).shares["recording"].get("hub", 0.0) for item in items]
            print(f"| {how} of {parts} | {np.mean(seen):.0%} | {np.mean(times):.1f} | {max(gains, default=0.0):.3f} |")


def screened(item: Features) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return joined({name: item.segments[name][::3] for name in SCREEN_ENCODERS})


def measure_pastiche(bench: Bench, tracks: Mapping[synth.Kind, list[synth.Made]]) -> None:
    catalogue = bench.catalogue()
    chosen = method("hybrid")
    chosen.fit(catalogue)

    def imitated(item: Features) -> str | None:
        found, estimate = judge(chosen, catalogue, item, track="t")
        named = {one.id for one in (*found.recording.sources, *found.composition.sources)}
        style = {name: round(share * 1_000_000) for name, share in estimate.shares["style"].items()}
        return in_the_manner_of(style, named) if "style" in estimate.above_chance else None

    rng = np.random.default_rng(bench.world.seed)
    right, told = [], []
    for _ in range(bench.count):
        source = bench.world.pieces[int(rng.integers(len(bench.world.pieces)))]
        name = imitated(heard(in_manner(bench.world, source, rng, SECONDS)))
        told.append(float(name is not None))
        right.append(float(name == source.id))
    print("\n| tracks | told to be in somebody's manner | of the right one |\n|---|---|---|")
    print(f"| pastiche of one | {evaluate.bootstrap(told)} | {evaluate.bootstrap(right)} |")
    for kind, made in tracks.items():
        names = [imitated(heard(one.pcm)) for one in made]
        hits = [float(name in one.truth.style) for name, one in zip(names, made, strict=True)]
        shown = f"{evaluate.bootstrap(hits)}" if kind == "style" else ""
        print(f"| {kind} | {evaluate.bootstrap([float(name is not None) for name in names])} | {shown} |")


def measure_canaries(bench: Bench, tracks: Mapping[synth.Kind, list[synth.Made]]) -> None:
    catalogue = bench.catalogue()
    every = canary.plant(catalogue, canary.invent(catalogue, "audio", 20))
    items = [heard(one.pcm) for made in tracks.values() for one in made]
    print(f"\n20 canaries among {len(catalogue)} recordings, {len(items)} tracks of all kinds\n")
    print("| method | " + " | ".join(f"{aspect}: tracks wrong, at most (95 %)" for aspect in ASPECTS) + " |")
    print("|---" * (len(ASPECTS) + 1) + "|")
    for name in ("chroma", "fingerprint", "ivd", "hybrid"):
        chosen = method(name)
        chosen.fit(every)
        wrong = dict.fromkeys(ASPECTS, 0)
        for item in items:
            given = {aspect for aspect, _, _ in canary.given(judge(chosen, every, item, track="t")[0])}
            for aspect in given:
                wrong[aspect] += 1
        cells = [f"{count} of {len(items)}, {canary.at_most(count, len(items)):.1%}" for count in wrong.values()]
        print(f"| {name} | {' | '.join(cells)} |")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    pieces, count, sizes = (24, 2, (10,)) if options.quick else (200, 40, (5, 10, 25, 50))
    world = synth.make_world(23, pieces=pieces, styles=10)
    bench = Bench(world, {piece.id: heard(perform(piece, SECONDS)) for piece in world.pieces}, count)
    kinds: tuple[synth.Kind, ...] = ("verbatim", "riff", "chords", "style", "overlay", "free")
    tracks = {
        kind: [synth.make_track(world, kind, number, seconds=SECONDS) for number in range(count)] for kind in kinds
    }
    measure_hubs(bench, sizes, [heard(one.pcm) for one in tracks["verbatim"][:20]])
    measure_pastiche(bench, tracks)
    measure_canaries(bench, tracks)


@pytest.mark.bench
def test_the_quick_guards_benchmark_runs() -> None:
    """If this fails, the tables of hubs, pastiche and canaries can no longer be made."""
    main(["--quick"])


if __name__ == "__main__":
    main()
