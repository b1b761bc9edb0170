"""Find recordings that a track contains in another key, tempo or colour: by triples of peaks, tested on all peaks.

Three peaks hash to the two intervals between them and to the relative time of the second, which do not depend on key
and tempo. Triples that a track shares with one recording agree on one change of key, one tempo and one offset where the
recording itself sounds (after Sonnleitner and Widmer, "Quad-based audio fingerprinting robust to time and frequency
scaling", DAFx 2014, and Six and Leman, "Panako", ISMIR 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.constellation import Constellation
from attribution.hearing.spectra import STEPS
from attribution.index.alignments import BLOCK, REPEATED, Ints, LandmarkAlignment

FAN: Final = 5
"""Peaks after the first from which the other two of a triple are taken, in the index."""
FAN_ASKED: Final = 7
"""The same in a track, in which there may be peaks that the recording does not have."""
LEAST_GAP, MOST_GAP = 3, 64
"""Frames from the first peak of a triple to the second and to the third."""
INTERVAL_UNIT: Final = 2.0
"""Steps that count as one interval: two thirds of a semitone."""
INTERVAL_MOST: Final = 47
RATIOS: Final = 8
TRANSPOSED: Final = 12
"""Steps up or down that are searched: four semitones."""
TEMPI: Final = np.exp(np.arange(-19, 20) * 0.01)
"""Tempi that are searched, 17 % slower to 21 % faster."""
UNCHANGED: Final = np.ones(1)
CLEARLY: Final = 1.15
"""How many times as sure an alignment at another tempo must be as one at the recording's own."""
NEAR_TEMPO: Final = 0.16
"""How far the lengths of two equal triples are apart at most, besides the tempo (logarithm): peaks lie on frames."""
OFFSET_CELL: Final = 6
COMMON: Final = 4096
"""A triple held more often than this says nothing about any of its recordings."""
FRAMES_NEAR, STEPS_NEAR = 2, 1
"""How near a peak must be to count as the same."""
AGAIN_MOST, AGAIN_LEAST = 16, 8
"""How many other offsets, and the triples each must have."""
SUPPORTED: Final = 2.5
"""Standard deviations from which a recording is heard in four seconds of a track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triples:
    """Triples of peaks: the hash of each, when and where it begins, how long it is."""

    hashes: Ints
    frames: Ints
    steps: Ints
    spans: Ints


def triples(marks: Constellation, fan: int) -> Triples:
    """Return every peak with each two of the `fan` peaks that follow it."""
    frame, step = marks.frames.astype(np.int64), marks.steps.astype(np.float64)
    first = np.searchsorted(frame, frame + LEAST_GAP, "left")
    parts: list[list[Ints]] = [[], [], [], []]
    at = np.arange(len(frame))
    for near in range(fan - 1):
        for far in range(near + 1, fan):
            second, third = first + near, first + far
            inside = third < len(frame)
            first_peak, second_peak, third_peak = at[inside], second[inside], third[inside]
            span, gap = frame[third_peak] - frame[first_peak], frame[second_peak] - frame[first_peak]
            lower, upper = ((step[peak] - step[first_peak]) / INTERVAL_UNIT for peak in (second_peak, third_peak))
            usable = (span <= MOST_GAP) & (np.abs(lower) < INTERVAL_MOST) & (np.abs(upper) < INTERVAL_MOST)
            intervals = np.rint(lower).astype(np.int64) * 96 + np.rint(upper).astype(np.int64) + 48 * 97
            ratio = np.minimum(gap * RATIOS // np.maximum(span, 1), RATIOS - 1)
            begins = np.rint(step[first_peak]).astype(np.int64)
            for part, values in zip(parts, (intervals * RATIOS + ratio, frame[first_peak], begins, span), strict=True):
                part.append(values[usable])
    hashes, frames, steps, spans = (np.concatenate([*part, np.zeros(0, np.int64)]) for part in parts)
    return Triples(hashes=hashes, frames=frames, steps=steps, spans=spans)


class PatternIndex:
    """All triples of a catalogue by hash and pitch: one lookup finds a triple in every key that is searched."""

    def __init__(self, parts: Sequence[Constellation]) -> None:
        self._stars = parts
        keys, rows, frames, spans = [], [], [], []
        for row, part in enumerate(parts):
            source_triples = triples(part, FAN)
            keys.append((source_triples.hashes * 256 + source_triples.steps).astype(np.int32))
            rows.append(np.full(len(source_triples.hashes), row, np.int32))
            frames.append(source_triples.frames.astype(np.int32))
            spans.append(source_triples.spans.astype(np.int8))
        key = np.concatenate([*keys, np.zeros(0, np.int32)])
        order = np.argsort(key, kind="stable")
        self._keys = key[order]
        self._rows = np.concatenate([*rows, np.zeros(0, np.int32)])[order]
        self._frames = np.concatenate([*frames, np.zeros(0, np.int32)])[order]
        self._spans = np.concatenate([*spans, np.zeros(0, np.int8)])[order]

    def __len__(self) -> int:
        return len(self._keys)

    def align(self, track: Constellation, *, least: int = 4, most: int = 100) -> list[LandmarkAlignment]:
        """The recordings that run along a track, most surprising first (ties by row): each where it runs best."""
        if not len(track):
            return []
        shared = self._shared(triples(track, FAN_ASKED))
        peaks = TrackPeaks(track)
        best: dict[int, tuple[LandmarkAlignment, Shared]] = {}
        for row, shared_by_key in _candidates(shared, least, most):
            lines = [line for line in _lines(row, shared_by_key) if line.votes >= least]
            for line in (peaks.judge(line, self._stars[row]) for line in lines):
                if row not in best or _likelier(line, best[row][0]):
                    best[row] = line, shared_by_key
        lines = [self._with_others(peaks, *pair) for pair in best.values()]
        return sorted(lines, key=lambda line: (-line.strength, line.row))

    def _with_others(self, peaks: TrackPeaks, line: LandmarkAlignment, shared: Shared) -> LandmarkAlignment:
        """The alignment with those that run beside it at the same tempo from other offsets."""
        passes: list[LandmarkAlignment] = []
        blocks = set(line.blocks)
        last = line
        if line.strength >= REPEATED:
            while len(passes) < AGAIN_MOST:
                shared = shared.part(np.abs(shared.source - last.tempo * shared.track - last.offset) > OFFSET_CELL)
                last = _line(line.row, shared, np.array([line.tempo]))
                if last.votes < AGAIN_LEAST:
                    break
                last = peaks.judge(last, self._stars[line.row])
                fresh = set(last.blocks) - blocks
                if fresh:
                    blocks |= fresh
                    passes.append(replace(last, blocks=tuple(sorted(fresh))))
        return replace(line, again=tuple(passes))

    def _shared(self, asked: Triples) -> Shared:
        low = np.searchsorted(self._keys, (asked.hashes * 256 + asked.steps - TRANSPOSED).astype(np.int32), "left")
        high = np.searchsorted(self._keys, (asked.hashes * 256 + asked.steps + TRANSPOSED).astype(np.int32), "right")
        count = high - low
        count[count > COMMON] = 0
        hit = np.repeat(low - np.concatenate(([0], np.cumsum(count)[:-1])), count) + np.arange(count.sum())
        which = np.repeat(np.arange(len(count)), count)
        tempo = np.log(self._spans[hit] / asked.spans[which])
        fits = np.abs(tempo) < float(np.log(TEMPI[-1])) + NEAR_TEMPO / 2
        hit, which, tempo = hit[fits], which[fits], tempo[fits]
        return Shared(
            rows=self._rows[hit].astype(np.int64),
            shifts=(self._keys[hit] & 255).astype(np.int64) - asked.steps[which],
            tempi=tempo,
            source=self._frames[hit].astype(np.int64),
            track=asked.frames[which],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Triples that a track shares with recordings."""

    rows: Ints
    shifts: Ints
    tempi: npt.NDArray[np.float64]
    source: Ints
    track: Ints

    def part(self, which: npt.NDArray[np.bool_] | Ints) -> Shared:
        return Shared(
            rows=self.rows[which],
            shifts=self.shifts[which],
            tempi=self.tempi[which],
            source=self.source[which],
            track=self.track[which],
        )


