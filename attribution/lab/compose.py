"""Invented music as notes: progressions, melodies, bass lines and drum patterns, from a seed.

The benchmark's catalogue and its generated tracks are composed here, so that what was borrowed from
whom is known exactly. Time is in beats; pitches are MIDI numbers; a drum's "pitch" is its slot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.melody import MelodyLine
from attribution.hearing.symbolic import Note, join

Rng = np.random.Generator

LEAD: Final = 0
CHORD: Final = 1
BASS: Final = 2
DRUM: Final = 3
KICK, SNARE, HAT = 0, 1, 2

MODES: Final = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 9, 10),
    (0, 2, 4, 5, 7, 9, 10),
    (0, 2, 3, 5, 7, 8, 11),
)
"""Major, natural minor, dorian, mixolydian, harmonic minor: semitones above the key note."""

NOTE: Final = np.dtype([("beat", "f8"), ("length", "f8"), ("pitch", "i4"), ("level", "f8"), ("voice", "i4")])
Notes = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tune:
    """A melody against its key: scale-free pitches, so that it can be moved to any key or harmony."""

    beats: npt.NDArray[np.float64]
    lengths: npt.NDArray[np.float64]
    pitches: npt.NDArray[np.int64]
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progression:
    """Chords that repeat: root above the key, quality as semitones above the root, beats each."""

    roots: tuple[int, ...]
    qualities: tuple[tuple[int, ...], ...]
    beats_each: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Groove:
    """A bar of drums in sixteenths, and how bass and chords move with it."""

    drums: npt.NDArray[np.float64]  # (3 slots, 16 steps), strength 0..1
    bass_steps: tuple[int, ...]
    chord_steps: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Everything a piece's notes are made of; each part can come from another piece."""

    key: int
    tune: Tune
    progression: Progression
    groove: Groove
    tempo: float


def notes_of(*rows: tuple[float, float, int, float, int]) -> Notes:
    return np.array(list(rows), dtype=NOTE)


def line_of_notes(notes: Notes) -> MelodyLine:
    """Lead, chords and bass as voices, the way a MIDI file is read; times as the notes have them."""
    voices: list[list[Note]] = []
    for voice in (LEAD, CHORD, BASS):
        voice_notes = notes[notes["voice"] == voice]
        voices.append([(float(note["beat"]), float(note["length"]), int(note["pitch"])) for note in voice_notes])
    return join(voices)


def compose_tune(rng: Rng, mode: tuple[int, ...], *, density: float, beats: float = 96.0) -> Tune:
    """A melody of motifs that come back varied: enough shape to be recognised, and no two alike."""
    motifs = [_motif(rng, density) for _ in range(int(rng.integers(4, 7)))]
    starts: list[float] = []
    lengths: list[float] = []
    degrees: list[int] = []
    now, degree = 0.0, int(rng.integers(0, 7))
    while now < beats:
        rhythm, steps = motifs[int(rng.integers(len(motifs)))]
        for length, step in zip(rhythm, steps, strict=True):
            varied = step if rng.random() > 0.12 else int(rng.integers(-2, 3))
            degree = int(np.clip(degree + varied, -5, 12))
            starts.append(now)
            lengths.append(length)
            degrees.append(degree)
            now += length
    pitches = [12 * (degree // 7) + mode[degree % 7] for degree in degrees]
    return Tune(beats=np.array(starts), lengths=np.array(lengths), pitches=np.array(pitches, dtype=np.int64), total=now)


def _motif(rng: Rng, density: float) -> tuple[list[float], list[int]]:
    """Four beats of rhythm with a step for each note."""
    rhythm: list[float] = []
    left = 4.0
    while left > 1e-9:
        choices = [value for value in (0.5, 1.0, 1.5, 2.0) if value <= left + 1e-9]
        odds = np.array([density ** (2 * value) for value in choices])
        rhythm.append(float(rng.choice(choices, p=odds / odds.sum())))
        left -= rhythm[-1]
    steps = [
        int(rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], p=[0.05, 0.08, 0.15, 0.22, 0.22, 0.15, 0.08, 0.05]))
        for _ in rhythm
    ]
    return rhythm, steps


def compose_progression(rng: Rng, mode: tuple[int, ...], *, sevenths: float) -> Progression:
    """Four to eight chords on degrees of the mode, now and then one from outside it."""
    count = int(rng.choice([4, 4, 6, 8]))
    roots: list[int] = []
    qualities: list[tuple[int, ...]] = []
    degree = 0
    for _ in range(count):
        root = mode[degree]
        third = (mode[(degree + 2) % 7] - root) % 12
        fifth = (mode[(degree + 4) % 7] - root) % 12
        seventh = (mode[(degree + 6) % 7] - root) % 12
        if rng.random() < 0.12:
            root, third, fifth = (root + int(rng.choice([-1, 1]))) % 12, 4, 7
        roots.append(root)
        qualities.append((0, third, fifth, seventh) if rng.random() < sevenths else (0, third, fifth))
        degree = int((degree + rng.choice([1, 2, 3, 4, 5, 6], p=[0.1, 0.1, 0.3, 0.3, 0.1, 0.1])) % 7)
    return Progression(roots=tuple(roots), qualities=tuple(qualities), beats_each=float(rng.choice([2.0, 4.0, 4.0])))


