"""Trains the style encoder and measures the hand-made encoders' constants, on worlds of its own.

    python -m attribution.train_style --out attribution/weights/encoders.safetensors

Every training group is a band (a piece's sound and groove) playing four different pieces of music;
the network learns to tell bands apart (a contrastive loss over the batch). The worlds' seeds start at
9,000: no style, band or note is shared with the benchmark, whose seeds stay below 100.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from attribution import compose, synth
from attribution.encoders import handmade
from attribution.encoders.style import PREFIX, StyleNet
from attribution.render import render
from attribution.spectra import Floats, Spectra, spectra

FIRST_WORLD: Final = 9_000
VIEWS: Final = 4
SIBLINGS: Final = 10
"""Bands of each style: telling brothers apart is what the network is for."""
TEMPERATURE: Final = 0.07
BATCH: Final = 80


def band_clips(rng: np.random.Generator, style: synth.Style, seconds: float = 10.5) -> list[Spectra]:
    """One band of a style, new music every time: the views that belong together."""
    band = synth.invent_piece(rng, style, "band", seed=0)
    views = []
    for _ in range(VIEWS):
        mode = compose.MODES[int(rng.integers(len(compose.MODES)))]
        score = replace(
            band.score,
            key=int(rng.integers(12)),
            tune=compose.compose_tune(rng, mode, density=float(rng.uniform(0.3, 0.9))),
            progression=compose.compose_progression(rng, mode, sevenths=0.2),
            tempo=band.score.tempo * float(rng.uniform(0.95, 1.05)),
        )
        pcm = render(compose.play(score, seconds), band.sound, score.tempo, seconds, rng)
        noise = rng.standard_normal(len(pcm)).astype(np.float32) * 0.1 * 10 ** (-float(rng.uniform(15, 40)) / 20)
        views.append(spectra(np.asarray((pcm + noise) * float(np.exp(rng.normal(0, 0.5))), dtype=np.float32)))
    return views


def make_material(bands: int, seed: int) -> tuple[Floats, dict[str, list[Floats]]]:
    """Log-mel pictures (bands, views x segments, frames, bands) and the hand-made encoders' raw rows."""
    rng = np.random.default_rng(seed)
    worlds = [synth.make_world(FIRST_WORLD + k, pieces=0, styles=20) for k in range(max(1, bands // (20 * SIBLINGS)))]
    styles = [style for world in worlds for style in world.styles.values()]
    pictures: list[Floats] = []
    rows: dict[str, list[Floats]] = {name: [] for name in handmade.MAKERS}
    for k in range(bands):
        clips = band_clips(rng, styles[k // SIBLINGS % len(styles)])
        pictures.append(np.stack([handmade.log_mel(clip)[:7:2] for clip in clips]).astype(np.float16))
        for name, (make, _) in handmade.MAKERS.items():
            rows[name].extend(make(clip)[::3] for clip in clips[:2])
    return np.stack(pictures), rows


def batches(pictures: Floats, rng: np.random.Generator, size: int) -> Iterator[torch.Tensor]:
    """Endless batches of (size bands, 2 views): two stretches of each band from different pieces of music.

    Every batch holds whole styles, so that most of what a band is compared with is much like it.
    """
    while True:
        chosen = rng.choice(len(pictures) // SIBLINGS, size=size // SIBLINGS, replace=False)
        bands = (chosen[:, None] * SIBLINGS + np.arange(SIBLINGS)).ravel()
        size = len(bands)
        first = rng.integers(VIEWS, size=size)
        second = (first + rng.integers(1, VIEWS, size=size)) % VIEWS
        cut = rng.integers(pictures.shape[2], size=(2, size))
        yield torch.from_numpy(
            np.stack([pictures[bands, first, cut[0]], pictures[bands, second, cut[1]]], axis=1).astype(np.float32)
        )


def train(pictures: Floats, seconds: float, seed: int) -> tuple[StyleNet, list[str]]:
    """The network after `seconds` of training, and a line of progress now and then."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = StyleNet()
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    started, said = time.process_time(), []
    for step, batch in enumerate(batches(pictures, rng, BATCH)):
        spent = (time.process_time() - started) / seconds
        if spent >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (0.5 + 0.5 * np.cos(np.pi * spent)) + 1e-5
        rows = net(batch.flatten(0, 1)).reshape(BATCH, 2, -1)
        scores = rows[:, 0] @ rows[:, 1].T / TEMPERATURE
        target = torch.arange(BATCH)
        loss = (nn.functional.cross_entropy(scores, target) + nn.functional.cross_entropy(scores.T, target)) / 2
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 50 == 0:
            right = float((scores.argmax(1) == target).float().mean())
            said.append(f"step {step} loss {loss.item():.3f} in-batch top-1 {right:.3f}")
    return net.eval(), said


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bands", type=int, default=800)
    parser.add_argument("--seconds", type=float, default=240.0, help="CPU seconds of training, material not counted")
    parser.add_argument("--seed", type=int, default=FIRST_WORLD)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    pictures, rows = make_material(options.bands, options.seed)
    net, said = train(pictures, options.seconds, options.seed)
    tensors = {f"{PREFIX}{name}": value.numpy().astype(np.float32) for name, value in net.state_dict().items()}
    for name, parts in rows.items():
        every = np.concatenate(parts)
        tensors[f"{name}.mean"] = every.mean(axis=0).astype(np.float32)
        # Half-whitening: the square root of the spread keeps some of the natural order of importance.
        tensors[f"{name}.scale"] = (1 / np.sqrt(every.std(axis=0) + 1e-4)).astype(np.float32)
    from safetensors.numpy import save_file

    save_file(tensors, options.out)
    for line in said:
        print(line)  # noqa: T201  a script's answer


if __name__ == "__main__":
    main()
