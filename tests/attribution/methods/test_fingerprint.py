"""Passages: where in the track and where in the source, as a report prints them."""

from __future__ import annotations

import numpy as np
import pytest

from attribution.hearing.features import Features, features_of_line
from attribution.hearing.melody import line_of
from attribution.index.alignments import LandmarkAlignment
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.evidence import Evidence
from attribution.index.tunes import TuneAlignment
from attribution.methods.calibration import Calibration
from attribution.methods.channels import CHANNELS
from attribution.methods.fingerprint import Fingerprint, landmark_words, matches
from attribution.methods.hybrid import with_recordings
from attribution.methods.posterior import Odds

FRAME = 512 / 16_000


def mark(**fields: float) -> LandmarkAlignment:
    return LandmarkAlignment(row=1, offset=50, votes=9, frames=np.array([100, 140, 200]), **fields)  # type: ignore[arg-type]


def notes(*pitches: int) -> Features:
    line = line_of([2.0 * n for n in range(len(pitches))], [1.5] * len(pitches), pitches)
    return features_of_line(line, 30.0, "a" * 64)


CATALOGUE = Catalogue(
    [
        CatalogueEntry(id="rec-a", features=notes(50, 52, 54, 55, 57, 59)),
        CatalogueEntry(id="rec-b", features=notes(70, 72, 74, 75, 77, 79)),
    ]
)


def evidence(*, lines: tuple[TuneAlignment, ...] = (), marks: tuple[LandmarkAlignment, ...] = ()) -> Evidence:
    table = np.zeros((3, 2, len(CHANNELS)), np.float32)
    table[:, 0, CHANNELS.index("style")] = [0.1, 0.2, 0.6]
    table[:, 1, CHANNELS.index("style")] = [0.9, 0.3, 0.1]
    return Evidence(rows=np.array([0, 1]), table=table, loud=np.ones(3, np.bool_), marks=marks, lines=lines)


def test_a_passage_of_sound_is_where_its_landmarks_lie() -> None:
    """If this fails, a report points to the wrong second of the track or of the source."""
    found = matches(CATALOGUE, notes(60, 62), evidence(marks=(mark(tempo=2.0), mark())))
    sound = [match for match in found if match.aspect == "recording"]
    assert [match.source for match in sound] == ["rec-b", "rec-b"]
    assert sound[0].track_start == round(100 * FRAME, 2)
    assert sound[0].track_end == round(200 * FRAME, 2)
    assert sound[0].source_start == round((100 * 2 + 50) * FRAME, 2)
    assert sound[1].source_start == round(150 * FRAME, 2)


@pytest.mark.parametrize(("shift", "transposed"), [(0, 0), (5, 5), (-5, -5), (7, -5), (13, 1)])
def test_a_passage_of_a_tune_says_its_notes_and_its_key(shift: int, transposed: int) -> None:
    """If this fails, a report says another transposition, or other notes, than were aligned."""
    line = TuneAlignment(row=1, score=9, shift=shift, track=(1, 2, 3), source=(2, 3, 4), strength=1.0)
    (match,) = [
        match
        for match in matches(CATALOGUE, notes(60, 62, 64, 65, 67), evidence(lines=(line,)))
        if match.aspect == "composition"
    ]
    assert (match.source, match.track_start, match.track_end, match.source_start) == ("rec-b", 2.0, 7.5, 4.0)
    assert (match.transposed, match.evidence) == (transposed, "3 notes")


def test_style_is_shown_where_it_is_nearest() -> None:
    """If this fails, a report shows a listener a stretch that sounds like nobody."""
    style = matches(CATALOGUE, notes(60, 62), evidence())
    assert [(match.source, match.track_start, match.evidence) for match in style] == [
        ("rec-b", 0.0, "likeness 0.90"),
        ("rec-a", round(2 * 32 * FRAME, 2), "likeness 0.60"),
    ]
    assert style[1].track_end == round((2 * 32 + 128) * FRAME, 2)
    assert len(matches(CATALOGUE, notes(60, 62), evidence(), count=1)) == 1


def test_an_alignment_in_words_says_changes_of_key_and_tempo() -> None:
    """If this fails, a listener looks for a passage at its old speed or in its old key."""
    assert landmark_words(mark()) == "9 landmarks"
    assert landmark_words(mark(tempo=0.8)) == "9 landmarks, +25 % length"
    assert landmark_words(mark(shift=-6)) == "9 landmarks, +2.0 semitones"
    assert landmark_words(mark(tempo=1.25, shift=3)) == "9 landmarks, -20 % length, -1.0 semitones"


def test_a_share_is_by_recording_and_leaves_crumbs_out() -> None:
    """If this fails, a share goes to another recording than its evidence, or each of thousands gets a crumb."""
    method = Fingerprint(Calibration(odds={"style": Odds(slopes=(0.0, 0.0, 0.0, 20.0, 0.0, 0.0), bias=-9.0)}))
    method.fit(CATALOGUE)
    found = method.shares(evidence(), "style")
    assert set(found) == {"rec-a", "rec-b"}
    assert found["rec-b"] > found["rec-a"] > 1e-4
    doubtful = Fingerprint(Calibration(odds={"style": Odds(slopes=(0.0,) * 6, bias=-12.0)}))
    doubtful.fit(CATALOGUE)
    assert not doubtful.shares(evidence(), "style")


def test_a_recording_that_is_heard_carries_its_composition() -> None:
    """If this fails, a composition in a recording that sounds is paid less than the recording shows."""
    assert with_recordings({"a": 0.1}, {"a": 0.4}) == {"a": 0.4}
    assert with_recordings({"a": 0.6}, {"a": 0.4}) == {"a": 0.6}
    assert with_recordings({"b": 0.3}, {}) == {"b": 0.3}
    assert with_recordings({"b": 0.3, "c": 0.9}, {}) == {"b": 0.3, "c": 0.9}
    squeezed = with_recordings({"b": 0.6, "c": 0.2}, {"a": 0.6})
    assert squeezed == {"a": 0.6, "b": pytest.approx(0.3), "c": pytest.approx(0.1)}
    assert with_recordings({"b": 0.1}, {"a": 0.6}) == {"a": 0.6, "b": pytest.approx(0.1)}
    assert with_recordings({"b": 0.1}, {"a": 1.0}) == {"a": 1.0, "b": 0.0}
