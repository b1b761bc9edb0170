"""Probabilistic fingerprinting: every aspect by its calibrated posterior over sources and "none"."""

from __future__ import annotations

import numpy as np

from attribution.hearing.features import Features
from attribution.hearing.spectra import HOP_SECONDS, STEPS_PER_OCTAVE, WINDOW_SECONDS
from attribution.index.alignments import LandmarkAlignment
from attribution.index.catalogue import Catalogue
from attribution.index.evidence import Evidence
from attribution.methods import channels, posterior
from attribution.methods.aligned import FRAME_SECONDS
from attribution.methods.calibration import Calibration, shipped
from attribution.methods.latent import attribute_latents
from attribution.methods.protocol import Estimate, Match
from ledger.types import Aspect

POSTERIORS: tuple[Aspect, ...] = ("recording", "composition", "style")


class Fingerprint:
    """FAISS neighbours, landmarks and tunes -> evidence by segment -> posterior."""

    name = "fingerprint"
    version = "3"

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration or shipped()

    def fit(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def attribute(self, item: Features) -> Estimate:
        if item.form == "latents":
            return attribute_latents(self.catalogue, item)
        evidence = channels.gather(self.catalogue, item)
        shares = {aspect: self.shares(evidence, aspect) for aspect in POSTERIORS}
        return Estimate(shares=shares, matches=matches(self.catalogue, item, evidence), remarks=item.remarks)

    def shares(self, evidence: Evidence, aspect: Aspect) -> dict[str, float]:
        """The posterior shares of one aspect by recording id."""
        values = posterior.shares(evidence, self.calibration.odds[aspect])
        ids = self.catalogue.ids
        return {
            ids[row]: round(float(value), 9) for row, value in zip(evidence.rows, values, strict=True) if value > 1e-4
        }


def landmark_words(mark: LandmarkAlignment) -> str:
    """Return the number of landmarks that agree, and their change of key and tempo, in words."""
    words = [f"{mark.votes} landmarks"]
    if mark.tempo != 1.0:
        words.append(f"{100 * (1 / mark.tempo - 1):+.0f} % length")
    semitones = -12 * mark.shift / STEPS_PER_OCTAVE
    if abs(semitones) >= 0.25:
        words.append(f"{semitones:+.1f} semitones")
    return ", ".join(words)


def matches(catalogue: Catalogue, item: Features, evidence: Evidence, count: int = 12) -> tuple[Match, ...]:
    """Return the times in the track and in the source: by landmarks, by tune, and by the nearest segments in style."""
    passages = [
        Match(
            source=catalogue.ids[mark.row],
            aspect="recording",
            track_start=round(float(mark.frames[0]) * FRAME_SECONDS, 2),
            track_end=round(float(mark.frames[-1]) * FRAME_SECONDS, 2),
            source_start=round(float(mark.frames[0] * mark.tempo + mark.offset) * FRAME_SECONDS, 2),
            evidence=landmark_words(mark),
        )
        for mark in evidence.marks[:count]
        if len(mark.frames)
    ]
    for line in evidence.lines[:count]:
        if line.track:
            source = catalogue.features(line.row).line
            passages.append(
                Match(
                    source=catalogue.ids[line.row],
                    aspect="composition",
                    track_start=round(float(item.line.onsets[line.track[0]]), 2),
                    track_end=round(float(item.line.onsets[line.track[-1]] + item.line.lengths[line.track[-1]]), 2),
                    source_start=round(float(source.onsets[line.source[0]]), 2),
                    transposed=(line.shift + 6) % 12 - 6,
                    evidence=f"{len(line.track)} notes",
                )
            )
    if evidence.table.size:
        style = channels.likeness_by(evidence, "style")
        for j in np.lexsort((evidence.rows, -style.mean(axis=0)))[:count]:
            segment = int(style[:, j].argmax())
            passages.append(
                Match(
                    source=catalogue.ids[evidence.rows[j]],
                    aspect="style",
                    track_start=round(segment * HOP_SECONDS, 2),
                    track_end=round(segment * HOP_SECONDS + WINDOW_SECONDS, 2),
                    source_start=0.0,
                    evidence=f"likeness {style[segment, j]:.2f}",
                )
            )
    return tuple(passages)
