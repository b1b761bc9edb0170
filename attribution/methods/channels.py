"""Compute the evidence of each channel for each candidate recording, by segment.

Candidates come from three screens (landmark votes, tunes, neighbours of joined segment vectors); then
every channel is asked about every candidate exactly, so that the screen's approximations end there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.features import Features
from attribution.hearing.spectra import HOP, HOP_SECONDS, WINDOW, WINDOW_SECONDS, Floats
from attribution.index.alignments import LandmarkAlignment, coincide, together
from attribution.index.catalogue import SCREEN_ENCODERS, Catalogue, joined
from attribution.index.evidence import Evidence

CHANNELS: Final = ("patch", "chroma", "timbre", "style", "landmarks", "tune")
HEARD_IN: Final = {
    "recording": (True, True, True, True, True, True),
    "composition": (True, True, True, True, True, True),
    "style": (True, True, True, True, False, False),
}
"""Which channels may speak for an aspect: a shared recording or tune is no evidence of style by itself."""
VOTES_LEAST: Final = 4
ALIGNED_MAX: Final = 100
CANDIDATES_MAX: Final = 96


def likeness_by(evidence: Evidence, channel: str) -> Floats:
    """Return the evidence of one channel, by segment and candidate."""
    return evidence.table[:, :, CHANNELS.index(channel)]


def gather(catalogue: Catalogue, item: Features) -> Evidence:
    """Return all evidence about an item of sound or notes; cached for the last item, because methods share it."""
    cached = catalogue.evidence
    if cached is None or cached[0] != item.judged_sha256:
        cached = catalogue.evidence = (item.judged_sha256, _gather(catalogue, item))
    return cached[1]


def _gather(catalogue: Catalogue, item: Features) -> Evidence:
    marks = aligned_recordings(catalogue, item)
    lines = tuple(catalogue.tunes.align(item.line, most=24))
    count = item.count or _note_segments(item)
    near = _neighbours(catalogue, item)
    ordered = dict.fromkeys([alignment.row for alignment in marks] + [alignment.row for alignment in lines] + near)
    rows = np.array(sorted(list(ordered)[:CANDIDATES_MAX]), dtype=np.int64)
    table = np.zeros((count, len(rows), len(CHANNELS)), np.float32)
    if item.count:
        for channel_number, name in enumerate(CHANNELS[:4]):
            table[:, :, channel_number] = _similarities(catalogue, item.segments[name], name, rows)
    column = {int(row): j for j, row in enumerate(rows)}
    starts = np.arange(count)
    for mark in marks:
        if mark.row in column:
            inside = (mark.frames[None, :] >= starts[:, None] * HOP) & (
                mark.frames[None, :] < starts[:, None] * HOP + WINDOW
            )
            table[:, column[mark.row], 4] = (
                np.log1p(inside.sum(axis=1)) / 4 * min(max(mark.surprise, mark.local), 20.0) / 10
            )
    for line in lines:
        if line.row in column and line.track:
            onsets = item.line.onsets[list(line.track)]
            begin = starts[:, None] * HOP_SECONDS
            inside = (onsets[None, :] >= begin) & (onsets[None, :] < begin + WINDOW_SECONDS)
            table[:, column[line.row], 5] = np.minimum(inside.sum(axis=1), 8) / 8 * line.strength / 40
    loud = np.abs(item.segments["patch"]).sum(axis=1) > 0 if item.count else np.ones(count, np.bool_)
    table[~loud] = 0.0
    return Evidence(rows=rows, table=table, loud=loud, marks=marks, lines=lines)


def aligned_recordings(catalogue: Catalogue, item: Features) -> tuple[LandmarkAlignment, ...]:
    """Return the recordings that align with the track, unchanged or in another key and tempo, most surprising first."""
    best = {line.row: line for line in catalogue.patterns.align(item.stars, least=VOTES_LEAST, most=ALIGNED_MAX)}
    if len(item.marks.hashes):
        votes = catalogue.landmarks.vote(item.marks, least=VOTES_LEAST, most=ALIGNED_MAX)
        sources = [catalogue.features(vote.row).marks for vote in votes]
        length = int(item.marks.peaks[:, 0].max()) + 1
        for line in coincide(item.marks, sources, votes, length):
            pattern = best.get(line.row)
            best[line.row] = line if pattern is None else together(line, pattern)
    return tuple(sorted(best.values(), key=lambda line: (-line.strength, line.row))[:24])


def _note_segments(item: Features) -> int:
    """Return the number of segments of notes, which have the same windows as sound."""
    if len(item.line) < 5:
        return 0
    return max(1, int((item.seconds - WINDOW_SECONDS) / HOP_SECONDS) + 1)


def _neighbours(catalogue: Catalogue, item: Features) -> list[int]:
    """Return rows near some segment in the joined space, the most frequent first."""
    if not item.count or not len(catalogue.owners):
        return []
    best_scores: dict[int, float] = {}
    for nearest, query, deep in (
        (catalogue.screen, joined({name: item.segments[name] for name in SCREEN_ENCODERS}), 12),
        (catalogue.styles_index, item.segments["style"], 12),
    ):
        scores, places = nearest.search(query, deep)
        for row, score in zip(catalogue.owners[places].ravel().tolist(), scores.ravel().tolist(), strict=True):
            best_scores[row] = best_scores.get(row, 0.0) + max(score, 0.0) ** 4
    return sorted(best_scores, key=lambda row: (-best_scores[row], row))[:CANDIDATES_MAX]


def _similarities(catalogue: Catalogue, query: Floats, encoder: str, rows: npt.NDArray[np.int64]) -> Floats:
    """Return the best similarity of each segment with any segment of each candidate."""
    table, starts = catalogue.table(encoder), catalogue.starts
    answer = np.zeros((len(query), len(rows)), np.float32)
    for j, row in enumerate(rows):
        part = table[starts[row] : starts[row + 1]]
        if len(part):
            answer[:, j] = (query @ part.T).max(axis=1)
    return answer
