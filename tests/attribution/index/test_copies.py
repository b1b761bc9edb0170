"""Copies at the door: they are recognised, and they move no money."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from attribution.hearing.audio import clip_of
from attribution.hearing.features import Features, features_of_clip
from attribution.index.copies import LIKE, Entrant, likeness, sort_out
from attribution.lab import synth
from attribution.lab.render import vary_sound
from attribution.lab.synth import InventedPiece, perform

SECONDS = 12.0


def heard(piece: InventedPiece, noise: float = 0.0) -> Features:
    pcm = perform(piece, SECONDS)
    return features_of_clip(
        clip_of(pcm + noise * np.random.default_rng(1).standard_normal(len(pcm)).astype(np.float32))
    )


def test_distinct_pieces_are_let_in(world: synth.World) -> None:
    """If this fails, honest recordings of one style keep each other out."""
    kept = {piece.id: heard(piece) for piece in world.pieces}
    entrants = [Entrant(id=name, groups=frozenset({name}), confirmed=False) for name in kept]
    assert [name for name, one in sort_out(entrants, kept.__getitem__).items() if one.kept_out] == []


def test_a_copy_of_another_groups_recording_stays_out_until_confirmed(world: synth.World) -> None:
    """If this fails, K noisy copies take K parts of the victim's share."""
    kept = {"first": heard(world.pieces[0])} | {f"copy-{k}": heard(world.pieces[0], 0.005 * (k + 1)) for k in range(3)}

    def verdicts(*, confirmed: bool, thief: str) -> list[bool]:
        entrants = [Entrant(id="first", groups=frozenset({"victim"}), confirmed=False)]
        entrants += [Entrant(id=f"copy-{k}", groups=frozenset({thief}), confirmed=confirmed) for k in range(3)]
        return [one.kept_out is None for one in sort_out(entrants, kept.__getitem__).values()]

    assert verdicts(confirmed=False, thief="thief") == [True, False, False, False]
    assert verdicts(confirmed=True, thief="thief") == [True, True, False, False], "its own copies count once"
    assert verdicts(confirmed=True, thief="victim") == [True, False, False, False]


def test_the_same_notes_by_another_band_are_told_apart_or_not_by_likeness(world: synth.World) -> None:
    """If this fails, likeness no longer ranks: itself, then a re-instrumented copy, then a stranger."""
    import dataclasses

    piece = world.pieces[0]
    band = dataclasses.replace(piece, sound=vary_sound(np.random.default_rng(3), piece.sound, 0.5))
    mine, other, stranger = heard(piece), heard(band), heard(world.pieces[1])
    assert likeness(mine, mine) > likeness(mine, other) > likeness(mine, stranger)
    assert likeness(mine, other) >= LIKE > likeness(mine, stranger)


def test_latents_and_notes_have_likeness_of_their_own() -> None:
    """If this fails, two recordings of different kinds are compared, or equal latents are not found equal."""
    from attribution.hearing.features import features_of_latents, features_of_line
    from attribution.hearing.melody import line_of

    rows = np.eye(3, dtype=np.float32)
    one, two = features_of_latents(rows[:1], "a" * 64), features_of_latents(rows[1:2], "b" * 64)
    tune = features_of_line(line_of([0, 1, 2], [1, 1, 1], [60, 62, 64]), 3.0, "c" * 64)
    assert likeness(one, one) == 1.0
    assert likeness(one, two) == 0.0
    assert likeness(one, tune) == 0.0
    assert likeness(tune, tune) == 1.0


def test_of_two_alike_in_one_statement_neither_is_first(world: synth.World) -> None:
    """If this fails, the alphabet decides whose recording it is when a copy is handed in beside the original."""
    kept = {"copy": heard(world.pieces[0], 0.002), "original": heard(world.pieces[0]), "other": heard(world.pieces[1])}

    def outside(confirmed: str = "") -> dict[str, bool]:
        entrants = [
            Entrant(id=name, groups=frozenset({f"p-{name}"}), confirmed=name == confirmed, since="2026-06-01")
            for name in kept
        ]
        return {name: one.kept_out is not None for name, one in sort_out(entrants, kept.__getitem__).items()}

    assert outside() == {"copy": True, "original": True, "other": False}
    assert outside("original") == {"copy": True, "original": False, "other": False}


@pytest.mark.parametrize("how", ["12 % faster", "looped", "shuffled", "half"])
def test_a_reworked_copy_is_recognised(world: synth.World, how: str) -> None:
    """If this fails, a copy that is sped up, looped or cut in pieces is let in and takes the original's money (D4)."""
    pcm, other = perform(world.pieces[0], 24.0), perform(world.pieces[1], 24.0)
    reworked = {
        "12 % faster": soxr.resample(pcm, 16_000 * 1.12, 16_000),
        "looped": np.tile(pcm[64_000:128_000], 6),
        "shuffled": np.concatenate([pcm[64_000 * k : 64_000 * (k + 1)] for k in (3, 0, 5, 2, 4, 1)]),
        "half": np.concatenate([pcm[:192_000], other[:192_000]]),
    }[how]
    kept = {
        "first": features_of_clip(clip_of(pcm)),
        "copy": features_of_clip(clip_of(np.ascontiguousarray(reworked, dtype=np.float32))),
    }
    entrants = [Entrant(id=name, groups=frozenset({name}), confirmed=False, since=name) for name in kept]
    verdicts = sort_out(entrants, kept.__getitem__)
    assert verdicts["first"].kept_out is None
    assert verdicts["copy"].like == "first"
    assert verdicts["copy"].kept_out is not None
