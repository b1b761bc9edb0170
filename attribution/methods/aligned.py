"""Decomposition of sound itself: a track's power as a sum of the powers of aligned recordings.

Where landmarks say that a recording runs along the track, its power spectra laid there, in the track's key and tempo,
are atoms. Powers of unrelated sounds add, so in every two seconds of the track

    power of the track  ~  sum_j gain_j * filter_j * power of recording j where it runs,   gain >= 0

is a small non-negative problem, solved exactly. `filter_j`, one gain a band, is what the track's making did to the
recording's colour; it is fitted to the whole track first. A recording's share is the part of the track's energy
it explains, averaged over time; a stretch that no aligned recording explains stays unattributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.features import POOL, Features
from attribution.hearing.spectra import BANDS, STEPS_PER_OCTAVE, band_centres
from attribution.index.alignments import BLOCK as MARK_BLOCK
from attribution.index.alignments import LandmarkAlignment
from attribution.index.catalogue import Catalogue
from attribution.methods.decompose import nonnegative_lasso

BLOCK: Final = 16
"""Pooled frames decomposed together: two seconds."""
PENALTY: Final = 0.02
FRAME_SECONDS: Final = 0.032
LOST: Final = 1e-3
"""A band of which less than this part of the others' gain is left is lost: 30 dB."""
BANDS_LEAST: Final = 8
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSound:
    """For each alignment: its share of the track, the share of time it sounds, its first and last second."""

    share: float
    spread: float
    begin: float
    end: float


def explain(
    catalogue: Catalogue, item: Features, alignments: Sequence[LandmarkAlignment], *, background: bool = False
) -> list[ExplainedSound]:
    """How much of the track each aligned recording explains; with a `background`, how much better than a steady sound.

    A steady sound resembles every recording a little: against it those stand out that rise and fall as the track does.
    """
    blocks = (len(item.power) + BLOCK - 1) // BLOCK
    parts = np.zeros((blocks, len(alignments)))
    if not blocks or not len(alignments):
        return [_summary(parts[:, j], 0.0) for j in range(len(alignments))]
    track = item.power.astype(np.float64)
    atoms = np.stack(
        [_laid(catalogue.features(alignment.row).power, alignment, len(track)) for alignment in alignments]
    )
    filters, typical = _filters(track, atoms, alignments), track.mean(axis=0) + 1e-9
    audible_bands = _not_lost(filters)
    atoms = (atoms * filters[:, None, :] / typical)[:, :, audible_bands]
    for block in range(blocks):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        columns = atoms[:, here].reshape(len(alignments), -1)
        if background:
            columns = np.concatenate([columns, np.ones((1, columns.shape[1]))])
        norms = np.linalg.norm(columns, axis=1)
        audible = np.flatnonzero(norms > 1e-9)
        if not len(audible) or not track[here].mean() > 1e-9:
            continue
        columns = columns[audible] / norms[audible, None]
        target = (track[here] / typical)[:, audible_bands].ravel()
        gains = nonnegative_lasso(columns @ columns.T, columns @ target, PENALTY * float(np.linalg.norm(target)))
        power = gains * columns.sum(axis=1)
        # Shares of power by band: loud bands do not speak for the quiet ones. Never more than there is.
        whole = max(float(target.sum()), float(power.sum()))
        sounding = audible < len(alignments)
        parts[block, audible[sounding]] = power[sounding] / whole
    share = parts.mean(axis=0)
    return [_summary(parts[:, j], float(share[j])) for j in range(len(alignments))]


def _filters(track: Doubles, atoms: Doubles, alignments: Sequence[LandmarkAlignment]) -> Doubles:
    """For each recording and band the gain that fits the track where the recording is laid, beside a steady background.

    What sounds elsewhere is somebody else's: it would be taken for background, and take power away from a recording
    that runs in a quiet part.
    """
    filters = np.zeros((len(atoms), BANDS))
    for row, (atom, alignment) in enumerate(zip(atoms, alignments, strict=True)):
        where = _core(_support(alignment, len(track)) & atom.any(axis=1))
        filters[row] = _gains(atom[where], track[where])
    return filters


