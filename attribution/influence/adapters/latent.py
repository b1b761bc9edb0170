"""A small denoiser of audio latents: it predicts the noise that was added to a clip's latents.

The noise of an item is drawn from its content, so that its loss is the same at every call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attribution.hearing.latents import read_latents
from attribution.influence.adapter import Item, TrainingState
from attribution.influence.adapters.optimiser import Recipe, advance, batch_of
from ledger.errors import InputError

LEVELS: Final = (0.25, 0.5, 1.0, 2.0)
"""How strong the noise is, next to latents of unit spread; an item's loss is the mean over all four."""


class Denoiser(nn.Module):
    """Three convolutions along time; the level comes in as a channel."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(channels + 1, width, 5, padding=2)
        self.middle = nn.Conv1d(width, width, 5, padding=2)
        self.leave = nn.Conv1d(width, channels, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.leave(torch.relu(self.middle(torch.relu(self.enter(x)))))
        return out


class Latent:
    """The adapter. `clips`: by id, the owner and latents (frames, channels); all are cut to the shortest."""

    name = "latent-denoiser"
    version = "1"
    attention = "none: convolutions"

    def __init__(
        self,
        clips: Mapping[str, tuple[str, NDArray[np.float32]]],
        *,
        width: int = 24,
        epochs: int = 12,
        batch: int = 16,
    ) -> None:
        if not clips:
            raise InputError("no clips to train on")
        self.names = sorted(clips)
        self.owners = [clips[name][0] for name in self.names]
        self.frames = min(len(clips[name][1]) for name in self.names)
        self.latents = torch.stack([self._cut(clips[name][1]) for name in self.names])
        self.width = width
        self.recipe = Recipe(steps=epochs * max(len(clips) // batch, 1), batch=batch, rate=5e-3)

    @classmethod
    def from_folder(cls, folder: Path) -> Latent:
        """The model of a study folder: `clips/OWNER/` holds each owner's files of latents."""
        clips = {
            name: (path.parent.name, latents)
            for path in sorted((folder / "clips").glob("*/*"))
            for name, latents in read_latents(path).items()
        }
        return cls(clips)

    def _cut(self, latents: NDArray[np.float32]) -> Tensor:
        if latents.shape[0] < self.frames:
            raise InputError(f"latents of {latents.shape[0]} frames, the model needs {self.frames}")
        return torch.from_numpy(np.ascontiguousarray(latents[: self.frames].T, np.float32))

    @property
    def steps(self) -> int:
        return self.recipe.steps

    @property
    def rate(self) -> float:
        return self.recipe.rate

    def batch(self, seed: int, step: int) -> list[int]:
        return batch_of(seed, step, self.recipe.batch, len(self.names))

    def items(self) -> list[Item]:
        rows = zip(self.names, self.owners, self.latents, strict=True)
        return [Item(id=name, owner=owner, sha256=_digest(latents)) for name, owner, latents in rows]

    def data(self, numbers: Sequence[int]) -> Tensor:
        return self.latents[list(numbers)]

    def read(self, path: Path) -> tuple[list[str], Tensor]:
        clips = read_latents(path)
        return list(clips), torch.stack([self._cut(latents) for latents in clips.values()])

    def model(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Denoiser(self.latents.shape[1], self.width)

    def losses(self, model: nn.Module, data: Tensor, sample: torch.Generator | None = None) -> Tensor:
        noise = torch.stack([_noise(latents) for latents in data])
        total = torch.zeros(len(data))
        for level in LEVELS:
            noisy = torch.cat([data + level * noise, torch.full_like(data[:, :1], level)], dim=1)
            predicted, target = model(noisy), noise
            if sample is not None:
                target = predicted.detach() + torch.randn(noise.shape, generator=sample)
            total = total + 0.5 * (predicted - target).square().mean((1, 2))
        return total / len(LEVELS)

    def advance(self, training: TrainingState, weights: Tensor) -> None:
        advance(
            training,
            self.recipe,
            len(self.names),
            weights,
            lambda numbers: self.losses(training.model, self.data(numbers)),
        )


def _digest(latents: Tensor) -> str:
    return hashlib.sha256(latents.contiguous().numpy().tobytes()).hexdigest()


def _noise(latents: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(int(_digest(latents)[:12], 16))
    return torch.randn(latents.shape, generator=generator)
