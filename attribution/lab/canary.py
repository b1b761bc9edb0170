"""Canaries: recordings from which no track can come, added to the catalogue for a check.

Whatever a method gives to a canary is a false attribution, whoever makes the tracks and whatever is not
known about them. Planting is done in memory, for the check alone: a canary is never indexed, signed or paid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from attribution.hearing.audio import clip_of
from attribution.hearing.features import Features, Form, features_of_clip, features_of_latents, features_of_line
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.lab import synth
from attribution.lab.compose import line_of_notes
from ledger.types import ASPECTS, STYLE_PREFIX, Aspect, InfluenceVector

PREFIX: Final = "canary:"
STYLE: Final = "canary"
_WORLD: Final = 4_242
"""The seed of the world that invented canaries come from: no other world is made from it."""


def plant(catalogue: Catalogue, canaries: Sequence[Features]) -> Catalogue:
    """The catalogue with the canaries in it, all of one style that is theirs alone."""
    planted = [
        CatalogueEntry(id=f"{PREFIX}{number:03d}", style=STYLE, features=sketch)
        for number, sketch in enumerate(canaries, start=1)
    ]
    return Catalogue([*catalogue.recordings, *planted], chance=catalogue.chance)


def given(vector: InfluenceVector) -> Iterator[tuple[Aspect, str, int]]:
    """What a vector gives to canaries, by aspect: each of it is wrong."""
    for aspect in ASPECTS:
        for source in vector.aspect(aspect).sources:
            if source.id.startswith(PREFIX) or source.id == f"{STYLE_PREFIX}{STYLE}":
                yield aspect, source.id, source.ppm


def invent(catalogue: Catalogue, form: Form, count: int) -> list[Features]:
    """Canaries of a form: invented pieces as sound or notes, latents drawn with the catalogue's mean and spread."""
    if form == "latents":
        return _latents(catalogue, count)
    world = synth.make_world(_WORLD, pieces=count)
    if form == "audio":
        return [features_of_clip(clip_of(synth.perform(piece))) for piece in world.pieces]
    lines = [line_of_notes(synth.notes_in_seconds(piece.score, synth.SECONDS)) for piece in world.pieces]
    return [features_of_line(line, synth.SECONDS, f"{number:064x}") for number, line in enumerate(lines, start=1)]


def _latents(catalogue: Catalogue, count: int) -> list[Features]:
    rows = catalogue.latents[0].rows.astype(np.float64)
    spread = np.cov(rows, rowvar=False, bias=True).reshape(rows.shape[1], rows.shape[1])
    rng = np.random.default_rng(_WORLD)
    drawn = rng.multivariate_normal(rows.mean(axis=0), spread, size=count, method="eigh").astype(np.float32)
    return [features_of_latents(drawn[number : number + 1], f"{number:064x}") for number in range(count)]


def at_most(wrong: int, tracks: int) -> float:
    """The rate that is exceeded with a chance of one in twenty, having seen this many (Clopper and Pearson)."""
    from scipy.stats import beta

    return 1.0 if wrong >= tracks else float(beta.ppf(0.95, wrong + 1, tracks - wrong))
