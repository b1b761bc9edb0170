"""A split's recordings, half of each package indexed, and the queries that are made of them, row by row."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from attribution.hearing.audio import SAMPLE_RATE, Pcm, clip_of
from attribution.hearing.features import Features, features_of_clip
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.methods.chance import chance_in
from tests.bench.recordings import peer
from tests.bench.recordings.operations import OPERATIONS, Operation, Rng, plain
from tests.bench.recordings.packages import ProducedTrack, distinct, guitar_of, sound, tracks_of

INDEXED: Final = slice(10 * SAMPLE_RATE, 70 * SAMPLE_RATE)
"""What the catalogue holds of each recording: a minute."""
EXCERPT, WHOLE = 12, 30
LATER: Final = 85 * SAMPLE_RATE
AWAY: Final = ("fillets-ng-data", "frozen-bubble-data", "planetblupi-music-ogg")
"""Packages of whose people nothing is in the catalogue."""
STRANGERS: Final = "strangers"


class Recordings:
    """A split's catalogue and strangers."""

    def __init__(self, split: str, folder: Path) -> None:
        tracks = tracks_of(split, folder)
        sounds = [sound(track) for track in tracks]
        places, self.duplicates = distinct(tracks, sounds)
        self.sounds = {tracks[place].id: sounds[place] for place in places}
        self.tracks = {tracks[place].id: tracks[place] for place in places}
        long = [name for name in self.sounds if len(self.sounds[name]) >= INDEXED.stop]
        # Every second track of a package, and all songs that come in stems.
        self.inside = [
            name
            for number, name in enumerate(long)
            if (number % 2 == 0 or in_stems(self.tracks[name])) and not name.startswith(AWAY)
        ]
        outside = (name for name in self.sounds if name not in set(self.inside))
        self.outside = [name for name in outside if len(self.sounds[name]) > 20 * SAMPLE_RATE]
        entries = [
            CatalogueEntry(id=name, style=self.tracks[name].style, features=heard(self.sounds[name][INDEXED]))
            for name in self.inside
        ]
        self.catalogue = Catalogue(entries)
        chance_in(self.catalogue)
        self.styles = {self.tracks[name].style for name in self.inside}
        self.words = {name: peer.fingerprint(self.sounds[name][INDEXED]) for name in self.inside if peer.there()}

    @property
    def stems(self) -> list[ProducedTrack]:
        return [self.tracks[name] for name in self.inside if in_stems(self.tracks[name])]


def in_stems(track: ProducedTrack) -> bool:
    return track.path.name == "song.ogg"


def heard(pcm: Pcm) -> Features:
    return features_of_clip(clip_of(plain(pcm)))


def level(pcm: Pcm) -> Pcm:
    return plain(pcm * (0.1 / (float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))) + 1e-9)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A track with its true shares of recordings, or of compositions alone; `own`: a stranger's style group."""

    pcm: Pcm
    truth: Mapping[str, float] = field(default_factory=dict)
    aspect: str = "recording"
    own: str | None = None


RowMaker = Callable[[Recordings, int, Rng], Query | None]
"""The query of a row with this number; None where the collection has no more."""


def random_of(row: str, number: int) -> Rng:
    """The randomness of one query: whichever were made before, it is the same."""
    return np.random.default_rng((19, zlib.crc32(row.encode()), number))


def part_of(collection: Recordings, name: str, seconds: int, rng: Rng) -> Pcm:
    """Some seconds of what is indexed of a recording."""
    begin = INDEXED.start + int(rng.integers(INDEXED.stop - INDEXED.start - seconds * SAMPLE_RATE))
    return level(collection.sounds[name][begin : begin + seconds * SAMPLE_RATE])


def excerpt(operation: Operation, collection: Recordings, number: int, rng: Rng) -> Query:
    """Twelve seconds of a recording, then eighteen of a stranger's, damaged as a whole."""
    name = collection.inside[int(rng.integers(len(collection.inside)))]
    other = collection.sounds[collection.outside[int(rng.integers(len(collection.outside)))]]
    size = (WHOLE - EXCERPT) * SAMPLE_RATE
    begin = int(rng.integers(max(1, len(other) - size)))
    pcm = np.concatenate([part_of(collection, name, EXCERPT, rng), level(other[begin : begin + size])])
    return Query(pcm=plain(operation(pcm, rng)), truth={name: EXCERPT * SAMPLE_RATE / len(pcm)})


def overlay(voices: int, collection: Recordings, number: int, rng: Rng) -> Query:
    """Recordings, equally loud, at once."""
    names = [collection.inside[int(k)] for k in rng.choice(len(collection.inside), size=voices, replace=False)]
    mixed = np.sum([part_of(collection, name, WHOLE, rng) for name in names], axis=0)
    return Query(pcm=plain(mixed), truth=dict.fromkeys(names, 1 / voices))


def another_minute(collection: Recordings, number: int, rng: Rng) -> Query | None:
    """A part of an indexed track that is not indexed."""
    turns = [
        (name, begin)
        for begin in (LATER, LATER + WHOLE * SAMPLE_RATE)
        for name in collection.inside
        if len(collection.sounds[name]) >= begin + WHOLE * SAMPLE_RATE
    ]
    if number >= len(turns):
        return None
    name, begin = turns[number]
    pcm = collection.sounds[name][begin : begin + WHOLE * SAMPLE_RATE]
    return Query(pcm=pcm, truth={name: 1.0}, aspect="composition")


def stem(guitar: bool, collection: Recordings, number: int, rng: Rng) -> Query | None:
    """One stem of a song of which the mix is indexed, each half of the minute."""
    stems = collection.stems
    if number >= 2 * len(stems):
        return None
    track, half = stems[number % len(stems)], number // len(stems)
    pcm = (guitar_of(track) if guitar else sound(track, with_guitar=False))[INDEXED]
    pcm = pcm[half * WHOLE * SAMPLE_RATE :][: WHOLE * SAMPLE_RATE]
    silent = not len(pcm) or float(np.abs(pcm).max()) <= 1e-3
    return Query(pcm=pcm, truth={} if silent else {track.id: 1.0})


def stranger(collection: Recordings, number: int, rng: Rng) -> Query | None:
    """Half a minute of a track of which nothing is indexed; then, of long tracks, another."""
    turn, place = divmod(number, len(collection.outside))
    name = collection.outside[place]
    pcm, begin = collection.sounds[name], turn * 45 * SAMPLE_RATE
    if turn > 1:
        return None
    begin = min(begin, max(0, len(pcm) - WHOLE * SAMPLE_RATE))
    return Query(pcm=pcm[begin : begin + WHOLE * SAMPLE_RATE], own=collection.tracks[name].style)


ROWS: Final[dict[str, RowMaker]] = {
    **{name: partial(excerpt, operation) for name, operation in OPERATIONS.items()},
    "overlay of 2": partial(overlay, 2),
    "overlay of 3": partial(overlay, 3),
    STRANGERS: stranger,
    "another minute": another_minute,
    "guitar alone": partial(stem, True),
    "backing alone": partial(stem, False),
}
