"""Decomposition in latent space: at 100,000 recordings, over noise, sources and size; and in a real decoder's space.

    python -m tests.bench.bench_latents [--quick]

Prints the tables of docs/benchmarks.md and draws its curves, docs/images/latents.svg. The autoencoder learns log-mel
pictures of the synthetic catalogue; tracks are decoded from mixed latents, and what the decoder gives is encoded
again: methods get what a generator's own encoder would hand them, and mixing is as curved as the decoder makes it.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from attribution.hearing.audio import clip_of
from attribution.hearing.encoders.handmade import log_mel
from attribution.hearing.spectra import spectra, unit
from attribution.index.nearest import Nearest, recall
from attribution.lab import evaluate, synth
from attribution.methods.decompose import decompose
from attribution.methods.latent import LEAST, RATIO
from tests.bench.drawing import drawing
from tests.support import ROOT

Floats = npt.NDArray[np.float32]
NOISES: Final = (0.0, 0.05, 0.15, 0.3)
NOISES_DECODED: Final = (0.0, 0.15, 0.3)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: top-3 and L1 of decomposition, top-3 of cosine, milliseconds a query."""

    ours: evaluate.Interval
    error: evaluate.Interval
    cosine: evaluate.Interval
    median_ms: float
    optimal: float

    def __str__(self) -> str:
        return f"{self.ours} | {self.error} | {self.cosine} | {self.median_ms:.0f} | {self.optimal:.2f} | {self.ours.n}"


def correlated(count: int, width: int, seed: int = 0) -> Floats:
    """Unit latents in 20 style clusters with a common low-rank part, as those of one model are."""
    rng = np.random.default_rng(seed)
    centres, common = rng.standard_normal((20, width)), rng.standard_normal((8, width))
    rows = rng.standard_normal((count, width)) + centres[rng.integers(20, size=count)]
    rows += 0.3 * rng.standard_normal((count, 8)) @ common
    return unit(rows.astype(np.float32))


def mixtures(rows: Floats, queries: int, noise: float, sources: int | None) -> list[tuple[Any, dict[str, float]]]:
    made = []
    for number in range(queries):
        rng = np.random.default_rng((7, number))
        count = sources or int(rng.integers(1, 6))
        picked = rng.choice(len(rows), size=count, replace=False)
        weights = rng.dirichlet(np.full(count, 1.5))
        mixed = weights @ rows[picked].astype(np.float64)
        error = rng.standard_normal(rows.shape[1])
        mixed += noise * np.linalg.norm(mixed) * error / np.linalg.norm(error)
        made.append((mixed, {str(row): float(weight) for row, weight in zip(picked, weights, strict=True)}))
    return made


def score(index: Nearest, queries: list[tuple[Any, dict[str, float]]]) -> Row:
    """Both methods on the same queries in the same run. Top-3 is of the three heaviest sources."""
    ours, errors, cosine, times, optimal = [], [], [], [], []
    for mixed, truth in queries:
        heavy = dict(sorted(truth.items(), key=lambda pair: -pair[1])[:3])
        begun = time.process_time()
        one = decompose(mixed / np.linalg.norm(mixed), index.largest, index.fetch, ratio=RATIO)
        times.append(time.process_time() - begun)
        whole = float(one.weights.sum())
        shares = {
            str(row): float(weight)
            for row, weight in zip(one.rows, one.weights, strict=True)
            if weight >= LEAST * whole
        }
        ours.append(evaluate.top_hits(shares, heavy))
        errors.append(evaluate.weight_error(shares, truth))
        near = index.largest(mixed, len(heavy))
        cosine.append(len({str(row) for row in near} & set(heavy)) / len(heavy))
        optimal.append(float(one.optimal))
    return Row(
        evaluate.bootstrap(ours),
        evaluate.bootstrap(errors),
        evaluate.bootstrap(cosine),
        1000 * float(np.median(times)),
        float(np.mean(optimal)),
    )


CURVES: Final = ROOT / "docs" / "images" / "latents.svg"
HEAD: Final = (
    "| what | IVD top-3 (95 % CI) | IVD L1 | cosine top-3 | CPU ms a query | proven optimal | n |\n"
    "|---|---|---|---|---|---|---|"
)


