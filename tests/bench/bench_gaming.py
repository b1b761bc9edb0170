"""Gaming: K near-copies of a victim's recording are registered by somebody else. Who gains, who loses?

    python -m tests.bench.bench_gaming [--quick]

Detection is part of what is measured: copies pass through the same door as everyone (`sort_out`).
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pytest
import torch

from attribution.hearing.audio import clip_of
from attribution.hearing.features import Features, features_of_clip
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.copies import LIKE, Entrant, likeness, sort_out
from attribution.lab import evaluate, synth
from attribution.lab.render import Pcm, level_to, render, vary_sound
from attribution.lab.synth import InventedPiece, perform
from attribution.methods.byname import method

SECONDS = 20.0


def heard(pcm: Pcm) -> Features:
    return features_of_clip(clip_of(pcm))


def copy_of(piece: InventedPiece, number: int) -> Pcm:
    """A near-copy: noise, another band, another key, another tempo, or several at once."""
    rng = np.random.default_rng((piece.seed, number))
    how = number % 5
    score, sound = piece.score, piece.sound
    if how in (1, 4):
        sound = vary_sound(rng, sound, 0.4)
    if how in (2, 4):
        score = replace(score, key=(score.key + 1) % 12)
    if how in (3, 4):
        score = replace(score, tempo=score.tempo * 1.03)
    from attribution.lab.compose import play

    pcm = render(play(score, SECONDS), sound, score.tempo, SECONDS, rng)
    return np.asarray(pcm + rng.standard_normal(len(pcm)).astype(np.float32) * 0.004, dtype=np.float32)


def track_of(victim: InventedPiece, other: InventedPiece) -> Pcm:
    """60 % of the victim, then 40 % of an honest other."""
    split = int(0.6 * SECONDS * 16_000)
    return np.concatenate([perform(victim, SECONDS)[:split], level_to(perform(other, SECONDS)[split:], 0.1)])


def shares_with(
    names: list[str], kept: dict[str, Features], styles: dict[str, str], items: list[Features]
) -> list[dict[str, float]]:
    catalogue = Catalogue([CatalogueEntry(id=name, features=kept[name], style=styles.get(name)) for name in names])
    chosen = method("hybrid")
    chosen.fit(catalogue)
    return [dict(chosen.attribute(item).shares["recording"]) for item in items]


def lost_by(name: str, before: dict[str, float], after: dict[str, float]) -> float:
    return before.get(name, 0.0) - after.get(name, 0.0)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    pieces, victims, copies = (16, 2, (5,)) if options.quick else (100, 6, (1, 5, 20))
    world = synth.make_world(21, pieces=pieces, styles=10)
    kept = {piece.id: heard(perform(piece, SECONDS)) for piece in world.pieces}
    styles = {piece.id: piece.style for piece in world.pieces}
    honest = [Entrant(id=name, groups=frozenset({name}), confirmed=False) for name in kept]
    pairs = [(world.pieces[k], world.pieces[pieces // 2 + k]) for k in range(victims)]
    items = [heard(track_of(*pair)) for pair in pairs]
    before = shares_with(list(kept), kept, styles, items)
    # Tracks that no copy has to do with: made of the recordings that nobody copies.
    apart = [heard(track_of(world.pieces[victims + k], world.pieces[pieces // 2 - 1 - k])) for k in range(victims)]
    apart_before = shares_with(list(kept), kept, styles, apart)
    wrongly = [name for name, one in sort_out(honest, kept.__getitem__).items() if one.kept_out]
    print("| copies | guard | attacker's gain | victim's loss | honest other's loss | other tracks change | let in |")
    print("|---|---|---|---|---|---|---|")
    for count in copies:
        fakes = {f"copy-{victim.id}-{k}": heard(copy_of(victim, k)) for victim, _ in pairs for k in range(count)}
        every = kept | fakes
        door = honest + [Entrant(id=name, groups=frozenset({"attacker"}), confirmed=False) for name in fakes]
        judged = sort_out(door, every.__getitem__)
        inside = {"off": list(every), "on": [name for name, one in judged.items() if one.kept_out is None]}
        for guard, names in inside.items():
            after = shares_with(names, every, styles, items)
            gain = [sum(share for name, share in one.items() if name in fakes) for one in after]
            lost = [lost_by(pair[0].id, was, now) for was, now, pair in zip(before, after, pairs, strict=True)]
            other = [lost_by(pair[1].id, was, now) for was, now, pair in zip(before, after, pairs, strict=True)]
            moved = [
                abs(lost_by(name, was, now))
                for was, now in zip(apart_before, shares_with(names, every, styles, apart), strict=True)
                for name in was.keys() | now.keys()
            ]
            let_in = sum(name in fakes for name in names) / len(fakes)
            gained = f"{max(gain):.3f} worst, {np.mean(gain):.3f} mean"
            losses = f"{np.mean(lost):.3f} | {np.mean(other):.3f} | {max(moved, default=0.0):.3f}"
            print(f"| {count} | {guard} | {gained} | {losses} | {let_in:.0%} |", flush=True)
    print(f"\nHonest recordings kept out: {len(wrongly)} of {len(kept)}")
    by_change = {}
    for how, change in enumerate(("noise", "other band", "+1 semitone", "+3 % tempo", "all of them")):
        alike = [likeness(kept[piece.id], heard(copy_of(piece, how))) for piece in world.pieces[: 4 * victims]]
        by_change[change] = evaluate.bootstrap([float(value >= LIKE) for value in alike])
    print("\n| copy differs by | recognised |\n|---|---|")
    for change, rate in by_change.items():
        print(f"| {change} | {rate} |")


@pytest.mark.bench
def test_the_quick_gaming_benchmark_runs() -> None:
    """If this fails, the gaming tables can no longer be made."""
    main(["--quick"])


if __name__ == "__main__":
    main()