def _candidates(shared: Shared, least: int, most: int) -> list[tuple[int, Shared]]:
    """The recordings and changes of key with the most triples, up to two keys each."""
    cell = shared.rows * 64 + shared.shifts + 32
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    values, counts = np.unique(ordered, return_counts=True)
    next_cell = np.searchsorted(values, values + 1)
    neighbour = np.where(
        (next_cell < len(values)) & (values[np.minimum(next_cell, len(values) - 1)] == values + 1), next_cell, -1
    )
    joint = counts + np.where(neighbour >= 0, counts[neighbour], 0)
    best = np.lexsort((values, -joint))
    best = best[joint[best] >= least]
    chosen: list[tuple[int, Shared]] = []
    keys_by_row: dict[int, list[int]] = {}
    for cell_at in best:
        row, shift = divmod(int(values[cell_at]), 64)
        keys = keys_by_row.setdefault(row, [])
        if len(keys) >= 2 or any(abs(shift - key) <= 1 for key in keys):
            continue
        keys.append(shift)
        begin = np.searchsorted(ordered, values[cell_at], "left")
        end = np.searchsorted(ordered, values[cell_at] + 1, "right")
        chosen.append((row, shared.part(order[begin:end])))
        if len(chosen) == most:
            break
    return chosen


def _lines(row: int, shared: Shared) -> list[LandmarkAlignment]:
    """The alignment with the most votes, and the one at the recording's own tempo: in a short excerpt of music that
    goes round, triples of several offsets agree on a tempo that is not there, and only all peaks tell.
    """
    unchanged, best = _line(row, shared, UNCHANGED), _line(row, shared, TEMPI)
    return [unchanged] if best.tempo == 1.0 and best.votes == unchanged.votes else [unchanged, best]


