"""A line of notes: the melody as heard in sound, or as written in MIDI.

From sound it is the pitch whose harmonics are strongest from moment to moment: right about three
times in four on real instruments, which is enough for an alignment to find whose tune it is and too
little to print as sheet music.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.audio import SAMPLE_RATE
from attribution.hearing.spectra import MEL_SECONDS, Floats, one_thread

LEAD_LOW: Final = 55
LEAD_HIGH: Final = 96
HARMONICS: Final = (0, 12, 19, 24, 28)
"""The first five harmonics, in semitones above the fundamental."""
FADING: Final = 0.8
"""How much less each harmonic counts than the one before."""
HIGHER: Final = 0.02
"""What a semitone more is worth: a tune lies above its chords."""
CHANGE: Final = 1.0
"""What a new pitch costs: less than a frame of a clear tone."""
BREAK: Final = -128
"""A pitch that is no pitch: it separates voices and matches nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MelodyLine:
    """Notes in order: when (seconds), how long, which pitch (MIDI number, or BREAK)."""

    onsets: Floats
    lengths: Floats
    pitches: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.pitches)


EMPTY: Final = MelodyLine(
    onsets=np.zeros(0, np.float32), lengths=np.zeros(0, np.float32), pitches=np.zeros(0, np.int16)
)


def line_of(onsets: npt.ArrayLike, lengths: npt.ArrayLike, pitches: npt.ArrayLike) -> MelodyLine:
    """A line from plain numbers, with a note that is struck again at once merged into the one before."""
    when, long, pitch = np.asarray(onsets, np.float32), np.asarray(lengths, np.float32), np.asarray(pitches, np.int16)
    if not len(pitch):
        return EMPTY
    first = np.concatenate(([True], pitch[1:] != pitch[:-1]))
    group = np.cumsum(first) - 1
    total = np.zeros(int(group[-1]) + 1, np.float32)
    np.add.at(total, group, long)
    return MelodyLine(onsets=when[first], lengths=total, pitches=pitch[first])


def heard(bins: Floats) -> MelodyLine:
    """The melody in a power spectrum (frames, bins): the strongest path of pitches, as notes of two frames or more."""
    if len(bins) < 8 or float(bins.max()) < 1e-8:
        return EMPTY
    pitch = LEAD_LOW + _path(_strengths(bins))
    power = bins.sum(axis=1)
    loud = power > 1e-3 * float(np.median(power))
    starts = np.flatnonzero(np.concatenate(([True], pitch[1:] != pitch[:-1])))
    ends = np.concatenate((starts[1:], [len(pitch)]))
    keep = (ends - starts >= 2) & loud[starts]
    return line_of(starts[keep] * MEL_SECONDS, (ends - starts)[keep] * MEL_SECONDS, pitch[starts[keep]])


def _strengths(bins: Floats) -> Floats:
    """How strongly each lead pitch sounds in each frame: a tone is its harmonics, and the fundamental may be weak."""
    import torch

    with one_thread(), torch.inference_mode():
        level = (torch.from_numpy(np.ascontiguousarray(bins)) @ torch.from_numpy(_bank(bins.shape[1])).T).sqrt().numpy()
    level = np.log1p(level / np.maximum(level.mean(axis=1, keepdims=True), 1e-6))
    count = LEAD_HIGH - LEAD_LOW + 1
    strength = np.zeros((len(level), count), np.float32)
    for harmonic, up in enumerate(HARMONICS):
        strength += np.float32(FADING**harmonic) * level[:, up : up + count]
    # Scores are rounded before they are compared, so that the last bit of a float decides nothing.
    return np.asarray(np.round(strength + HIGHER * np.arange(count), 4), dtype=np.float32)


@cache
def _bank(width: int) -> Floats:
    """The semitones from the lowest lead pitch to the highest one's last harmonic."""
    hertz = np.arange(width) * (SAMPLE_RATE / 2 / (width - 1))
    with np.errstate(divide="ignore"):
        pitch = 69 + 12 * np.log2(hertz / 440.0)
    centres = LEAD_LOW + np.arange(LEAD_HIGH - LEAD_LOW + HARMONICS[-1] + 1)
    bank = np.exp(-0.5 * ((pitch[None, :] - centres[:, None]) / 0.35) ** 2)
    thin = bank.sum(axis=1) < 0.5
    nearest = np.abs(pitch[None, :] - centres[:, None]).argmin(axis=1)
    bank[np.nonzero(thin)[0], nearest[thin]] = 1.0
    return np.asarray(bank, dtype=np.float32)


def _path(strength: Floats) -> npt.NDArray[np.int64]:
    """The pitch of each frame where their strengths, less CHANGE for every change of pitch, sum to the most."""
    total, stay = strength[0].copy(), np.arange(strength.shape[1])
    came = np.zeros(strength.shape, np.int64)
    for frame in range(1, len(strength)):
        best = int(total.argmax())
        jump = total[best] - np.float32(CHANGE)
        came[frame] = np.where(total >= jump, stay, best)
        total = np.maximum(total, jump) + strength[frame]
    path = np.zeros(len(strength), np.int64)
    path[-1] = int(total.argmax())
    for frame in range(len(strength) - 1, 0, -1):
        path[frame - 1] = came[frame, path[frame]]
    return path
