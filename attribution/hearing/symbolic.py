"""Read MIDI files into lines of notes.

Every channel but the drums is a voice; where a voice holds chords its highest note counts. The
voices follow one another in one line, with a break between them, so that a tune is found whichever
instrument plays it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from attribution.hearing.melody import BREAK, EMPTY, MelodyLine, line_of
from ledger.errors import InputError

DRUM_CHANNEL: Final = 9
VOICES_MAX: Final = 8
NOTES_MAX: Final = 100_000
SUFFIXES: Final = frozenset({".mid", ".midi"})

Note = tuple[float, float, int]


def read_midi(path: Path) -> tuple[MelodyLine, float]:
    """The line of a MIDI file and its length in seconds; InputError for what is not MIDI."""
    import mido

    voices: dict[tuple[int, int], list[Note]] = {}
    sounding: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {}
    try:
        song = mido.MidiFile(path)
        now = 0.0
        program = [0] * 16
        for message in song:
            now += message.time
            if message.type == "program_change":
                program[message.channel] = message.program
            if message.type not in ("note_on", "note_off") or message.channel == DRUM_CHANNEL:
                continue
            _note(message, now, (message.channel, program[message.channel]), voices, sounding)
            if sum(map(len, voices.values())) > NOTES_MAX:
                raise InputError(f"{path}: more than {NOTES_MAX} notes; cut it into its pieces first")
    except InputError:
        raise
    except Exception as problem:  # noqa: BLE001  the reader raises whatever a damaged file makes it trip over
        reason = str(problem) or "it ends too early"
        raise InputError(f"{path}: not a MIDI file that can be read ({reason})") from None
    return join(list(voices.values())), now


def _note(
    message: Any,
    now: float,
    voice: tuple[int, int],
    voices: dict[tuple[int, int], list[Note]],
    sounding: dict[tuple[int, int], tuple[float, tuple[int, int]]],
) -> None:
    channel_note = (message.channel, message.note)
    if channel_note in sounding:
        since, owner = sounding.pop(channel_note)
        voices.setdefault(owner, []).append((since, now - since, message.note))
    if message.type == "note_on" and message.velocity > 0:
        sounding[channel_note] = (now, voice)


def join(voices: list[list[Note]]) -> MelodyLine:
    """The voices as one line: the busiest first, breaks between, chords as their highest note."""
    ranked = sorted((sorted(voice) for voice in voices if voice), key=lambda voice: (-len(voice), voice[0]))
    onsets: list[float] = []
    lengths: list[float] = []
    pitches: list[int] = []
    for voice in ranked[:VOICES_MAX]:
        if pitches:
            onsets.append(onsets[-1])
            lengths.append(0.0)
            pitches.append(BREAK)
        for onset, length, pitch in _skyline(voice):
            onsets.append(onset)
            lengths.append(length)
            pitches.append(pitch)
    return line_of(np.array(onsets), np.array(lengths), np.array(pitches)) if pitches else EMPTY


def _skyline(voice: list[Note]) -> list[Note]:
    """Of notes struck together the highest."""
    melody: list[Note] = []
    for note in voice:
        if melody and abs(note[0] - melody[-1][0]) < 0.03:
            if note[2] > melody[-1][2]:
                melody[-1] = note
        else:
            melody.append(note)
    return melody