def _likelier(line: LandmarkAlignment, other: LandmarkAlignment) -> bool:
    """Return whether an alignment is more certain than an earlier one; at another tempo it must be clearly so."""
    return line.strength > other.strength * (1.0 if line.tempo == 1.0 else CLEARLY)


def _line(row: int, shared: Shared, tempi: npt.NDArray[np.float64]) -> LandmarkAlignment:
    """The tempo and the offset on which most triples agree; of several tempi, refined by least squares through them."""
    best, votes, likeliest = np.zeros(0, np.int64), 0, 1.0
    for tempo in tempi:
        fits = np.flatnonzero(np.abs(shared.tempi - np.log(tempo)) < NEAR_TEMPO)
        if len(fits) <= votes:
            continue
        cells = np.floor((shared.source[fits] - tempo * shared.track[fits]) / OFFSET_CELL).astype(np.int64)
        cells -= cells.min()
        counts = np.bincount(cells, minlength=2)
        joint = counts[:-1] + counts[1:]
        top = int(joint.argmax())
        if joint[top] > votes:
            votes, likeliest = int(joint[top]), float(tempo)
            best = fits[(cells >= top) & (cells <= top + 1)]
    if not votes:
        return LandmarkAlignment(row=row, offset=0.0, votes=0, frames=best)
    agreed = shared.part(best)
    tempo = _refined(agreed, likeliest) if len(tempi) > 1 else likeliest
    offset = float(np.median(agreed.source - tempo * agreed.track))
    return LandmarkAlignment(
        row=row,
        offset=round(offset, 3),
        votes=votes,
        frames=np.unique(agreed.track),
        tempo=round(tempo, 5),
        shift=round(float(np.mean(agreed.shifts)), 3),
    )


def _refined(agreed: Shared, tempo: float) -> float:
    """Least squares through triples that agree; the tempo stays where they are too close together to tell it."""
    track, source = agreed.track.astype(np.float64), agreed.source.astype(np.float64)
    spread = track - track.mean()
    if float(np.abs(spread).max()) >= BLOCK:
        slope = float(spread @ source / (spread @ spread))
        if abs(np.log(max(slope, 0.1) / tempo)) < 0.03:
            tempo = slope
    return 1.0 if abs(tempo - 1.0) < 0.002 else tempo


class TrackPeaks:
    """A track's peaks, ready to be compared with those of recordings."""

    def __init__(self, track: Constellation) -> None:
        self.length = int(track.frames[-1]) + 1
        near = np.zeros((self.length + 2 * FRAMES_NEAR, STEPS + 2 * STEPS_NEAR), np.bool_)
        step = np.rint(track.steps).astype(np.int64)
        for down in range(2 * FRAMES_NEAR + 1):
            for left in range(2 * STEPS_NEAR + 1):
                near[track.frames + down, step + left] = True
        self._near = near[FRAMES_NEAR:-FRAMES_NEAR, STEPS_NEAR:-STEPS_NEAR]
        self._chance = self._near.mean(axis=0)

    def judge(self, alignment: LandmarkAlignment, source: Constellation) -> LandmarkAlignment:
        """The alignment with its surprise: peaks of the source that the track has too, against chance.

        A peak counts as found when the track has one within FRAMES_NEAR frames and STEPS_NEAR steps; chance is how
        often the track has one anywhere at that step.
        """
        frame = np.rint((source.frames - alignment.offset) / alignment.tempo).astype(np.int64)
        step = np.rint(source.steps - alignment.shift).astype(np.int64)
        inside = (frame >= 0) & (frame < self.length) & (step >= 0) & (step < STEPS)
        frame, step = frame[inside], step[inside]
        hits, expected = self._near[frame, step], self._chance[step]
        count = self.length // BLOCK + 1
        excess = np.bincount(frame // BLOCK, hits - expected, count)
        spread = np.bincount(frame // BLOCK, expected * (1 - expected), count)
        pairs = (excess[:-1] + excess[1:]) / np.sqrt(spread[:-1] + spread[1:] + 1.0) if count > 1 else excess
        whole = float(excess.sum() / np.sqrt(spread.sum() + 1.0))
        blocks = np.flatnonzero(pairs >= SUPPORTED)
        return replace(
            alignment,
            surprise=round(whole, 3),
            local=round(float(pairs.max(initial=0.0)), 3),
            blocks=tuple(sorted({*blocks.tolist(), *(np.minimum(blocks + 1, count - 1)).tolist()})),
        )
