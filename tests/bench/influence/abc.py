"""Reads the first notes of tunes in ABC notation: as much of it as the tune books of music21 use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

SHARPS = "FCGDAEB"
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MAJOR = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F#": 6, "F": -1, "Bb": -2, "Eb": -3, "Ab": -4, "Db": -5}
MODES = {"": 0, "maj": 0, "ion": 0, "m": -3, "min": -3, "aeo": -3, "mix": -1, "dor": -2, "phr": -4, "lyd": 1}
NOTE = re.compile(r"(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)(\d*)(/*)(\d*)")
REST = re.compile(r"[zx](\d*)(/*)(\d*)")


@dataclass(frozen=True, slots=True)
class Tune:
    """A tune's number, title, rhythm and metre, and its notes: MIDI pitch and length in quarters."""

    number: int
    title: str
    rhythm: str
    metre: str
    notes: tuple[tuple[int, Fraction], ...]


def tunes(text: str) -> Iterator[Tune]:
    """Every tune of a book that has a key and notes."""
    for part in re.split(r"\n(?=X:)", "\n" + text):
        number = re.search(r"^X:\s*(\d+)", part, re.M)
        key = re.search(r"^K:\s*([A-G][#b]?)\s*([a-zA-Z]*)(.*)$", part, re.M)
        if number is None or key is None:
            continue

        def field(letter: str, part: str = part) -> str:
            line = re.search(rf"^{letter}:\s*(.*)$", part, re.M)
            return line[1].strip() if line else ""

        metre = field("M")
        numbers = re.match(r"(\d+)/(\d+)", metre)
        small = numbers is not None and Fraction(int(numbers[1]), int(numbers[2])) < Fraction(3, 4)
        unit = re.match(r"(\d+)/(\d+)", field("L"))
        length = Fraction(int(unit[1]), int(unit[2])) if unit else Fraction(1, 16 if small else 8)
        body = "\n".join(line for line in part[key.end() :].splitlines() if not re.match(r"[A-Za-z]:|%", line))
        notes = tuple(read_notes(body, signature(key[1], key[2]), length * 4))
        yield Tune(int(number[1]), field("T"), field("R").lower(), metre, notes)


def signature(tonic: str, mode: str) -> dict[str, int]:
    """The sharps and flats of a key, by letter."""
    count = MAJOR.get(tonic, 0) + MODES.get(mode.lower()[:3] if mode.lower() != "m" else "m", 0)
    if count >= 0:
        return dict.fromkeys(SHARPS[: min(count, 7)], 1)
    return dict.fromkeys(SHARPS[max(count, -7) :], -1)


def read_notes(body: str, signs: dict[str, int], unit: Fraction) -> list[tuple[int, Fraction]]:
    """Pitches and lengths, without grace notes, chord symbols and decorations; a chord is its first note."""
    body = re.sub(r'"[^"]*"|\{[^}]*\}|![^!]*!|%.*', "", body)
    body = re.sub(r"\[([A-Z]):[^\]]*\]", "", body)
    notes: list[tuple[int, Fraction]] = []
    bar: dict[str, int] = {}
    tuplet, scale, longer, at = 0, Fraction(1), Fraction(1), 0
    while at < len(body):
        if body[at] == "|":
            bar = {}
        triple = re.compile(r"\((\d)").match(body, at)
        if triple:
            tuplet, scale = int(triple[1]), {2: Fraction(3, 2), 3: Fraction(2, 3)}.get(int(triple[1]), Fraction(1))
            at = triple.end()
            continue
        if body[at] in "<>" and notes:
            first, longer = (Fraction(3, 2), Fraction(1, 2)) if body[at] == ">" else (Fraction(1, 2), Fraction(3, 2))
            notes[-1] = (notes[-1][0], notes[-1][1] * first)
        rest, note = REST.match(body, at), NOTE.match(body, at)
        if note:
            sign, letter, octaves, *size = note.groups()
            name = letter.upper() + octaves + ("'" if letter.islower() else "")
            if sign:
                bar[name] = {"^^": 2, "^": 1, "__": -2, "_": -1, "=": 0}[sign]
            pitch = 60 + STEPS[letter.upper()] + bar.get(name, signs.get(letter.upper(), 0))
            pitch += 12 * (letter.islower() + octaves.count("'") - octaves.count(","))
            notes.append((pitch, unit * fraction(*size) * longer * (scale if tuplet else 1)))
            tuplet, longer = max(tuplet - 1, 0), Fraction(1)
        elif rest:
            tuplet, longer = max(tuplet - 1, 0), Fraction(1)
        at = note.end() if note else rest.end() if rest else at + 1
        if (
            body[at - 1 : at]
            and note
            and (chord := re.compile(r"[^\[\]|]*\]").match(body, at))
            and "[" in body[:at][-12:]
        ):
            at = chord.end()
    return notes


def fraction(number: str, slashes: str, below: str) -> Fraction:
    """A length as ABC writes it: 3/2, /, //, 2."""
    under = int(below) if below else 2 ** len(slashes)
    return Fraction(int(number or 1), max(under, 1))
