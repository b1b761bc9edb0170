"""Decomposition of sound itself: a track's power as a sum of the powers of aligned recordings.

Where landmarks say that a recording sounds at an offset, its power spectra laid at that offset are
atoms. Powers of unrelated sounds add, so in every two seconds of the track

    power of the track  ~  sum_j gain_j * power of recording j at its offset,   gain >= 0

is a small non-negative problem, solved exactly. A recording's share is the part of the track's energy
it explains, averaged over time; a stretch that no aligned recording explains stays unattributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.features import POOL, Features
from attribution.hearing.landmarks import LandmarkAlignment
from attribution.index.catalogue import Catalogue
from attribution.methods.decompose import nonnegative_lasso

BLOCK: Final = 16
"""Pooled frames decomposed together: two seconds."""
PENALTY: Final = 0.02
FRAME_SECONDS: Final = 0.032
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSound:
    """For each alignment: its share of the track, the share of time it sounds, its first and last second."""

    share: float
    spread: float
    begin: float
    end: float


def explain(catalogue: Catalogue, item: Features, alignments: Sequence[LandmarkAlignment]) -> list[ExplainedSound]:
    """How much of the track each aligned recording explains."""
    blocks = (len(item.power) + BLOCK - 1) // BLOCK
    parts = np.zeros((blocks, len(alignments)))
    loud = np.zeros(blocks, np.bool_)
    atoms = [
        _laid(catalogue.features(alignment.row).power, alignment.offset, len(item.power)) for alignment in alignments
    ]
    supported = [_support(alignment, blocks) for alignment in alignments]
    typical = item.power.sum(axis=0, dtype=np.float64) / max(1, len(item.power)) + 1e-9
    for block in range(blocks):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        track = (item.power[here] / typical).astype(np.float64)
        loud[block] = item.power[here].mean() > 1e-9
        allowed = [j for j in range(len(alignments)) if supported[j][block]]
        if not loud[block] or not allowed:
            continue
        columns = np.stack([(atoms[j][here] / typical).ravel() for j in allowed])
        norms = np.linalg.norm(columns, axis=1)
        audible = norms > 1e-9
        columns, allowed = (
            columns[audible] / norms[audible, None],
            [j for j, yes in zip(allowed, audible, strict=True) if yes],
        )
        target = track.ravel()
        gains = nonnegative_lasso(columns @ columns.T, columns @ target, PENALTY * float(np.linalg.norm(target)))
        power = gains * columns.sum(axis=1)
        # Shares of power by band: loud bands do not speak for the quiet ones. Never more than there is.
        whole = max(float(target.sum()), float(power.sum()))
        for j, value in zip(allowed, power, strict=True):
            parts[block, j] = value / whole
    share = parts.mean(axis=0) if blocks else np.zeros(len(alignments))
    return [_summary(parts[:, j], float(share[j])) for j in range(len(alignments))]


def _summary(parts: Doubles, share: float) -> ExplainedSound:
    sounding = np.flatnonzero(parts > 0.02)
    seconds = BLOCK * POOL * FRAME_SECONDS
    begin, end = (sounding[0] * seconds, (sounding[-1] + 1) * seconds) if len(sounding) else (0.0, 0.0)
    return ExplainedSound(share=share, spread=len(sounding) / max(1, len(parts)), begin=float(begin), end=float(end))


def _laid(power: npt.NDArray[np.float32], offset: int, length: int) -> Doubles:
    """A recording's power at the track's times; silence where it has not begun or has ended."""
    places = np.arange(length) + round(offset / POOL)
    inside = (places >= 0) & (places < len(power))
    laid = np.zeros((length, power.shape[1]))
    laid[inside] = power[places[inside]]
    return laid


def _support(alignment: LandmarkAlignment, blocks: int) -> npt.NDArray[np.bool_]:
    """The blocks within two seconds of a shared landmark: elsewhere a recording explains by chance."""
    votes = np.bincount(np.minimum(alignment.frames // (POOL * BLOCK), max(blocks - 1, 0)), minlength=max(blocks, 1))
    near = votes.copy()
    near[1:] += votes[:-1]
    near[:-1] += votes[1:]
    return np.asarray(near > 0, dtype=np.bool_)
