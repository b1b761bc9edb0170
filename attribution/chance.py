"""What strangers reach in a catalogue: each of its own recordings asked about all the others.

Pieces by the same players, in the same dances, over the same chords are alike without one being the
other's source, and how alike differs from catalogue to catalogue. So the limit above which a
recording or a tune is named is measured on the catalogue itself: of up to PROBES recordings, each is
judged against the rest, and the best that a rest reaches follows Gumbel's law of the largest of many.
The limit is what a few strangers in a hundred pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from attribution import aligned
from attribution.catalogue import Catalogue
from attribution.channels import aligned_recordings
from attribution.features import Form
from attribution.landmarks import Alignment

PROBES: Final = 64
TUNE_RATE: Final = 0.005
"""Strangers that may pass, by the law: less than is bearable, since phrases that a tradition shares lengthen the tail."""
RECORDING_RATE: Final = 0.2
"""More than is bearable, by the law: strangers are rarely as near as a catalogue's own are, by the same players.

Both rates were chosen on other tunes, players and invented worlds than those in docs/benchmarks.md.
"""
TUNE_LEAST: Final = 36.0
"""The strength that unrelated invented tunes reach in a catalogue of hundreds: never less is asked for."""
ALIGNED: Final = 16
SHARE_WORTH: Final = 250.0
"""How many standard deviations of shared peaks explaining the whole of a track's power is worth."""
SURE: Final = 30.0
_MIDDLE, _HIGH = 0.5, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """The limits of a catalogue: margin of a recording, strength of a tune by what the track is made of."""

    recording: float = 0.0
    tunes: Mapping[str, float] = field(default_factory=dict)

    def tune(self, form: Form) -> float:
        """The strength a tune needs; where nothing of that form is indexed, the most that any form needs."""
        return self.tunes.get(form, max(self.tunes.values(), default=TUNE_LEAST))


def margins(marks: Sequence[Alignment], parts: Sequence[aligned.Explained]) -> list[float]:
    """How far each aligned recording stands out: from the others that align, and by the power it explains.

    Recordings by the same players share peaks with a track, but all of them do, and explain little each.
    """
    usual = float(np.median([min(mark.surprise, SURE) for mark in marks])) if marks else 0.0
    return [
        round(min(mark.surprise, SURE) - usual + SHARE_WORTH * part.share, 3)
        for mark, part in zip(marks, parts, strict=False)
    ]


def probes(ids: Sequence[str]) -> list[str]:
    """Up to PROBES ids, evenly spread in their order."""
    ordered = sorted(ids)
    count = min(PROBES, len(ordered))
    return [ordered[k * len(ordered) // count] for k in range(count)]


def chance_in(catalogue: Catalogue) -> Chance:
    """A catalogue's limits: as measured when it was indexed, or now."""
    if catalogue.chance is None:
        catalogue.chance = measure(catalogue)
    return catalogue.chance


def measure(catalogue: Catalogue) -> Chance:
    """The limits of a catalogue at hand."""
    chosen = {
        name for form in ("audio", "notes") for name in probes([catalogue.ids[row] for row in catalogue.rows_of(form)])
    }
    sample = Catalogue([one for one in catalogue.recordings if one.id in chosen], chance=Chance())
    return measure_sample(sample, len(catalogue))


def measure_sample(sample: Catalogue, size: int) -> Chance:
    """The limits of a catalogue of `size` recordings, of which `sample` is a part."""
    standing_out: list[float] = []
    strengths: dict[str, list[float]] = {}
    for row in [*sample.rows_of("audio"), *sample.rows_of("notes")]:
        item = sample.features(row)
        lines = [one.strength for one in sample.tunes.align(item.line) if one.row != row]
        strengths.setdefault(item.form, []).append(max(lines, default=0.0))
        if item.form == "audio":
            marks = [one for one in aligned_recordings(sample, item) if one.row != row]
            found = margins(marks, aligned.explain(sample, item, marks[:ALIGNED]))
            standing_out.append(max(found, default=0.0))
    return Chance(
        recording=round(max(0.0, limit(standing_out, RECORDING_RATE)), 3),
        tunes={form: round(max(TUNE_LEAST, limit(each, TUNE_RATE, size)), 3) for form, each in strengths.items()},
    )


def limit(best: Sequence[float], rate: float, size: int = 0) -> float:
    """What `rate` of strangers pass, where each of `best` is the largest among the others of a sample.

    Gumbel's law through the middle and the ninth tenth: a few pieces that are each other's source, as
    versions of one tune are, do not move it. A `size` beyond the sample's offers more chances than it
    did; what is measured against the others, as a margin is, does not grow so and is given without.
    """
    if len(best) < 2:
        return 0.0
    middle, high = (float(value) for value in np.quantile(best, [_MIDDLE, _HIGH]))
    scale = (high - middle) / (_reduced(_HIGH) - _reduced(_MIDDLE))
    more = max(0.0, float(np.log(max(size - 1, 1) / (len(best) - 1))))
    return middle + scale * (_reduced(1 - rate) - _reduced(_MIDDLE) + more)


def _reduced(level: float) -> float:
    return float(-np.log(-np.log(level)))
