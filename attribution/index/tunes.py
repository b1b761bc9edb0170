"""Find a track's tunes: screen by interval n-grams, then align; independent of key, tempo and instrument.

The screen counts shared sequences of three and four intervals, each worth the less the more recordings hold it. The
alignment (Smith and Waterman's, on notes, every transposition at once) forgives wrong and missing notes. Its strength
is its score times the part of it that does not repeat: a repeating bass or chord pattern aligns for long and is weak
evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.melody import BREAK, MelodyLine

MATCH: Final = 4
MISS: Final = -8
SKIP: Final = -8
"""Dear enough that alignments of unrelated tunes stay short, however long the tunes are."""
RHYTHM: Final = 2
"""Added when a note is also as long, against the one before it, as its counterpart; half as much taken when not."""
GRAMS: Final = (3, 4, 5)
SCREEN: Final = 160
TRACED: Final = 48
"""Alignments looked at note by note, of the highest scores."""
RUN: Final = 3
_NONE: Final = np.int16(-(1 << 14))
Pitches = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneAlignment:
    """A stretch of the track's notes that runs along a stretch of a source's, `shift` semitones apart."""

    row: int
    score: int
    shift: int
    track: tuple[int, ...]  # indices of the track's notes that match
    source: tuple[int, ...]
    strength: float
    """The score times the `variety` of what matches."""


def variety(pitches: npt.NDArray[np.int64]) -> float:
    """Return the part of a melody's runs of RUN intervals that are distinct; 0 for too few notes."""
    if len(pitches) <= RUN:
        return 0.0
    runs = np.lib.stride_tricks.sliding_window_view(np.diff(pitches), RUN)
    return len(np.unique(runs, axis=0)) / len(runs)


def grams(line: MelodyLine, size: int) -> npt.NDArray[np.int64]:
    """Return hashes of every `size` successive intervals without a break."""
    if len(line) <= size:
        return np.zeros(0, np.int64)
    steps = np.diff(line.pitches.astype(np.int64))
    whole = np.lib.stride_tricks.sliding_window_view(steps, size)
    clean = (np.abs(whole) < 40).all(axis=1)
    powers = 81 ** np.arange(size, dtype=np.int64)
    return np.asarray(((whole[clean] + 40) * powers).sum(axis=1), dtype=np.int64)


