"""Tables on disk propose the recordings that a track is made of, however the tables came to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from attribution.hearing.audio import clip_of
from attribution.hearing.features import Features, features_of_clip
from attribution.index import store as stored
from attribution.index.catalogue import Catalogue
from attribution.index.large import LargeCatalogue
from attribution.index.limits import Chance
from attribution.index.shelves import Shelves
from attribution.index.store import IndexRow, IndexStore
from attribution.judge import judge
from attribution.lab import synth
from attribution.lab.synth import World
from attribution.methods.byname import method


@pytest.fixture(scope="module")
def track(world: World) -> tuple[str, Features]:
    """A track of two recordings, one after the other, and the first one's id."""
    pieces = world.pieces[:2]
    pcm = np.concatenate([synth.perform(piece, 8.0) for piece in pieces])
    return pieces[0].id, features_of_clip(clip_of(pcm))


def test_shelves_that_grew_propose_what_one_shelf_does(
    catalogue: Catalogue, track: tuple[str, Features], tmp_path: Path
) -> None:
    """If this fails, recordings that were added later or joined from smaller shelves are not found, or twice."""
    everything = [(name, catalogue.features(row)) for row, name in enumerate(catalogue.ids)]
    whole, grown = Shelves(tmp_path / "whole"), Shelves(tmp_path / "grown")
    whole.add(everything)
    for begin in (0, 5, 7):
        grown.add(everything[begin : {0: 5, 5: 7, 7: None}[begin]])
    source, item = track
    assert grown.digests() == whole.digests() == set(catalogue.ids)
    assert source in grown.candidates(item)[:2]
    assert source in whole.candidates(item)[:2]
    assert set(grown.candidates(item)) == set(whole.candidates(item))
    assert len(grown.candidates(item)) == len(set(grown.candidates(item)))


def test_a_large_index_gives_the_shares_of_one_in_memory(
    catalogue: Catalogue, track: tuple[str, Features], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, who is paid depends on whether the index fits into memory."""
    monkeypatch.setattr(stored, "IN_MEMORY", 1)
    store = IndexStore(tmp_path)
    chance = Chance(recording=5.0, tunes={"audio": 40.0}, near=0.95, groups=0.9)
    rows = []
    for entry in catalogue.recordings:
        store.put(entry.features)
        digest, judged = entry.features.digest, entry.features.judged_sha256
        rows.append(IndexRow(id=entry.id, sha256=digest, judged_sha256=judged, path="p", style=entry.style))
    store.write(rows, catalogue.root, chance)
    store.shelve(row.sha256 for row in rows[:4])
    store.shelve(row.sha256 for row in rows)
    large, small = store.searched(), store.catalogue()
    assert isinstance(large, LargeCatalogue)
    chosen = method("hybrid")
    chosen.fit(small)
    source, item = track
    there, _ = judge(chosen, large, item, track="t")
    here, _ = judge(chosen, small, item, track="t")
    assert there.recording == here.recording
    assert {claim.id for claim in there.recording.sources} >= {source}
    assert (there.catalogue_root, there.catalogue_size) == (here.catalogue_root, here.catalogue_size)
    store.write([row for row in rows if row.id != source], catalogue.root, chance)
    after, _ = judge(chosen, store.searched(), item, track="t")
    assert source not in {claim.id for claim in after.recording.sources}
