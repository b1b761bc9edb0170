"""What a recording explains of a track does not depend on how loud the rest of the track is."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.hearing.audio import SAMPLE_RATE, Pcm, clip_of
from attribution.hearing.features import features_of_clip
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.lab import synth
from attribution.lab.synth import perform
from attribution.methods.aligned import explain
from attribution.methods.channels import aligned_recordings

SECONDS = 24.0


def part(pcm: Pcm, begin: int, seconds: int) -> Pcm:
    return pcm[begin * SAMPLE_RATE : (begin + seconds) * SAMPLE_RATE]


@pytest.mark.parametrize("loudness", [1.0, 6.0])
def test_a_quiet_part_keeps_its_share(world: synth.World, loudness: float) -> None:
    """If this fails, whoever is quoted in a quiet part of a loud track is paid half of what is due."""
    sounds = [perform(piece, SECONDS) for piece in world.pieces[:3]]
    entries = [
        CatalogueEntry(id=f"rec-{row}", features=features_of_clip(clip_of(pcm))) for row, pcm in enumerate(sounds)
    ]
    catalogue = Catalogue(entries)
    parts = [part(sounds[0], 2, 8) * np.float32(loudness), part(sounds[1], 6, 8), part(sounds[2], 3, 8)]
    track = features_of_clip(clip_of(np.concatenate(parts) * np.float32(0.2)))
    lines = aligned_recordings(catalogue, track)[:3]
    assert [line.tempo for line in lines] == [1.0, 1.0, 1.0]
    shares = {
        line.row: explained.share for line, explained in zip(lines, explain(catalogue, track, lines), strict=True)
    }
    assert shares == {row: pytest.approx(1 / 3, abs=0.07) for row in range(3)}
