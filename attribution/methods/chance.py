"""Measure what unrelated music scores in a catalogue: compare its own recordings with one another.

Pieces by the same players, in the same dances, over the same chords are alike without one being the
other's source, and how alike differs from catalogue to catalogue. So the limit above which a
recording or a tune is named is measured on the catalogue itself: a capped number of recordings are
each judged against the others, and the best that is reached follows Gumbel's law of the largest of many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from attribution.hearing.features import Features, Form
from attribution.index.alignments import LandmarkAlignment
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.evidence import Evidence
from attribution.index.limits import TUNE_LEAST, Chance
from attribution.index.tunes import TuneIndex
from attribution.methods import aligned, posterior
from attribution.methods.calibration import shipped
from attribution.methods.channels import gather, likeness_by

PROBES: Final = 64
TUNE_PROBES: Final = 128
LINES: Final = 2_000
"""Lines that those of the probes are aligned with: of a larger catalogue a sample, from which its limit follows."""
TUNE_RATE: Final = 0.02
"""Strangers that may pass, by the law."""
RECORDING_RATE: Final = 0.1
"""More than may pass, by the law: strangers are rarely as near as a catalogue's own are, by the same players.

Both rates were chosen on other tunes, players and invented worlds than those in docs/benchmarks.md.
"""
STYLE_RATE: Final = 0.02
MARGIN: Final = 14.0
"""About what strangers reach in invented catalogues: asked for where there is no other recording to measure with."""
REACH: Final = 2.0
"""No limit is more than so many times what half of a catalogue reaches: whoever registers versions and medleys makes
recordings each other's source, and must not silence the whole catalogue by it."""
NOTED: Final[tuple[Form, ...]] = ("audio", "notes")
"""The forms that have tunes."""
ALIGNED: Final = 16
SHARE_WORTH: Final = 100.0
"""How many standard deviations of shared peaks explaining the whole of a track's power is worth."""
SURE: Final = 30.0
_MIDDLE, _HIGH = 0.5, 0.9


def margins(marks: Sequence[LandmarkAlignment], parts: Sequence[aligned.ExplainedSound]) -> list[float]:
    """Return each aligned recording's margin over the other aligned ones, and the power that it explains.

    Recordings by the same players share peaks with a track, but all of them do, and explain little each.
    """
    sure = [(min(mark.surprise, SURE) + min(mark.local, SURE)) / 2 for mark in marks]
    usual = float(np.median(sure)) if marks else 0.0
    return [round(value - usual + SHARE_WORTH * part.share, 3) for value, part in zip(sure, parts, strict=False)]


def chance_in(catalogue: Catalogue) -> Chance:
    """A catalogue's limits: as measured when it was indexed, or now."""
    if catalogue.chance is None:
        catalogue.chance = measure(
            {recording.id: recording.features for recording in catalogue.recordings}, catalogue.recordings
        )
    return catalogue.chance


def measure(sketches: Mapping[str, Features], recordings: Iterable[CatalogueEntry]) -> Chance:
    """The limits, from the lines of all recordings and the whole features of those that `probes` names."""
    probe_names = set(probes([name for name, sketch in sketches.items() if sketch.form == "audio"], PROBES))
    sample = Catalogue([sketch for sketch in recordings if sketch.id in probe_names], chance=Chance())
    evidence = [gather(sample, recording.features) for recording in sample.recordings]
    near, groups = style_limits(sample, evidence)
    return Chance(recording=recording_limit(sample, evidence), tunes=tune_limits(sketches), near=near, groups=groups)


