"""Landmarks: pairs of spectral peaks that survive mixing and noise, and the votes they cast.

The constellation method (Wang, "An industrial-strength audio search algorithm", ISMIR 2003): a pair
of peaks hashes to (frequency, frequency, distance); pairs that a clip shares with one recording *at
one time offset* are evidence that the recording itself sounds there, mixed or not. It says where in
the track and where in the source, which similarity of embeddings cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.spectra import Floats, one_thread

FAN_OUT: Final = 14
REACH: Final = 31
"""A peak is paired with the FAN_OUT next ones at most REACH frames (1 s) later."""
PEAKS_PER_SECOND: Final = 45
LANDMARK_BINS: Final = 480
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """Hashes with the mel frame each begins at, by frame; and the peaks they were made of."""

    hashes: Ints
    frames: Ints
    peaks: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    """(frame, bin)"""


def landmarks(bins: Floats) -> Landmarks:
    """The landmarks of a power spectrum, the loudest peaks only; none in silence."""
    import torch

    if len(bins) < 3 or float(bins.max()) < 1e-8:
        return Landmarks(hashes=np.zeros(0, np.int64), frames=np.zeros(0, np.int64))
    with one_thread(), torch.inference_mode():
        level = torch.log(torch.from_numpy(np.ascontiguousarray(bins[:, 4:484])) + 1e-7)
        level = (
            level
            - torch.nn.functional.avg_pool2d(level[None, None], (1, 41), 1, (0, 20), count_include_pad=False)[0, 0]
        )
        across = torch.nn.functional.max_pool2d(level[None, None], (1, 13), 1, (0, 6))
        pooled = torch.nn.functional.max_pool2d(across, (7, 1), 1, (3, 0))[0, 0]
        peak = ((level == pooled) & (level > 0.5)).numpy()
        strength = level.numpy()
    frame, bin_ = np.nonzero(peak)
    keep = PEAKS_PER_SECOND * len(bins) // 31 + 1
    if len(frame) > keep:
        loudest = np.sort(np.lexsort((bin_, frame, -strength[frame, bin_]))[:keep])
        frame, bin_ = frame[loudest], bin_[loudest]
    return pairs(frame.astype(np.int64), bin_.astype(np.int64))


def pairs(frame: Ints, bin_: Ints) -> Landmarks:
    """The landmarks that peaks make, each with the FAN_OUT that follow it."""
    if not len(frame):
        return Landmarks(hashes=np.zeros(0, np.int64), frames=np.zeros(0, np.int64))
    hashes, frames = [], []
    for step in range(1, FAN_OUT + 1):
        gap = frame[step:] - frame[:-step]
        near = (gap >= 2) & (gap <= REACH)
        first, second = bin_[:-step][near], bin_[step:][near]
        hashes.append((first * 512 + second) * 32 + gap[near])
        frames.append(frame[:-step][near])
    every, at = np.concatenate(hashes), np.concatenate(frames)
    order = np.lexsort((every, at))
    peaks = np.stack([frame, bin_], axis=1).astype(np.int32)
    return Landmarks(hashes=every[order], frames=at[order], peaks=peaks)
