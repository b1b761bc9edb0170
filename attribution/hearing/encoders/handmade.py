"""Hand-made encoders for sound, harmony, timbre and rhythm, without training.

`patch` is the sound itself (a small log-mel picture), `chroma` its harmony whatever the key and the
offset, `timbre` its colour and its rhythm. Each centres and scales its dimensions by constants that
ship with the weights, so that nothing depends on the catalogue it meets and an index can grow.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.spectra import BANDS, HOP, SEMITONES, WINDOW, Floats, Spectra, unit, windows
from attribution.weights.load import Constants

_FLOOR: Final = 1e-7


def log_mel(picture: Spectra) -> Floats:
    """Segments of log-mel power, (segments, 128 frames, 48 bands), each relative to its own mean."""
    frames = np.log(picture.mel + _FLOOR)
    cut = windows(frames, WINDOW, HOP, picture.segments)
    centred: Floats = cut - cut.mean(axis=(1, 2), keepdims=True)
    return centred


def patch(picture: Spectra) -> Floats:
    """Low-order two-dimensional cosines of a 32 x 24 picture: 143 numbers."""
    cut = log_mel(picture).reshape(-1, 32, 4, 24, 2).mean(axis=(2, 4))
    waves = np.einsum("stf,tk,fl->skl", cut, _cosines(32, 12), _cosines(24, 12), optimize=True)
    return np.asarray(waves.reshape(len(cut), 144)[:, 1:], dtype=np.float32)


def chroma(picture: Spectra) -> Floats:
    """Magnitudes of the two-dimensional Fourier transform of the chroma: blind to key and to offset."""
    folded = fold(picture.semitones)
    cut = windows(folded, WINDOW // 2, HOP // 2, picture.segments)
    cut = cut - cut.mean(axis=(1, 2), keepdims=True)
    waves = np.abs(np.fft.fft2(cut, axes=(1, 2)))[:, :16, :]
    flat = np.concatenate([waves[:, 0, 1:7], waves[:, 1:, :].reshape(len(cut), 180)], axis=1)
    return np.asarray(np.sqrt(flat), dtype=np.float32)


def fold(semitones: Floats) -> Floats:
    """Semitone power as twelve pitch classes a frame, compressed, so that loud notes do not drown soft ones."""
    frames = np.sqrt(semitones).reshape(len(semitones), SEMITONES // 12, 12).sum(axis=1)
    peak = np.maximum(frames.max(axis=1, keepdims=True), 1e-6)
    return np.asarray(frames / peak, dtype=np.float32)


def timbre(picture: Spectra) -> Floats:
    """Mean and spread of each band, and how onsets repeat: colour and groove."""
    cut = log_mel(picture)
    rise = np.maximum(np.diff(cut, axis=1), 0)
    low, high = rise[:, :, :12].mean(axis=2), rise[:, :, 24:].mean(axis=2)
    rhythm = np.concatenate([_repeats(onset) for onset in (low, high)], axis=1)
    return np.concatenate([cut.mean(axis=1), cut.std(axis=1), rhythm], axis=1, dtype=np.float32)


def _repeats(onset: Floats) -> Floats:
    centred = onset - onset.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(centred, 2 * WINDOW, axis=1)) ** 2
    lags = np.fft.irfft(power, axis=1)[:, : WINDOW // 2]
    return np.asarray(lags[:, 4::2] / np.maximum(lags[:, :1], 1e-9), dtype=np.float32)


def _cosines(size: int, count: int) -> npt.NDArray[np.float64]:
    angles = np.pi * (np.arange(size)[:, None] + 0.5) * np.arange(count) / size
    return np.asarray(np.cos(angles) * np.sqrt(2 / size), dtype=np.float64)


MAKERS: Final = {"patch": (patch, 143), "chroma": (chroma, 186), "timbre": (timbre, 2 * BANDS + 60)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandMade:
    """One of the makers above, centred and scaled by shipped constants."""

    name: str
    constants: Constants
    version: str = "1"

    @property
    def dim(self) -> int:
        return MAKERS[self.name][1]

    @property
    def digest(self) -> str:
        body = self.constants.mean.tobytes() + self.constants.scale.tobytes()
        return hashlib.sha256(f"{self.name}/{self.version}/".encode() + body).hexdigest()

    def encode(self, picture: Spectra) -> Floats:
        """One unit row a segment; a silent segment is a zero row."""
        raw = MAKERS[self.name][0](picture)
        rows = unit((raw - self.constants.mean) * self.constants.scale)
        rows[~picture.loud] = 0.0
        return rows
