"""The evidence of each channel, compared with a calculation segment by segment."""

from __future__ import annotations

from math import log1p

import numpy as np
import pytest

from attribution.hearing.audio import SAMPLE_RATE, clip_of
from attribution.hearing.features import Features, features_of_clip, features_of_line
from attribution.hearing.melody import EMPTY
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.evidence import Evidence
from attribution.lab import synth
from attribution.methods.byname import method
from attribution.methods.channels import CHANNELS, gather, likeness_by
from tests.attribution.tunes import SECONDS, line, rhythm, tune

FRAME = 512 / SAMPLE_RATE
"""Seconds of a mel frame; a segment is 128 of them, and the next begins 32 later."""


@pytest.fixture(scope="module")
def small(world: synth.World) -> Catalogue:
    sounds = [synth.perform(piece, 8.0) for piece in world.pieces[:3]]
    return Catalogue(
        [
            CatalogueEntry(id=f"rec-{row}", style="s", features=features_of_clip(clip_of(sound)))
            for row, sound in enumerate(sounds)
        ]
    )


@pytest.fixture(scope="module")
def quoted(world: synth.World) -> Features:
    """Six seconds of the first recording, then five of silence."""
    sound = synth.perform(world.pieces[0], 8.0)
    quote = sound[SAMPLE_RATE : 7 * SAMPLE_RATE]
    return features_of_clip(clip_of(np.concatenate([quote, np.zeros(5 * SAMPLE_RATE, np.float32)])))


@pytest.fixture(scope="module")
def evidence(small: Catalogue, quoted: Features) -> Evidence:
    return gather(small, quoted)


def test_likeness_is_the_best_of_a_candidates_segments(small: Catalogue, quoted: Features, evidence: Evidence) -> None:
    """If this fails, a recording is as near as some other part of the catalogue."""
    assert evidence.rows.tolist() == [0, 1, 2]
    for channel in ("patch", "chroma", "timbre", "style"):
        for segment in range(quoted.count):
            row = quoted.segments[channel][segment]
            best = [float((small.features(j).segments[channel] @ row).max()) for j in range(3)]
            assert likeness_by(evidence, channel)[segment] == pytest.approx(best, abs=1e-4)


def test_a_silent_segment_is_evidence_for_nobody(quoted: Features, evidence: Evidence) -> None:
    """If this fails, silence is paid for."""
    silent = [not quoted.segments["patch"][segment].any() for segment in range(quoted.count)]
    assert any(silent)
    assert evidence.loud.tolist() == [not flag for flag in silent]
    assert not evidence.table[silent].any()


def test_landmarks_count_where_they_lie(small: Catalogue, quoted: Features, evidence: Evidence) -> None:
    """If this fails, a recording that sounds in one part of a track is heard in another."""
    assert evidence.marks[0].row == 0
    for mark in evidence.marks:
        certainty = min(max(mark.surprise, mark.local), 20.0) / 10
        for segment in range(quoted.count):
            inside = sum(32 * segment <= frame < 32 * segment + 128 for frame in mark.frames)
            expected = log1p(inside) / 4 * certainty if evidence.loud[segment] else 0.0
            assert likeness_by(evidence, "landmarks")[segment, mark.row] == pytest.approx(expected, rel=1e-4)
    assert likeness_by(evidence, "landmarks")[0, 0] > 1


@pytest.mark.parametrize("name", ["fingerprint", "ivd", "hybrid"])
def test_every_method_names_the_recording_that_sounds(small: Catalogue, quoted: Features, name: str) -> None:
    """If this fails, a method pays somebody else for a recording that sounds, or does not say where it does."""
    chosen = method(name)
    chosen.fit(small)
    estimate = chosen.attribute(quoted)
    shares = estimate.shares["recording"]
    assert max(shares, key=lambda recording: shares[recording]) == "rec-0"
    assert set(estimate.shares) == {"recording", "composition", "style"}
    assert estimate.remarks == quoted.remarks
    sound = [match for match in estimate.matches if match.aspect == "recording" and match.source == "rec-0"]
    assert sound[0].source_start - sound[0].track_start == pytest.approx(1.0, abs=0.1)


def test_an_item_is_looked_at_once(small: Catalogue, quoted: Features, evidence: Evidence) -> None:
    """If this fails, every method searches the catalogue again, or one item is judged by another's evidence."""
    assert gather(small, quoted) is evidence
    other = features_of_line(line(tune(3), rhythm(3)), SECONDS, "a" * 64)
    assert gather(small, other) is not evidence
    assert CHANNELS.index("tune") == evidence.table.shape[2] - 1


def test_notes_are_looked_at_in_the_windows_of_sound() -> None:
    """If this fails, a tune counts in segments in which it does not run, or more than eight notes count more."""
    indexed = [features_of_line(line(tune(n), rhythm(n)), SECONDS, f"{n:064x}") for n in range(6)]
    catalogue = Catalogue([CatalogueEntry(id=f"t-{n}", features=features) for n, features in enumerate(indexed)])
    played = line(tune(2), rhythm(2), shift=3)
    item = features_of_line(played, SECONDS, "b" * 64)
    evidence = gather(catalogue, item)
    assert len(evidence.table) == int((SECONDS - 128 * FRAME) / (32 * FRAME)) + 1
    assert evidence.loud.all()
    assert not evidence.table[:, :, :5].any()
    best = evidence.lines[0]
    column = evidence.rows.tolist().index(best.row)
    assert best.row == 2
    for segment in range(len(evidence.table)):
        begin = 32 * FRAME * segment
        notes = sum(begin <= played.onsets[note] < begin + 128 * FRAME for note in best.track)
        expected = min(notes, 8) / 8 * best.strength / 40
        assert likeness_by(evidence, "tune")[segment, column] == pytest.approx(expected, rel=1e-4)


def test_too_few_notes_have_no_segments() -> None:
    """If this fails, four notes decide whose tune a track is."""
    catalogue = Catalogue([CatalogueEntry(id="t", features=features_of_line(line(tune(1), rhythm(1)), 9.0, "c" * 64))])
    few = features_of_line(line(tune(1)[:5], rhythm(1)[:5]), SECONDS, "d" * 64)
    five = features_of_line(line(tune(1)[:6], rhythm(1)[:6]), 1.0, "e" * 64)
    nothing = features_of_line(EMPTY, SECONDS, "f" * 64)
    assert [len(gather(catalogue, item).table) for item in (few, five, nothing)] == [0, 1, 0]