class TuneIndex:
    """The lines of a catalogue, ready to be asked."""

    def __init__(self, lines: list[MelodyLine]) -> None:
        self.lines = lines
        self._tables = [self._table(size) for size in GRAMS]

    def _table(self, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        grams_by_line = [np.unique(grams(line, size)) for line in self.lines]
        hashes = np.concatenate([*grams_by_line, np.zeros(0, np.int64)])
        rows = np.repeat(np.arange(len(grams_by_line)), [len(each) for each in grams_by_line])
        order = np.argsort(hashes, kind="stable")
        hashes, rows = hashes[order], rows[order]
        _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        worth = np.log((len(self.lines) + 1) / counts)[inverse] * (size - 2) if len(hashes) else np.zeros(0)
        return hashes, rows, worth

    def screen(self, line: MelodyLine, count: int = SCREEN) -> npt.NDArray[np.int64]:
        """Return the rows that share most with a line, best first; ties by row."""
        votes = np.zeros(len(self.lines))
        for size, (hashes, rows, worth) in zip(GRAMS, self._tables, strict=True):
            query_grams = np.unique(grams(line, size))
            low, high = np.searchsorted(hashes, query_grams, "left"), np.searchsorted(hashes, query_grams, "right")
            spans = high - low
            hit = np.repeat(low - np.concatenate(([0], np.cumsum(spans)[:-1])), spans) + np.arange(spans.sum())
            np.add.at(votes, rows[hit], worth[hit])
        order = np.lexsort((np.arange(len(votes)), -votes))
        return np.asarray(order[votes[order] > 0][:count], dtype=np.int64)

    def align(self, line: MelodyLine, *, most: int = 16) -> list[TuneAlignment]:
        """Return the best alignment with each screened recording, strongest first (ties by row)."""
        rows = self.screen(line)
        if not len(rows) or len(line) < 4:
            return []
        scores, shifts = best_scores(line, [self.lines[row] for row in rows])
        alignments = []
        for k in np.lexsort((rows, -scores))[:TRACED]:
            track, source_trace = trace(line, self.lines[rows[k]], int(shifts[k]))
            alignments.append(
                TuneAlignment(
                    row=int(rows[k]),
                    score=int(scores[k]),
                    shift=int(shifts[k]),
                    track=track,
                    source=source_trace,
                    strength=round(float(scores[k]) * variety(line.pitches[list(track)].astype(np.int64)), 3),
                )
            )
        return sorted(alignments, key=lambda one: (-one.strength, one.row))[:most]


def rhythm(line: MelodyLine) -> Pitches:
    """How each note's time to the next compares with the one before, in half octaves of duration."""
    if len(line) < 3:
        return np.zeros(len(line), np.int16)
    gaps = np.maximum(np.diff(line.onsets, append=line.onsets[-1] + line.lengths[-1]), 0.03)
    ratios = np.round(2 * np.log2(gaps[1:] / gaps[:-1]))
    return np.concatenate(([0], np.clip(ratios, -8, 8))).astype(np.int16)


def best_scores(track: MelodyLine, sources: list[MelodyLine]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Best local alignment score with each source over all twelve transpositions, and which."""
    width = max(map(len, sources))
    padded = np.full((len(sources), width), BREAK, np.int16)
    beats = np.full((len(sources), width), 99, np.int16)
    for row, source in enumerate(sources):
        padded[row, : len(source)] = source.pitches
        beats[row, : len(source)] = rhythm(source)
    best = np.zeros((12, len(sources)), np.int64)
    pitch_classes, broken = padded % 12, padded == BREAK
    steps = list(zip(track.pitches.tolist(), rhythm(track).tolist(), strict=True))
    # A melody has a dozen pitch classes and few rhythms: what each pair of them gains is worked out once.
    gains: dict[tuple[int, int], Pitches] = {}
    reach, jump = np.empty_like(padded), np.empty_like(padded)
    for shift in range(12):
        previous = np.zeros((len(sources), width + 2), np.int16)
        last, here = previous.copy(), previous.copy()
        top = np.zeros((len(sources), width), np.int16)
        for pitch, beat in steps:
            kind = (BREAK, 0) if pitch == BREAK else ((pitch - shift) % 12, beat)
            if kind not in gains:
                gains[kind] = _gains(kind, pitch_classes, beats, broken)
            np.maximum(previous[:, 1:-1], last[:, :-2], out=jump)
            np.add(jump, np.int16(SKIP), out=jump)
            np.maximum(last[:, 1:-1], jump, out=reach)
            np.add(reach, gains[kind], out=reach)
            np.maximum(reach, 0, out=here[:, 2:])
            np.maximum(top, here[:, 2:], out=top)
            previous, last, here = last, here, previous
        best[shift] = top.max(axis=1)
    return best.max(axis=0), best.argmax(axis=0)


def _gains(kind: tuple[int, int], moved: Pitches, beats: Pitches, broken: npt.NDArray[np.bool_]) -> Pitches:
    """What every note of every source adds when it is met by a note of this class and rhythm."""
    pitch_class, beat = kind
    if pitch_class == BREAK:
        return np.full_like(moved, _NONE)
    bonus = np.where(beats == beat, RHYTHM, -(RHYTHM // 2)).astype(np.int16)
    gain = np.where(moved == pitch_class, MATCH + bonus, np.int16(MISS))
    gain[broken] = _NONE
    return np.asarray(gain, dtype=np.int16)


def trace(track: MelodyLine, source: MelodyLine, shift: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The matching notes of the best local alignment at one transposition."""
    height, width = len(track), len(source)
    scores = np.zeros((height + 2, width + 2), np.int32)
    same = (track.pitches[:, None] - source.pitches[None, :] - shift) % 12 == 0
    bonus = np.where(rhythm(track)[:, None] == rhythm(source)[None, :], RHYTHM, -(RHYTHM // 2))
    gains = np.where(same, MATCH + bonus, MISS)
    gains[(track.pitches[:, None] == BREAK) | (source.pitches[None, :] == BREAK)] = _NONE
    for i in range(height):
        above, higher = scores[i + 1], scores[i]
        reach = np.maximum(above[1:-1], np.maximum(higher[1:-1], above[:-2]) + SKIP)
        scores[i + 2, 2:] = np.maximum(reach + gains[i], 0)
    i, j = divmod(int(scores.argmax()), width + 2)
    matched: list[tuple[int, int]] = []
    while i >= 2 and j >= 2 and scores[i, j] > 0:
        if gains[i - 2, j - 2] > 0:
            matched.append((i - 2, j - 2))
        options = (
            (scores[i - 1, j - 1], 1, 1),
            (scores[i - 2, j - 1] + SKIP, 2, 1),
            (scores[i - 1, j - 2] + SKIP, 1, 2),
        )
        value, down, left = max(options, key=lambda option: option[0])
        if value <= 0:
            break
        i, j = i - down, j - left
    matched.reverse()
    return tuple(a for a, _ in matched), tuple(b for _, b in matched)
