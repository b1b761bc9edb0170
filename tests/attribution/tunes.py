"""Tunes that walk up and down a scale, for tests about whose tune something is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attribution.hearing.melody import MelodyLine, line_of

Pitches = npt.NDArray[np.int64]
Note = tuple[float, float, int]
"""Onset and length in seconds, pitch."""
SECONDS = 24.0


def tune(seed: int, notes: int = 60) -> Pitches:
    """A tune that walks up and down a scale."""
    rng = np.random.default_rng(seed)
    scale = np.array([0, 2, 4, 5, 7, 9, 11])
    degree = np.clip(np.cumsum(rng.integers(-3, 4, size=notes)), -7, 14)
    return np.asarray(62 + 12 * (degree // 7) + scale[degree % 7], dtype=np.int64)


def rhythm(seed: int, notes: int = 60) -> npt.NDArray[np.float64]:
    return np.asarray(np.random.default_rng(seed).choice([0.2, 0.4, 0.6], size=notes))


def notes(pitches: Pitches, lengths: npt.NDArray[np.float64], *, stretch: float = 1.0) -> list[Note]:
    """One note after the other."""
    onsets = np.concatenate(([0.0], np.cumsum(lengths)[:-1])) * stretch
    return list(zip(onsets.tolist(), (lengths * stretch).tolist(), pitches.tolist(), strict=True))


def line(pitches: Pitches, lengths: npt.NDArray[np.float64], *, shift: int = 0, stretch: float = 1.0) -> MelodyLine:
    onsets, long, heard = zip(*notes(pitches + shift, lengths, stretch=stretch), strict=True)
    return line_of(onsets, long, heard)
