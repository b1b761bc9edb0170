"""Tables on disk propose the recordings that a track is made of, however the tables came to be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attribution.hearing.audio import clip_of
from attribution.hearing.features import Features, features_of_clip, features_of_latents, features_of_line
from attribution.hearing.melody import line_of
from attribution.index import shelves as shelved
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
from ledger.errors import StateError, VerificationError


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

    registered_twice = [*(replace(row, id="again") for row in rows if row.id == source), *rows]
    store.write(registered_twice, catalogue.root, chance)
    chosen.fit(store.catalogue())
    from_disk, from_memory = (
        judge(chosen, index, item, track="t")[0].recording for index in (store.searched(), store.catalogue())
    )
    assert from_disk == from_memory
    assert {claim.id for claim in from_disk.sources} & {source, "again"}
    (store.shelves.folder / shelved.LIST).unlink()
    with pytest.raises(StateError, match="settle index"):
        store.searched()


class CrashError(Exception):
    """The process dies."""


def test_a_crash_at_any_step_of_adding_recordings_loses_and_doubles_none(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, an interrupted `settle index` breaks the index for good, or puts a recording on two shelves."""
    everything = [(name, catalogue.features(row)) for row, name in enumerate(catalogue.ids[:6])]
    names = list(catalogue.ids[:6])
    first = Shelves(tmp_path / "first")
    first.add(everything[:2])
    counts = []
    for step in range(30):
        grown = Shelves(tmp_path / f"grown-{step}")
        shutil.copytree(first.folder, grown.folder)
        steps = iter(range(step))

        def until_the_crash(act: Callable[..., Any], steps: Any = steps) -> Callable[..., Any]:
            def acted(*arguments: Any, **options: Any) -> Any:
                if next(steps, None) is None:
                    raise CrashError
                return act(*arguments, **options)

            return acted

        with monkeypatch.context() as patch:
            for module, name in ((shelved, "whole"), (shelved, "write_whole"), (shutil, "rmtree")):
                patch.setattr(module, name, until_the_crash(getattr(module, name)))
            try:
                grown.add(everything[2:4])
                crashed = False
            except CrashError:
                crashed = True
        reopened = Shelves(grown.folder)
        digests = sorted(digest.decode() for shelf in reopened.shelves for digest in shelf.digests)
        assert digests in (names[:2], names[:4])
        counts.append(len(digests))
        reopened.add([(name, features) for name, features in everything if name not in digests])
        assert sorted(digest.decode() for shelf in reopened.shelves for digest in shelf.digests) == names
        assert len(list(reopened.folder.glob("[0-9]*"))) == len(reopened.shelves), "files of a crash stay for good"
        if not crashed:
            break
    assert not crashed
    assert counts[0] == 2
    assert counts[-2:] == [4, 4], "no crash was tried between the list of shelves and the removal of the joined ones"


def test_leftovers_of_a_shelf_are_removed_and_a_damaged_one_is_named(catalogue: Catalogue, tmp_path: Path) -> None:
    """If this fails, a folder that is no shelf stops every later `settle index`, or a damaged one gives a traceback."""
    shelves = Shelves(tmp_path / "shelves")
    shelves.add([(catalogue.ids[0], catalogue.features(0))])
    (shelf,) = shelves.folder.glob("[0-9]*")
    shutil.copytree(shelf, shelves.folder / "000002.part")
    again = Shelves(shelves.folder)
    assert len(again.shelves) == 1
    again.add([(catalogue.ids[1], catalogue.features(1))])
    (shelf,) = shelves.folder.glob("[0-9]*")
    (shelf / "runs.npy").unlink()
    with pytest.raises(VerificationError, match=shelf.name):
        Shelves(shelves.folder).digests()


@pytest.mark.parametrize("sound_first", [True, False])
def test_recordings_without_sound_join_those_with_sound(
    catalogue: Catalogue, tmp_path: Path, *, sound_first: bool
) -> None:
    """If this fails, an index of sound, MIDI and latents cannot grow, or a joined shelf credits somebody else."""
    line = line_of(np.arange(12) * 0.5, np.full(12, 0.5), [60, 67, 62, 71, 64, 60, 69, 65, 74, 62, 67, 59])
    notes = features_of_line(line, 6.0, "notes")
    latents = features_of_latents(np.eye(3, dtype=np.float32), "latents")
    silent = [("notes", notes), ("latents", latents)]
    sound = [(name, catalogue.features(row)) for row, name in enumerate(catalogue.ids[:2])]
    shelves = Shelves(tmp_path / "shelves")
    for items in (sound, silent) if sound_first else (silent, sound):
        shelves.add(items)
    assert len(shelves.shelves) == 1
    assert shelves.digests() == {"notes", "latents", *catalogue.ids[:2]}
    assert shelves.candidates(notes)[0] == "notes"
    for name, item in sound:
        assert shelves.candidates(item)[0] == name
        likeness = shelved._near(shelves.shelves[0], shelved._segments(item))
        assert shelves.shelves[0].digests[likeness.argmax()].decode() == name
