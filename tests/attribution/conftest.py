"""A small world, heard once for all tests of the room."""

from __future__ import annotations

import pytest

from attribution import synth
from attribution.audio import clip_of
from attribution.catalogue import Catalogue, Listed
from attribution.features import features_of_clip

SECONDS = 12.0


@pytest.fixture(scope="session")
def world() -> synth.World:
    return synth.make_world(77, pieces=16, styles=4)


@pytest.fixture(scope="session")
def catalogue(world: synth.World) -> Catalogue:
    return Catalogue(
        [
            Listed(id=piece.id, style=piece.style, features=features_of_clip(clip_of(synth.perform(piece, SECONDS))))
            for piece in world.pieces
        ]
    )
