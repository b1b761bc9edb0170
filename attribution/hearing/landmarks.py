"""Landmarks: pairs of spectral peaks that survive mixing and noise, and the votes they cast.

The constellation method (Wang, "An industrial-strength audio search algorithm", ISMIR 2003): a pair
of peaks hashes to (frequency, frequency, distance); pairs that a clip shares with one recording *at
one time offset* are evidence that the recording itself sounds there, mixed or not. It says where in
the track and where in the source, which similarity of embeddings cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.spectra import Floats, one_thread

FAN_OUT: Final = 14
REACH: Final = 31
"""A peak is paired with the FAN_OUT next ones at most REACH frames (1 s) later."""
_PEAKS_PER_SECOND: Final = 45
_BINS: Final = 480
BLOCK: Final = 64
"""Frames in a block of the coincidence test: two seconds."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """Hashes with the mel frame each begins at, by frame; and the peaks they were made of."""

    hashes: Ints
    frames: Ints
    peaks: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    """(frame, bin)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LandmarkAlignment:
    """A recording that shares landmarks with a track at one offset (in mel frames: source minus track)."""

    row: int
    offset: int
    votes: int
    frames: Ints  # the track's frames where the shared landmarks begin, ascending
    surprise: float = 0.0
    """How far the peaks in common exceed chance over the whole overlap, in standard deviations."""
    local: float = 0.0
    """The same in the best four seconds: what a short excerpt shows."""


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
    keep = _PEAKS_PER_SECOND * len(bins) // 31 + 1
    if len(frame) > keep:
        loudest = np.sort(np.lexsort((bin_, frame, -strength[frame, bin_]))[:keep])
        frame, bin_ = frame[loudest], bin_[loudest]
    return _pairs(frame.astype(np.int64), bin_.astype(np.int64))


def _pairs(frame: Ints, bin_: Ints) -> Landmarks:
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


def coincide(
    track: Landmarks, sources: list[Landmarks], alignments: list[LandmarkAlignment], length: int
) -> list[LandmarkAlignment]:
    """The alignments with their surprise: peaks of the source that the track has too, against chance.

    A peak counts as found when the track has one within a frame and a bin; chance is how often the
    track has one anywhere in that bin. Most surprising first, ties by row.
    """
    near = np.zeros((length + 2, _BINS + 2), np.bool_)
    for down in (0, 1, 2):
        for left in (0, 1, 2):
            near[track.peaks[:, 0] + down, track.peaks[:, 1] + left] = True
    near = near[1:-1, 1:-1]
    chance = near.mean(axis=0)
    blocks = length // BLOCK + 1
    judged = []
    for candidate, source in zip(alignments, sources, strict=True):
        frame = source.peaks[:, 0].astype(np.int64) - candidate.offset
        inside = (frame >= 0) & (frame < length)
        frame, bin_ = frame[inside], source.peaks[inside, 1]
        hits, expected = near[frame, bin_], chance[bin_]
        excess = np.bincount(frame // BLOCK, hits - expected, blocks)
        spread = np.bincount(frame // BLOCK, expected * (1 - expected), blocks)
        pairs = (excess[:-1] + excess[1:]) / np.sqrt(spread[:-1] + spread[1:] + 1.0) if blocks > 1 else excess
        whole = float(excess.sum() / np.sqrt(spread.sum() + 1.0))
        judged.append(replace(candidate, surprise=round(whole, 3), local=round(float(pairs.max(initial=0.0)), 3)))
    return sorted(judged, key=lambda candidate: (-max(candidate.surprise, candidate.local), candidate.row))


class LandmarkIndex:
    """All landmarks of a catalogue, sorted by hash: a lookup is two binary searches."""

    def __init__(self, parts: list[Landmarks]) -> None:
        hashes = np.concatenate([part.hashes for part in parts] or [np.zeros(0, np.int64)])
        rows = np.concatenate(
            [np.full(len(part.hashes), row, np.int64) for row, part in enumerate(parts)] or [np.zeros(0, np.int64)]
        )
        frames = np.concatenate([part.frames for part in parts] or [np.zeros(0, np.int64)])
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order].astype(np.int32)
        self._places = (rows[order] << 20 | frames[order]).astype(np.int64)

    def __len__(self) -> int:
        return len(self._hashes)

    def vote(self, query: Landmarks, *, least: int, most: int, common: int = 4096) -> list[LandmarkAlignment]:
        """The best-aligned recordings, most votes first (ties by row); one offset each.

        A hash held in more than `common` places says nothing about any of them and is passed over.
        """
        hashes = query.hashes.astype(np.int32)
        low = np.searchsorted(self._hashes, hashes, "left")
        count = np.searchsorted(self._hashes, hashes, "right") - low
        count[count > common] = 0
        if not count.sum():
            return []
        hit = np.repeat(low - np.concatenate(([0], np.cumsum(count)[:-1])), count) + np.arange(count.sum())
        frame = np.repeat(query.frames, count)
        positions = self._places[hit]
        row, offset = positions >> 20, (positions & 0xFFFFF) - frame
        # An excerpt rarely starts on a frame boundary: offsets one apart are the same alignment.
        cell = row << 22 | (offset + (1 << 20))
        values, inverse, votes = np.unique(cell, return_inverse=True, return_counts=True)
        next_cell = np.searchsorted(values, values + 1)
        beside_votes = np.where(
            (next_cell < len(values)) & (values[np.minimum(next_cell, len(values) - 1)] == values + 1),
            votes[np.minimum(next_cell, len(values) - 1)],
            0,
        )
        joint = votes + beside_votes
        rows = values >> 22
        order = np.lexsort((values, -joint))
        order = order[joint[order] >= least]
        _, first = np.unique(rows[order], return_index=True)
        best = order[np.sort(first)][:most]
        alignments = []
        for cell_at in best:
            in_cell = (inverse == cell_at) | ((inverse == next_cell[cell_at]) if beside_votes[cell_at] else False)
            alignments.append(
                LandmarkAlignment(
                    row=int(rows[cell_at]),
                    offset=int((values[cell_at] & ((1 << 22) - 1)) - (1 << 20)),
                    votes=int(joint[cell_at]),
                    frames=np.sort(np.unique(frame[in_cell])),
                )
            )
        return alignments