def _gains(atom: Doubles, track: Doubles) -> Doubles:
    """By band, the gain of the non-negative least squares of a track by an atom and a steady background."""
    if not len(atom):
        return np.zeros(BANDS)
    centred = atom - atom.mean(axis=0)
    spread, power = np.square(centred).sum(axis=0), np.square(atom).sum(axis=0)
    with_background = np.maximum((centred * track).sum(axis=0) / np.maximum(spread, 1e-24), 0.0)
    alone = (atom * track).sum(axis=0) / np.maximum(power, 1e-24)
    # A background below zero is none.
    gains = np.where(track.mean(axis=0) < with_background * atom.mean(axis=0), alone, with_background)
    return np.asarray(np.where(power > 1e-24, gains, 0.0), dtype=np.float64)


def _core(laid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where a recording is laid, without the blocks at both ends, in which something else may sound already."""
    if not laid.any():
        return laid
    ends = np.ones(BLOCK, np.bool_)
    wide = np.concatenate([ends, laid, ends])
    core = np.asarray(np.lib.stride_tricks.sliding_window_view(wide, 2 * BLOCK + 1).all(axis=1), dtype=np.bool_)
    return core if core.sum() >= BLOCK else laid


def _not_lost(filters: Doubles) -> npt.NDArray[np.bool_]:
    """The bands in which some recording is heard; those that the track has lost say nothing of anybody's part."""
    usual = np.array([np.median(row[row > 0]) if (row > 0).any() else 1.0 for row in filters])
    audible_bands = (filters / usual[:, None] > LOST).any(axis=0)
    return audible_bands if audible_bands.sum() >= BANDS_LEAST else np.ones(BANDS, np.bool_)


def _summary(parts: Doubles, share: float) -> ExplainedSound:
    sounding = np.flatnonzero(parts > 0.02)
    seconds = BLOCK * POOL * FRAME_SECONDS
    begin, end = (sounding[0] * seconds, (sounding[-1] + 1) * seconds) if len(sounding) else (0.0, 0.0)
    return ExplainedSound(share=share, spread=len(sounding) / max(1, len(parts)), begin=float(begin), end=float(end))


def _laid(power: npt.NDArray[np.float32], alignment: LandmarkAlignment, length: int) -> Doubles:
    """A recording's power at the track's times, key and tempo, where it is heard; silence elsewhere."""
    laid = np.zeros((length, BANDS))
    free = np.ones(length, np.bool_)
    for line in (alignment, *alignment.again):
        where = np.flatnonzero(free & _support(line, length))
        free[where] = False
        # The middle of a pooled frame, in the source's pooled frames.
        places = (line.tempo * (where * POOL + POOL / 2) + line.offset) / POOL - 0.5
        inside = (places >= 0) & (places <= len(power) - 1)
        where, places = where[inside], places[inside]
        lower = np.floor(places).astype(np.int64)
        part = (places - lower)[:, None]
        upper = np.minimum(lower + 1, len(power) - 1)
        laid[where] = (1 - part) * power[lower] + part * power[upper]
    return laid @ _moved(round(alignment.shift, 1))


@cache
def _moved(shift: float) -> Doubles:
    """What moves power in mel bands to another key: each band takes from where its sound was."""
    matrix = np.zeros((BANDS, BANDS))
    centres = band_centres()
    places = np.interp(centres * 2 ** (shift / STEPS_PER_OCTAVE), centres, np.arange(BANDS), right=np.inf)
    for band, position in enumerate(places):
        if np.isfinite(position):
            below = min(int(position), BANDS - 2)
            matrix[below, band], matrix[below + 1, band] = 1 - (position - below), position - below
    return matrix


def _support(line: LandmarkAlignment, length: int) -> npt.NDArray[np.bool_]:
    """The pooled frames in the blocks where a recording is heard: elsewhere it explains by chance."""
    supported = np.zeros(length * POOL // MARK_BLOCK + 2, np.bool_)
    supported[[block for block in line.blocks if block < len(supported)]] = True
    begins = line.frames // MARK_BLOCK
    if len(begins):
        supported[begins[begins < len(supported)]] = True
    return supported[np.arange(length) * POOL // MARK_BLOCK]