def curves(queries: int, large: int, place: Path | None) -> None:
    """One thing changed at a time, from 100,000 recordings, 15 % noise and one to five sources."""
    print(HEAD)
    rows = correlated(large, 128)
    index = Nearest(rows)
    by_noise, by_sources, by_size = {}, {}, {}
    for noise in NOISES:
        by_noise[f"{noise:.0%}"] = found = score(index, mixtures(rows, queries, noise, None))
        print(f"| {large:,} x 128, {noise:.0%} noise, 1-5 sources | {found} |")
    for sources in (1, 3, 5, 8):
        by_sources[str(sources)] = found = score(index, mixtures(rows, queries, 0.15, sources))
        print(f"| {large:,} x 128, 15% noise, {sources} sources | {found} |")
    for size in (large // 100, large // 10):
        small = Nearest(rows[:size])
        by_size[f"{size:,}"] = found = score(small, mixtures(rows[:size], queries, 0.15, None))
        print(f"| {size:,} x 128, 15% noise, 1-5 sources | {found} |")
    by_size[f"{large:,}"] = by_noise["15%"]
    if place is not None:
        drawn = {"noise": by_noise, "sources": by_sources, "recordings": by_size}
        place.write_text(drawing({name: _series(found) for name, found in drawn.items()}), encoding="utf-8")
    graph = Nearest(rows, exact=False)
    wanted = np.stack([mixed for mixed, _ in mixtures(rows, queries, 0.15, None)]).astype(np.float32)
    near, truth = graph.search(wanted, 10)[1], index.search(wanted, 10)[1]
    print(f"\nHNSW recall@10 against Flat at {large:,} x 128: {recall(near, truth):.3f}")


def _series(found: dict[str, Row]) -> dict[str, dict[str, float]]:
    """By line of the drawing, its value at each place."""
    return {
        "IVD, top-3": {place: row.ours.mean for place, row in found.items()},
        "cosine, top-3": {place: row.cosine.mean for place, row in found.items()},
        "IVD, weight error": {place: row.error.mean for place, row in found.items()},
    }


class Autoencoder(nn.Module):
    """Log-mel pictures to 64 numbers and back: a small generator with a latent space of its own."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.inwards = nn.Sequential(nn.Linear(768, 384), nn.GELU(), nn.Linear(384, width))
        self.outwards = nn.Sequential(nn.Linear(width, 384), nn.GELU(), nn.Linear(384, 768))


def autoencoder(pieces: int, steps: int, queries: int) -> None:
    """Trained on the catalogue; tracks are decoded from mixed latents, and encoded again for the methods."""
    world = synth.make_world(1, pieces=pieces)
    cuts = [log_mel(spectra(clip_of(synth.perform(piece, 12.0)).pcm)) for piece in world.pieces]
    pictures = np.concatenate([cut.reshape(-1, 32, 4, 24, 2).mean(axis=(2, 4)).reshape(-1, 768) for cut in cuts])
    mean, spread = pictures.mean(axis=0), pictures.std() + 1e-6
    data = torch.from_numpy(((pictures - mean) / spread).astype(np.float32))
    torch.manual_seed(0)
    net = Autoencoder()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    rng, begun = np.random.default_rng(0), time.process_time()
    for _ in range(steps):
        batch = data[rng.choice(len(data), size=256)]
        loss = ((net.outwards(net.inwards(batch)) - batch) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        latents = net.inwards(data).numpy()
        centre = latents.mean(axis=0)
        rows = unit(latents[:: len(pictures) // pieces][:pieces] - centre)
        index = Nearest(rows)
        made = mixtures(rows, queries, 0.0, None)
        scale = float(np.linalg.norm(latents - centre, axis=1).mean())
        spent = time.process_time() - begun
        print(
            f"\nAutoencoder: {pieces} recordings x 64, {steps:,} steps in {spent:.0f} CPU s, "
            f"reconstruction error {loss.item():.3f} of the variance\n\n{HEAD}"
        )
        print(f"| mixed latents as they are | {score(index, made)} |")
        for noise in NOISES_DECODED:
            through = []
            for mixed, truth in made:
                latent = torch.from_numpy((mixed * scale + centre).astype(np.float32))
                picture = net.outwards(latent[None])
                picture = picture + noise * picture.std() * torch.randn(picture.shape)
                through.append((net.inwards(picture)[0].numpy().astype(np.float64) - centre, truth))
            what = "decoded, encoded again" + (f", the sound {noise:.0%} noise" if noise else "")
            print(f"| {what} | {score(index, through)} |")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    curves(*((10, 2_000, None) if options.quick else (200, 100_000, CURVES)))
    autoencoder(*((40, 100, 10) if options.quick else (500, 6_000, 200)))


@pytest.mark.bench
def test_the_quick_latent_benchmark_runs() -> None:
    """If this fails, the latent tables can no longer be made."""
    main(["--quick"])


if __name__ == "__main__":
    main()