def probes(ids: Sequence[str], most: int) -> list[str]:
    """Up to `most` ids, evenly spread in their order."""
    ordered = sorted(ids)
    count = min(most, len(ordered))
    return [ordered[k * len(ordered) // count] for k in range(count)]


def recording_limit(sample: Catalogue, evidence: Sequence[Evidence]) -> float:
    """The margin that RECORDING_RATE of strangers pass: each of a sample against the others."""
    best: list[float] = []
    for row, item_evidence in enumerate(evidence):
        item = sample.features(row)
        marks = [alignment for alignment in item_evidence.marks if alignment.row != row]
        chance_margins = margins(marks, aligned.explain(sample, item, marks[:ALIGNED], background=True))
        best.append(max(chance_margins, default=0.0))
    return round(max(0.0, limit(best, RECORDING_RATE, MARGIN)), 3)


def style_limits(sample: Catalogue, evidence: Sequence[Evidence]) -> tuple[float, float]:
    """The likeness in style, and the posterior share of a group, that STYLE_RATE of other people's music reaches.

    Each of a sample is asked about those of other groups. Produced music is more alike than invented bands are, and
    how much so differs from catalogue to catalogue.
    """
    nearest: list[float] = []
    largest: list[float] = []
    for row, item_evidence in enumerate(evidence):
        own = sample.styles[row]
        columns = [
            column
            for column, row_there in enumerate(item_evidence.rows)
            if row_there != row and (own is None or sample.styles[row_there] != own)
        ]
        elsewhere = replace(item_evidence, rows=item_evidence.rows[columns], table=item_evidence.table[:, columns])
        nearest.append(closest(elsewhere))
        shares: dict[str, float] = {}
        for row_there, share in zip(elsewhere.rows, posterior.shares(elsewhere, shipped().odds["style"]), strict=True):
            group = sample.styles[row_there] or sample.ids[row_there]
            shares[group] = shares.get(group, 0.0) + float(share)
        largest.append(max(shares.values(), default=0.0))
    near, groups = (min(1.0, limit(values, STYLE_RATE, 0.0)) for values in (nearest, largest))
    return round(near, 4), round(groups, 4)


def closest(evidence: Evidence) -> float:
    """The highest likeness in style of any stretch of the track with any recording.

    One stretch tells more than all together: what a track takes from one band is in a part of it.
    """
    return round(float(likeness_by(evidence, "style").max(initial=0.0)), 4)


def tune_limits(sketches: Mapping[str, Features]) -> dict[str, float]:
    """By form, the strength that TUNE_RATE of strangers pass: up to TUNE_PROBES lines against up to LINES of all."""
    names = sorted(chosen for form in NOTED for chosen in _of_form(sketches, form))
    times = max(1.0, sum(sketch.form in NOTED for sketch in sketches.values()) / max(len(names), 1))
    index = TuneIndex([sketches[name].line for name in names])
    limits: dict[str, float] = {}
    for form in NOTED:
        best = []
        for name in probes([name for name in names if sketches[name].form == form], TUNE_PROBES):
            strengths = [
                alignment.strength for alignment in index.align(sketches[name].line) if names[alignment.row] != name
            ]
            best.append(max(strengths, default=0.0))
        if best:
            limits[form] = round(max(TUNE_LEAST, limit(best, TUNE_RATE, TUNE_LEAST, times)), 3)
    return limits


def _of_form(sketches: Mapping[str, Features], form: Form) -> list[str]:
    """The recordings of a form, or a sample of as large a part of LINES as they are of all."""
    names = [name for name, sketch in sketches.items() if sketch.form == form]
    return probes(names, max(1, len(names) * LINES // max(len(sketches), LINES)))


def limit(best: Sequence[float], rate: float, usual: float, times: float = 1.0) -> float:
    """Return the limit that a part `rate` of strangers exceeds; `best`: the largest value of each recording, among so
    many others, where in truth there are `times` as many.

    Gumbel's law through the middle and the ninth tenth: a few pieces that are each other's source, as
    versions of one tune are, do not move it; many move it to REACH times the middle, or to what is `usual`.
    """
    if len(best) < 2:
        return usual
    middle, high = (float(value) for value in np.quantile(best, [_MIDDLE, _HIGH]))
    scale = (high - middle) / (_reduced(_HIGH) - _reduced(_MIDDLE))
    # The largest of many times as many is larger by the logarithm of how many times: so says the law.
    middle += scale * float(np.log(times))
    return min(middle + scale * (_reduced(1 - rate) - _reduced(_MIDDLE)), max(REACH * middle, usual))


def _reduced(level: float) -> float:
    return float(-np.log(-np.log(level)))
