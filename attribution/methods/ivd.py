"""Influence vector decomposition: sparse non-negative sums, each in the space where influence adds up.

Recording: the power of aligned recordings (see `attribution.methods.aligned`). Style: the track's segments
as a mixture of bands, by their likeness in the style encoder's space. Composition: the track's time,
credited to the tunes that run in it. Latents: the operator's own space.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attribution.hearing.features import Features
from attribution.hearing.melody import BREAK
from attribution.index.catalogue import Catalogue
from attribution.index.evidence import Evidence
from attribution.methods import aligned, channels, posterior
from attribution.methods.calibration import Calibration, shipped
from attribution.methods.chance import ALIGNED, SURE, chance_in, closest, margins
from attribution.methods.fingerprint import matches
from attribution.methods.latent import attribute_latents
from attribution.methods.protocol import Estimate
from ledger.types import Aspect

LIMITED: frozenset[Aspect] = frozenset({"recording", "composition"})
"""Aspects in which what has a share is above the catalogue's limits of chance."""
NEAR: frozenset[Aspect] = LIMITED | frozenset[Aspect]({"style"})
"""The same where a track comes near to a recording in style."""
MOMENT = 0.05
"""Seconds: shorter than a note."""
LEAST = 5e-3
"""A smaller part of a track than this is no part: it is less than one window of it."""


class Decomposed:
    """Every aspect by decomposition."""

    name = "ivd"
    version = "4"

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration or shipped()

    def fit(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def attribute(self, item: Features) -> Estimate:
        if item.form == "latents":
            return attribute_latents(self.catalogue, item)
        evidence = channels.gather(self.catalogue, item)
        clear = above_chance(self.catalogue, evidence, self.calibration)
        shares: dict[Aspect, dict[str, float]] = {
            "recording": recording_shares(self.catalogue, item, evidence, self.calibration),
            "composition": tune_shares(self.catalogue, item, evidence),
            "style": style_shares(self.catalogue, evidence, self.calibration) if "style" in clear else {},
        }
        return Estimate(
            shares=shares,
            above_chance=clear,
            matches=matches(self.catalogue, item, evidence),
            remarks=item.remarks,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The gate's inputs for an aligned recording, and its margin over chance in this catalogue."""

    source: str
    looks: tuple[float, ...]
    margin: float


def gate_table(catalogue: Catalogue, item: Features, evidence: Evidence) -> list[Look]:
    """Return the gate's inputs for the most surprising aligned recordings."""
    parts = aligned.explain(catalogue, item, evidence.marks[:ALIGNED], background=True)
    return [
        Look(
            source=catalogue.ids[mark.row],
            looks=(min(mark.surprise, SURE) / 10, min(mark.local, SURE) / 10, part.share),
            margin=margin,
        )
        for mark, part, margin in zip(evidence.marks, parts, margins(evidence.marks, parts), strict=False)
    ]


def recording_shares(
    catalogue: Catalogue, item: Features, evidence: Evidence, calibration: Calibration
) -> dict[str, float]:
    """Return the shares of the recordings that sound in the track.

    Each is accepted or rejected separately; then the accepted ones are decomposed together.
    """
    gate = calibration.gate
    real = {
        gate_row.source
        for gate_row in gate_table(catalogue, item, evidence)
        if sum(slope * look for slope, look in zip(gate.slopes, gate_row.looks, strict=True)) + gate.bias > 0
        and gate_row.margin > chance_in(catalogue).recording
    }
    marks = [mark for mark in evidence.marks[:ALIGNED] if catalogue.ids[mark.row] in real]
    parts = aligned.explain(catalogue, item, marks)
    return {
        catalogue.ids[mark.row]: round(part.share, 9) for mark, part in zip(marks, parts, strict=True) if part.share > 0
    }


def tune_shares(catalogue: Catalogue, item: Features, evidence: Evidence) -> dict[str, float]:
    """Return the part of the track's time in which each recording's tune runs, if it exceeds chance.

    In one voice a moment is the strongest tune's; voices that run along different tunes share it equally.
    """
    line = item.line
    steps = int(np.ceil(item.seconds / MOMENT))
    voice = np.cumsum(line.pitches == BREAK)
    owner = np.full((int(voice[-1]) + 1 if len(voice) else 1, steps), -1)
    for alignment in evidence.lines:
        if alignment.strength > chance_in(catalogue).tune(item.form):
            first, last = alignment.track[0], alignment.track[-1]
            ends = (line.onsets[first], line.onsets[last] + line.lengths[last])
            moments = owner[voice[first], slice(*(round(float(end) / MOMENT) for end in ends))]
            moments[moments < 0] = alignment.row
    rows = np.unique(owner[owner >= 0])
    running = np.stack([(owner == row).any(axis=0) for row in rows]) if len(rows) else np.zeros((0, steps), np.bool_)
    parts = (running / np.maximum(running.sum(axis=0), 1)).sum(axis=1) / max(steps, 1)
    return {catalogue.ids[row]: round(float(part), 9) for row, part in zip(rows, parts, strict=True)}


def above_chance(catalogue: Catalogue, evidence: Evidence, calibration: Calibration) -> frozenset[Aspect]:
    """The aspects in which strangers' tracks get no shares: recording and composition, by the catalogue's limits; and
    style, where some stretch sounds more like a recording than strangers' tracks do, here and in invented music.
    """
    return NEAR if closest(evidence) > max(calibration.near, chance_in(catalogue).near) else LIMITED


def style_shares(catalogue: Catalogue, evidence: Evidence, calibration: Calibration) -> dict[str, float]:
    """Divide the track's segments among the catalogue's bands, by the style encoder alone."""
    values = posterior.parts(channels.likeness_by(evidence, "style"), calibration.odds["bands"], evidence.loud)
    return {
        catalogue.ids[row]: round(float(value), 9)
        for row, value in zip(evidence.rows, values, strict=True)
        if value > LEAST
    }
