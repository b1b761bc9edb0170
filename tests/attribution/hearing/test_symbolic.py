"""Tunes as notes: moved to another key, tempo and instrument they are still the same tune."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from attribution.hearing.features import read
from attribution.hearing.melody import BREAK, MelodyLine, line_of
from attribution.hearing.symbolic import join, read_midi
from attribution.index.catalogue import Catalogue
from attribution.index.tunes import TuneIndex
from attribution.judge import judge
from attribution.lab import synth
from attribution.methods.byname import method
from tests.bench.tunes_as_notes import notes_catalogue


def write_midi(path: Path, notes: list[tuple[float, float, int]], *, channel: int = 0, tempo: float = 1.0) -> Path:
    song = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    song.tracks.append(track)
    events = [(start * tempo, 1, pitch) for start, _, pitch in notes]
    events += [((start + length) * tempo, 0, pitch) for start, length, pitch in notes]
    now = 0
    for seconds, on, pitch in sorted(events, key=lambda event: (event[0], event[1])):
        tick = round(seconds * 960)
        track.append(mido.Message("note_on", note=pitch, velocity=80 * on, channel=channel, time=tick - now))
        now = tick
    song.save(path)
    return path


@pytest.fixture(scope="module")
def tunes(world: synth.World) -> Catalogue:
    return notes_catalogue(world)


def lead(world: synth.World, number: int) -> list[tuple[float, float, int]]:
    notes = synth.notes_in_seconds(world.pieces[number].score, 20.0)
    return [(float(one["beat"]), float(one["length"]), int(one["pitch"])) for one in notes[notes["voice"] == 0]]


@pytest.mark.parametrize(("shift", "tempo"), [(0, 1.0), (5, 1.25), (-7, 0.8)])
def test_a_moved_tune_is_found(world: synth.World, tunes: Catalogue, tmp_path: Path, shift: int, tempo: float) -> None:
    """If this fails, transposing or stretching a riff hides whose it is."""
    notes = [(start, length, pitch + shift) for start, length, pitch in lead(world, 3)]
    path = write_midi(tmp_path / "riff.mid", notes, channel=4, tempo=tempo)
    chosen = method("hybrid")
    chosen.fit(tunes)
    composition = judge(chosen, tunes, read(path), track="riff")[0].composition
    best = max(composition.sources, key=lambda source: source.ppm)
    assert best.id == world.pieces[3].id
    assert best.ppm > 700_000


def test_drums_and_chords_are_not_tunes(tmp_path: Path) -> None:
    """If this fails, a drum track has a melody, or a chord counts as three notes in a row."""
    drums = write_midi(tmp_path / "d.mid", [(0.5 * k, 0.2, 36) for k in range(20)], channel=9)
    assert len(read_midi(drums)[0]) == 0
    chords = [(1.0 * k, 0.9, pitch) for k in range(6) for pitch in (60 + k, 64 + k, 67 + k)]
    assert read_midi(write_midi(tmp_path / "c.mid", chords))[0].pitches.tolist() == [67, 68, 69, 70, 71, 72]


def test_voices_are_kept_apart() -> None:
    """If this fails, the end of one voice and the start of the next look like one tune."""
    line = join([[(0.0, 1.0, 60), (1.0, 1.0, 62)], [(0.0, 1.0, 40), (1.0, 1.0, 43), (2.0, 1.0, 45)]])
    assert line.pitches.tolist() == [40, 43, 45, BREAK, 60, 62]


def test_random_lines_are_nobodys(world: synth.World, tunes: Catalogue) -> None:
    """If this fails, any tune is somebody's."""
    from attribution.hearing.features import features_of_line

    rng = np.random.default_rng(0)
    line = line_of(np.arange(40) * 0.4, np.full(40, 0.4), rng.integers(55, 80, size=40))
    chosen = method("hybrid")
    chosen.fit(tunes)
    found = judge(chosen, tunes, features_of_line(line, 16.0, "a" * 64), track="t")[0]
    assert found.composition.unattributed == 1_000_000


def test_an_alignment_says_where() -> None:
    """If this fails, the report points at the wrong seconds."""
    rng = np.random.default_rng(4)
    source = line_of(np.arange(60), np.ones(60), rng.integers(50, 80, size=60))
    middle = MelodyLine(
        onsets=source.onsets[20:40] - 20,
        lengths=source.lengths[20:40],
        pitches=(source.pitches[20:40] + 3).astype(np.int16),
    )
    best = TuneIndex([source, line_of(np.arange(60), np.ones(60), rng.integers(50, 80, size=60))]).align(middle)[0]
    assert (best.row, best.shift) == (0, 3)
    assert best.source[0] - best.track[0] == 20
