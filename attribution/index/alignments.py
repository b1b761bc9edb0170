"""Find where a track contains recordings unchanged: the alignment and its search.

Landmarks that a track shares with one recording at one offset are evidence that the recording itself sounds there. The
certainty comes from all peaks of the stretch: how many more of them the track has than chance would give. What runs
faster or in another key is searched in `attribution.index.patterns`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.constellation import Constellation
from attribution.hearing.landmarks import LANDMARK_BINS, Landmarks

BLOCK: Final = 64
"""Frames in a block of the test of coincidence: two seconds."""
REPEATED: Final = 8.0
"""Standard deviations from which a recording is looked for at other offsets too."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LandmarkAlignment:
    """A recording along a track: source frame = tempo * track frame + offset, source step = track step + shift."""

    row: int
    offset: float
    votes: int
    frames: Ints  # the track's frames where the shared triples begin, ascending
    tempo: float = 1.0
    shift: float = 0.0
    surprise: float = 0.0
    """How far the peaks in common exceed chance over the whole overlap, in standard deviations."""
    local: float = 0.0
    """The same in the best four seconds: what a short excerpt shows."""
    blocks: tuple[int, ...] = ()
    """The two-second blocks of the track in which it is heard."""
    again: tuple[LandmarkAlignment, ...] = ()
    """The same recording from other offsets, as in a loop: heard in blocks of their own, most votes first."""

    @property
    def strength(self) -> float:
        """Return how certain it is that the recording sounds, in all of the track or in a part of it."""
        return max(self.surprise, self.local)

    @property
    def heard(self) -> frozenset[int]:
        """Return the blocks in which the recording sounds, at any offset."""
        return frozenset(self.blocks).union(*(line.blocks for line in self.again))


def together(exact: LandmarkAlignment, pattern: LandmarkAlignment) -> LandmarkAlignment:
    """Join two alignments of one recording, with the higher certainty; a pattern gives the better position."""
    chosen = pattern if pattern.strength >= min(REPEATED, exact.strength) else exact
    surprise, local = max(exact.surprise, pattern.surprise), max(exact.local, pattern.local)
    return replace(chosen, surprise=surprise, local=local)


def coverage(line: LandmarkAlignment, track: Constellation, source: Constellation) -> float:
    """Return how much of the track has the recording, or how much of the recording sounds: the larger part."""
    return float(max(heard_parts(line, track, source)))


def heard_parts(line: LandmarkAlignment, track: Constellation, source: Constellation) -> tuple[Fraction, Fraction]:
    """The part of the track in which the recording is heard, and the part of the recording that is: in blocks."""
    sounding, source_blocks = (set((marks.frames // BLOCK).tolist()) for marks in (track, source))
    heard_blocks: set[int] = set()
    for way in (line, *line.again):
        ends = [(way.tempo * BLOCK * (block + k) + way.offset) / BLOCK for block in way.blocks for k in (0.25, 0.75)]
        heard_blocks |= {int(end) for end in ends}
    return (
        Fraction(len(line.heard & sounding), max(len(sounding), 1)),
        Fraction(len(heard_blocks & source_blocks), max(len(source_blocks), 1)),
    )


def coincide(
    track: Landmarks, sources: list[Landmarks], alignments: list[LandmarkAlignment], length: int
) -> list[LandmarkAlignment]:
    """The alignments with their surprise: peaks of the source that the track has too, against chance.

    A peak counts as found when the track has one within a frame and a bin; chance is how often the
    track has one anywhere in that bin. Most surprising first, ties by row.
    """
    near = np.zeros((length + 2, LANDMARK_BINS + 2), np.bool_)
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
        begins = np.unique(candidate.frames // BLOCK)
        near_blocks = np.unique(np.concatenate([begins - 1, begins, begins + 1]))
        judged.append(
            replace(
                candidate,
                surprise=round(whole, 3),
                local=round(float(pairs.max(initial=0.0)), 3),
                blocks=tuple(near_blocks[near_blocks >= 0].tolist()),
            )
        )
    return sorted(judged, key=lambda candidate: (-candidate.strength, candidate.row))


class LandmarkIndex:
    """All landmarks of a catalogue, sorted by hash, so that a lookup takes two binary searches."""

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
