"""A small world, heard once for all tests of the room."""

from __future__ import annotations

import pytest

from attribution.hearing.audio import clip_of
from attribution.hearing.features import features_of_clip
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.lab import synth

SECONDS = 12.0


@pytest.fixture(scope="session")
def world() -> synth.World:
    return synth.make_world(77, pieces=16, styles=4)


@pytest.fixture(scope="session")
def catalogue(world: synth.World) -> Catalogue:
    return Catalogue(
        [
            CatalogueEntry(
                id=piece.id, style=piece.style, features=features_of_clip(clip_of(synth.perform(piece, SECONDS)))
            )
            for piece in world.pieces
        ]
    )
