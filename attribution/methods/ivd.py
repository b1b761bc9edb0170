"""Influence vector decomposition: sparse non-negative sums, each in the space where influence adds up.

Recording: the power of aligned recordings (see `attribution.aligned`). Style: the track's segments
as a mixture of bands, by their likeness in the style encoder's space. Composition: each note of the track is credited
to the best alignment that covers it. Latents: the operator's own space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from attribution import aligned, channels, posterior
from attribution.calibration import Calibration, shipped
from attribution.chance import ALIGNED, SURE, chance_in, margins
from attribution.melody import BREAK
from attribution.methods.fingerprint import matches
from attribution.methods.latent import attribute_latents
from attribution.protocol import Estimate

if TYPE_CHECKING:
    from attribution.catalogue import Catalogue
    from attribution.channels import Evidence
    from attribution.features import Features

LEAST = 5e-3
"""A smaller part of a track than this is no part: it is less than one window of it."""


class Decomposed:
    """Every aspect by decomposition."""

    name = "ivd"
    version = "2"

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration or shipped()

    def fit(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def attribute(self, item: Features) -> Estimate:
        if item.form == "latents":
            return attribute_latents(self.catalogue, item)
        evidence = channels.gather(self.catalogue, item)
        shares = {
            "recording": recording_shares(self.catalogue, item, evidence, self.calibration),
            "composition": tune_shares(self.catalogue, item, evidence),
            "style": style_shares(self.catalogue, evidence, self.calibration),
        }
        return Estimate(shares=shares, matches=matches(self.catalogue, item, evidence), remarks=item.remarks)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the gate looks at in an aligned recording, and how far it stands out from chance in this catalogue."""

    source: str
    looks: tuple[float, ...]
    margin: float


def gate_table(catalogue: Catalogue, item: Features, evidence: Evidence) -> list[Look]:
    """The most surprising aligned recordings."""
    parts = aligned.explain(catalogue, item, evidence.marks[:ALIGNED])
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
    """Shares of the recordings that really sound here: decided one by one, then decomposed together."""
    gate = calibration.gate
    real = {
        one.source
        for one in gate_table(catalogue, item, evidence)
        if sum(slope * look for slope, look in zip(gate.slopes, one.looks, strict=True)) + gate.bias > 0
        and one.margin > chance_in(catalogue).recording
    }
    marks = [mark for mark in evidence.marks[:ALIGNED] if catalogue.ids[mark.row] in real]
    parts = aligned.explain(catalogue, item, marks)
    return {
        catalogue.ids[mark.row]: round(part.share, 9) for mark, part in zip(marks, parts, strict=True) if part.share > 0
    }


def tune_shares(catalogue: Catalogue, item: Features, evidence: Evidence) -> dict[str, float]:
    """The share of the track's notes that run along each recording's tune, where chance does not run so far."""
    free = {int(note) for note in np.flatnonzero(item.line.pitches != BREAK)}
    whole = len(free)
    shares: dict[str, float] = {}
    for line in evidence.lines:
        if line.strength <= chance_in(catalogue).tune(item.form):
            continue
        span = free & set(range(line.track[0], line.track[-1] + 1))
        free -= span
        if span:
            shares[catalogue.ids[line.row]] = round(len(span) / whole, 9)
    return shares


def style_shares(catalogue: Catalogue, evidence: Evidence, calibration: Calibration) -> dict[str, float]:
    """How the track's segments divide among the catalogue's bands, by the style encoder alone."""
    likeness = evidence.table[:, :, channels.CHANNELS.index("style")]
    values = posterior.parts(likeness, calibration.odds["bands"], evidence.loud)
    return {
        catalogue.ids[row]: round(float(value), 9)
        for row, value in zip(evidence.rows, values, strict=True)
        if value > LEAST
    }
