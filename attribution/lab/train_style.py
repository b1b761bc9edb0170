"""Trains the style encoder on worlds of its own, and measures the hand-made encoders' constants once.

    python -m attribution.lab.train_style --out attribution/weights/encoders.safetensors

Every training group is a band (a piece's sound and groove) playing four different pieces of music;
the network learns to tell bands apart (a contrastive loss over the batch). The worlds' seeds start at
9,000: no style, band or note is shared with the benchmark, whose seeds stay below 100. The last
styles are never trained on: the lines of progress say how well their bands are told apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from attribution.hearing.encoders import handmade
from attribution.hearing.encoders.style import PREFIX, StyleNet
from attribution.hearing.spectra import Floats, Spectra, spectra
from attribution.lab import compose, synth
from attribution.lab.render import render

FIRST_WORLD: Final = 9_000
VIEWS: Final = 4
SIBLINGS: Final = 10
"""Bands of each style: telling brothers apart is what the network is for."""
TEMPERATURE: Final = 0.07
BATCH: Final = 40
HELD_OUT: Final = 200


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
    """Log-mel pictures (bands, views, segments, frames, mels) and the hand-made encoders' raw rows."""
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


def batches(pictures: Floats, rng: np.random.Generator) -> Iterator[torch.Tensor]:
    """Endless batches of BATCH bands, a stretch of each of their VIEWS pieces of music.

    Every batch holds whole styles, so that most of what a band is compared with is much like it.
    """
    views = np.arange(VIEWS)
    while True:
        chosen = rng.choice(len(pictures) // SIBLINGS, size=BATCH // SIBLINGS, replace=False)
        bands = (chosen[:, None] * SIBLINGS + np.arange(SIBLINGS)).ravel()
        cuts = rng.integers(pictures.shape[2], size=(BATCH, VIEWS))
        yield torch.from_numpy(pictures[bands[:, None], views, cuts].astype(np.float32))


def contrast(rows: torch.Tensor, band: torch.Tensor) -> torch.Tensor:
    """How badly each two views of one band stand out from all views of the other bands."""
    scores = rows @ rows.T / TEMPERATURE
    same = band[:, None] == band[None, :]
    pairs = same & ~torch.eye(len(band), dtype=torch.bool)
    negatives = torch.logsumexp(scores.masked_fill(same, -1e9), dim=1)
    return (torch.logaddexp(scores, negatives[:, None]) - scores)[pairs].mean()


def train(pictures: Floats, steps: int, seed: int, say: Callable[[str], None]) -> StyleNet:
    """The network after so many batches; the same numbers on the same machine, since no clock is asked."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = StyleNet()
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    band = torch.arange(BATCH).repeat_interleave(VIEWS)
    training, held_out = pictures[:-HELD_OUT], pictures[-HELD_OUT:]
    for step, batch in zip(range(steps), batches(training, rng), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * (0.5 + 0.5 * np.cos(np.pi * step / steps)) + 1e-5
        # Half precision where it is safe: convolutions in bfloat16 take half the time.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rows = net(batch.flatten(0, 1))
        loss = contrast(rows, band)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 50 == 0:
            say(f"step {step} of {steps}: loss {loss.item():.3f}")
    say(f"bands of styles never trained on, told apart by one stretch: {told_apart(net.eval(), held_out):.3f}")
    return net


def told_apart(net: StyleNet, pictures: Floats) -> float:
    """How often one stretch of one piece is nearest to its own band, known by another piece of music."""
    with torch.inference_mode():
        rows = torch.stack([net(torch.from_numpy(part.astype(np.float32)).flatten(0, 1)) for part in pictures])
    by_view = rows.reshape(len(rows), VIEWS, -1, rows.shape[-1])
    asked, references = by_view[:, 0], by_view[:, 1].mean(dim=1)
    best = (asked.flatten(0, 1) @ nn.functional.normalize(references, dim=1).T).argmax(dim=1)
    return float((best == torch.arange(len(pictures)).repeat_interleave(asked.shape[1])).float().mean())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="constants already in this file are kept")
    parser.add_argument("--bands", type=int, default=2_000)
    parser.add_argument("--steps", type=int, default=1_200)
    parser.add_argument("--seed", type=int, default=FIRST_WORLD)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    pictures, rows = make_material(options.bands, options.seed)
    net = train(pictures, options.steps, options.seed, print)
    from safetensors.numpy import load_file, save_file

    tensors = {f"{PREFIX}{name}": value.numpy().astype(np.float32) for name, value in net.state_dict().items()}
    # Indexes and the likeness of copies rest on the constants: a better network must not move them.
    weights = load_file(options.out) if options.out.is_file() else constants(rows)
    tensors |= {name: value for name, value in weights.items() if not name.startswith(PREFIX)}
    save_file(tensors, options.out)


def constants(rows: dict[str, list[Floats]]) -> dict[str, Floats]:
    """What the hand-made encoders subtract from each dimension and multiply it with."""
    scales: dict[str, Floats] = {}
    for name, parts in rows.items():
        every = np.concatenate(parts)
        scales[f"{name}.mean"] = every.mean(axis=0).astype(np.float32)
        # Half-whitening: the square root of the spread keeps some of the natural order of importance.
        scales[f"{name}.scale"] = (1 / np.sqrt(every.std(axis=0) + 1e-4)).astype(np.float32)
    return scales


if __name__ == "__main__":
    main()
