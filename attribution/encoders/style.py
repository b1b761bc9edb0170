"""The style encoder: a small convolutional network, trained by `attribution.train_style`, shipped.

It hears a 4.1 s log-mel picture and answers 128 numbers that are close for two stretches of the same
band in the same groove whatever they play. Trained on invented styles only, none of which is in any
benchmark.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch
from torch import nn

from attribution.encoders.handmade import log_mel
from attribution.spectra import Floats, Spectra, one_thread
from attribution.weights.load import tensors

DIM: Final = 128
PREFIX: Final = "style."


class StyleNet(nn.Module):
    """Strided convolutions over time and frequency, then statistics over time: notes average out."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 24, (5, 5), stride=(2, 2), padding=2),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.Conv2d(24, 48, (3, 3), stride=(1, 2), padding=1),
            nn.BatchNorm2d(48),
            nn.ReLU(),
            nn.Conv2d(48, 96, (3, 3), stride=(2, 2), padding=1),
            nn.BatchNorm2d(96),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(2 * 96 * 6, 192), nn.ReLU(), nn.Linear(192, DIM))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(segments, 128 frames, 48 bands) -> (segments, 128) of length one."""
        maps = self.body(pictures[:, None] / 2.0)
        statistics = torch.cat([maps.mean(dim=2), maps.std(dim=2)], dim=1).flatten(1)
        answer: torch.Tensor = nn.functional.normalize(self.head(statistics), dim=1)
        return answer


@cache
def shipped() -> StyleNet:
    """The network with its shipped weights, ready to answer."""
    net = StyleNet()
    state = {
        name.removeprefix(PREFIX): torch.from_numpy(value.copy())
        for name, value in tensors().items()
        if name.startswith(PREFIX)
    }
    net.load_state_dict(
        {name: state[name].to(value.dtype).reshape(value.shape) for name, value in net.state_dict().items()}
    )
    return net.eval()


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleEncoder:
    """The shipped network as an encoder."""

    name: str = "style"
    dim: int = DIM

    @property
    def digest(self) -> str:
        parts = sorted((name, value.tobytes()) for name, value in tensors().items() if name.startswith(PREFIX))
        return hashlib.sha256(b"".join(name.encode() + body for name, body in parts)).hexdigest()

    def encode(self, picture: Spectra) -> Floats:
        """One unit row a segment; a silent segment is a zero row."""
        cut = log_mel(picture)
        if not len(cut):
            return np.zeros((0, DIM), dtype=np.float32)
        with one_thread(), torch.inference_mode():
            rows = np.asarray(shipped()(torch.from_numpy(cut)).numpy(), dtype=np.float32).copy()
        rows[~picture.loud] = 0.0
        return rows
