"""Canaries: what no track can have come from gets nothing, and is noticed when it does."""

from __future__ import annotations

import dataclasses

import numpy as np

from attribution.hearing.audio import clip_of
from attribution.hearing.features import features_of_clip, features_of_latents
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.judge import judge
from attribution.lab import canary, synth
from attribution.lab.synth import perform
from attribution.methods.byname import method


def test_a_track_of_the_catalogue_gives_canaries_nothing(catalogue: Catalogue, world: synth.World) -> None:
    """If this fails, recordings that were never used are paid."""
    planted = canary.plant(catalogue, canary.invent(catalogue, "audio", 3))
    assert len(planted) == len(catalogue) + 3
    chosen = method("hybrid")
    chosen.fit(planted)
    item = features_of_clip(clip_of(perform(world.pieces[0], 12.0)))
    vector, _ = judge(chosen, planted, item, track="t")
    assert [one.id for one in vector.recording.sources] == [world.pieces[0].id]
    assert list(canary.given(vector)) == []


def test_what_a_canary_is_given_is_counted(catalogue: Catalogue, world: synth.World) -> None:
    """If this fails, the check reports no false attribution where there is one."""
    victim = features_of_clip(clip_of(perform(world.pieces[0], 12.0)))
    without = Catalogue([one for one in catalogue.recordings if one.id != world.pieces[0].id])
    planted = canary.plant(without, [dataclasses.replace(victim, digest="0" * 64)])
    chosen = method("hybrid")
    chosen.fit(planted)
    given = list(canary.given(judge(chosen, planted, victim, track="t")[0]))
    assert ("recording", "canary:001") in [(aspect, name) for aspect, name, _ in given]


def test_invented_latents_and_notes_look_like_the_catalogues() -> None:
    """If this fails, canaries among latents or notes cannot be told from noise, so that they would never be named."""
    rows = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32) * np.arange(1, 9, dtype=np.float32)
    many = Catalogue(
        [
            CatalogueEntry(id=f"r{k:03d}", features=features_of_latents(row[None], f"{k:064x}"))
            for k, row in enumerate(rows)
        ]
    )
    drawn = np.concatenate([one.latents for one in canary.invent(many, "latents", 400)])
    unit_rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.allclose(drawn.std(axis=0), unit_rows.std(axis=0), rtol=0.25)
    assert all(len(one.line) > 20 for one in canary.invent(many, "notes", 2))


def test_no_false_attribution_in_n_tracks_still_leaves_a_rate_open() -> None:
    """If this fails, three clean tracks are taken for proof."""
    assert abs(canary.at_most(0, 59) - 0.0495) < 0.001
    assert canary.at_most(0, 3) > 0.6
    assert canary.at_most(3, 3) == 1.0
