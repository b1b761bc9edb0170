"""A line of notes: the melody as heard in sound, or as written in MIDI.

From sound it is the strongest pitch above the bass from moment to moment: right about four times in
five on the benchmark's bands, which is enough for an alignment to find whose tune it is and too
little to print as sheet music.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.audio import SAMPLE_RATE
from attribution.spectra import LOWEST, SEMITONE_HOP, Floats

FRAME_SECONDS: Final = SEMITONE_HOP / SAMPLE_RATE
LEAD_LOW: Final = 55
LEAD_HIGH: Final = 96
BREAK: Final = -128
"""A pitch that is no pitch: it separates voices and matches nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Notes in order: when (seconds), how long, which pitch (MIDI number, or BREAK)."""

    onsets: Floats
    lengths: Floats
    pitches: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.pitches)


EMPTY: Final = Line(onsets=np.zeros(0, np.float32), lengths=np.zeros(0, np.float32), pitches=np.zeros(0, np.int16))


def line_of(onsets: npt.ArrayLike, lengths: npt.ArrayLike, pitches: npt.ArrayLike) -> Line:
    """A line from plain numbers, with a note that is struck again at once merged into the one before."""
    when, long, pitch = np.asarray(onsets, np.float32), np.asarray(lengths, np.float32), np.asarray(pitches, np.int16)
    if not len(pitch):
        return EMPTY
    first = np.concatenate(([True], pitch[1:] != pitch[:-1]))
    group = np.cumsum(first) - 1
    total = np.zeros(int(group[-1]) + 1, np.float32)
    np.add.at(total, group, long)
    return Line(onsets=when[first], lengths=total, pitches=pitch[first])


def heard(semitones: Floats) -> Line:
    """The melody of a clip: the steadiest strong pitch, frame by frame, as notes of two frames or more."""
    if len(semitones) < 4 or float(semitones.max()) < 1e-8:
        return EMPTY
    level = np.sqrt(semitones)
    level = np.log1p(level / np.maximum(level.mean(axis=1, keepdims=True), 1e-6))
    # A held pitch outweighs a struck one: three frames are looked at together.
    padded = np.pad(level, ((1, 1), (0, 0)), mode="edge")
    steady = (padded[:-2] + 2 * padded[1:-1] + padded[2:])[:, LEAD_LOW - LOWEST : LEAD_HIGH - LOWEST]
    pitch = LEAD_LOW + steady.argmax(axis=1)
    loud = semitones.sum(axis=1) > 1e-3 * float(np.median(semitones.sum(axis=1)))
    starts = np.flatnonzero(np.concatenate(([True], pitch[1:] != pitch[:-1])))
    ends = np.concatenate((starts[1:], [len(pitch)]))
    keep = (ends - starts >= 2) & loud[starts]
    return line_of(starts[keep] * FRAME_SECONDS, (ends - starts)[keep] * FRAME_SECONDS, pitch[starts[keep]])
