"""The style encoder: a small convolutional network, trained by `attribution.lab.train_style`, shipped.

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

from attribution.hearing.encoders.handmade import log_mel
from attribution.hearing.spectra import Floats, Spectra, one_thread
from attribution.weights.load import tensors

DIM: Final = 128
LAGS: Final = 24
PREFIX: Final = "style."


class StyleNet(nn.Module):
    """What sounds, and how it repeats.

    Strided convolutions over time and frequency, then statistics over time, so that the notes average
    out: mean and spread of each map (the instruments), and how the finer maps repeat from 64 ms to
    1.5 s later (the groove), which no single stretch of the picture shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.local = nn.Sequential(
            nn.Conv2d(1, 24, (5, 5), stride=(2, 2), padding=2),
            nn.BatchNorm2d(24),
            nn.ReLU(),
            nn.Conv2d(24, 48, (3, 3), stride=(1, 2), padding=1),
            nn.BatchNorm2d(48),
            nn.ReLU(),
        )
        self.wide = nn.Sequential(nn.Conv2d(48, 96, (3, 3), stride=(2, 2), padding=1), nn.BatchNorm2d(96), nn.ReLU())
        self.norm = nn.BatchNorm1d(48 * LAGS)
        self.head = nn.Sequential(nn.Linear(2 * 96 * 6 + 48 * LAGS, 192), nn.ReLU(), nn.Linear(192, DIM))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(segments, 128 frames, 48 bands) -> (segments, 128) of length one."""
        fine = self.local(pictures[:, None] / 2.0)
        maps = self.wide(fine)
        colour = torch.cat([maps.mean(dim=2), maps.std(dim=2)], dim=1).flatten(1)
        groove = self.norm(repeats(fine.float().mean(dim=3)).flatten(1))
        answer: torch.Tensor = nn.functional.normalize(
            self.head(torch.cat([colour.float(), groove], dim=1)).float(), dim=1
        )
        return answer


def repeats(tracks: torch.Tensor) -> torch.Tensor:
    """How each of (segments, maps, frames) agrees with itself 1..LAGS frames later, against its own spread."""
    centred = tracks - tracks.mean(dim=2, keepdim=True)
    spectrum = torch.fft.rfft(centred, 2 * centred.shape[2])
    lags = torch.fft.irfft(spectrum.real**2 + spectrum.imag**2, 2 * centred.shape[2])
    answer: torch.Tensor = lags[..., 1 : LAGS + 1] / (lags[..., :1] + 1e-3)
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