def compose_groove(rng: Rng) -> Groove:
    """A drum bar with a few strong and many weak steps, and comping to go with it."""
    drums = np.zeros((3, 16))
    drums[KICK, [0, *rng.choice(np.arange(2, 16, 2), size=int(rng.integers(1, 4)), replace=False)]] = 1.0
    drums[SNARE, rng.choice([4, 12, 6, 10, 14], size=int(rng.integers(1, 4)), replace=False)] = 0.9
    drums[HAT, :: int(rng.choice([1, 2, 2, 4]))] = 0.6
    drums[HAT, rng.choice(16, size=3, replace=False)] = 0.9
    bass = (
        0,
        *sorted(int(step) for step in rng.choice(np.arange(2, 16, 2), size=int(rng.integers(1, 5)), replace=False)),
    )
    chord = tuple(
        sorted(int(step) for step in rng.choice(np.arange(0, 16, 2), size=int(rng.integers(1, 5)), replace=False))
    )
    return Groove(drums=drums, bass_steps=bass, chord_steps=chord)


def vary_groove(rng: Rng, groove: Groove, flips: int) -> Groove:
    """The same groove as another band would play it: a few steps moved."""
    drums = groove.drums.copy()
    for _ in range(flips):
        slot, step = int(rng.integers(3)), int(rng.integers(16))
        drums[slot, step] = 0.0 if drums[slot, step] else float(rng.uniform(0.5, 1.0))
    return replace(groove, drums=drums)


def play(score: Score, seconds: float, *, start_beat: float = 0.0) -> Notes:
    """All notes of a score that begin in the first `seconds`, from `start_beat` on; beats count from there."""
    span = seconds * score.tempo / 60.0
    parts = (
        _play_tune(score, start_beat, span),
        _play_harmony(score, start_beat, span),
        _play_drums(score, start_beat, span),
    )
    notes = np.concatenate(parts)
    notes["beat"] -= start_beat
    sounding: Notes = notes[(notes["beat"] >= 0) & (notes["beat"] < span)]
    sounding["length"] = np.minimum(sounding["length"], span - sounding["beat"])
    return sounding


def _play_tune(score: Score, start: float, span: float) -> Notes:
    tune = score.tune
    rounds = range(int(start // tune.total), int((start + span) // tune.total) + 1)
    chunks = []
    for turn in rounds:
        chunk = np.zeros(len(tune.beats), dtype=NOTE)
        chunk["beat"] = tune.beats + turn * tune.total
        chunk["length"] = tune.lengths * 0.92
        chunk["pitch"] = 67 + _centre(score.key) + tune.pitches
        chunk["level"] = 1.0
        chunk["voice"] = LEAD
        chunks.append(chunk)
    return np.concatenate(chunks)


def _play_harmony(score: Score, start: float, span: float) -> Notes:
    progression, groove = score.progression, score.groove
    rows: list[tuple[float, float, int, float, int]] = []
    first = int(start // 4)
    for bar in range(first, int((start + span) // 4) + 1):
        for steps, voice in ((groove.bass_steps, BASS), (groove.chord_steps, CHORD)):
            ends = (*steps[1:], 16)
            for step, end in zip(steps, ends, strict=True):
                beat = bar * 4 + step / 4
                chord = int(beat // progression.beats_each) % len(progression.roots)
                root = progression.roots[chord]
                if voice == BASS:
                    rows.append((beat, (end - step) / 4 * 0.9, 36 + (score.key + root) % 12, 1.0, BASS))
                else:
                    rows.extend(
                        (beat, (end - step) / 4 * 0.95, 52 + (score.key + root + tone - 4) % 12, 0.8, CHORD)
                        for tone in progression.qualities[chord]
                    )
    return notes_of(*rows)


def _play_drums(score: Score, start: float, span: float) -> Notes:
    slots, steps = np.nonzero(score.groove.drums)
    strengths = score.groove.drums[slots, steps]
    first, last = int(start // 4), int((start + span) // 4) + 1
    chunks = []
    for bar in range(first, last):
        chunk = np.zeros(len(slots), dtype=NOTE)
        chunk["beat"], chunk["length"], chunk["pitch"] = bar * 4 + steps / 4, 0.25, slots
        chunk["level"], chunk["voice"] = strengths, DRUM
        chunks.append(chunk)
    return np.concatenate(chunks)


def _centre(key: int) -> int:
    """A key as -6..5, so that melodies stay in one register."""
    return (key + 6) % 12 - 6
