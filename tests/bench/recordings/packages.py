"""Produced music that Debian ships, fetched when the benchmark runs and split by package: no score was tuned to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from attribution.hearing.audio import SAMPLE_RATE, Pcm
from attribution.hearing.constellation import constellation
from attribution.hearing.spectra import spectra
from attribution.index.alignments import coverage
from attribution.index.copies import PART, SURELY
from attribution.index.patterns import PatternIndex

SPLITS: Final[dict[str, tuple[str, ...]]] = {
    "fit": ("hedgewars-data", "flare-game", "extremetuxracer-data", "planetblupi-music-ogg"),
    "choose": ("supertux-data", "frozen-bubble-data"),
    "score": (
        "wesnoth-1.16-music",
        "hyperrogue-music",
        "unknown-horizons",
        "fillets-ng-data",
        "fretsonfire-songs-sectoid",
    ),
}
LEAST_BYTES: Final = 300_000
"""Smaller files are jingles."""
NOT_MUSIC: Final = ("/sounds/", "/soundfx/", "/sound/", "/speech/", "wind_ambient")
GUITAR: Final = "guitar.ogg"
HEARD: Final = 150
"""Seconds of each track that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducedTrack:
    """A track of a package: its id says the package, which is its style group."""

    id: str
    path: Path

    @property
    def style(self) -> str:
        return self.id.split("/")[0]


def tracks_of(split: str, folder: Path) -> list[ProducedTrack]:
    """The split's music, fetched and unpacked under `folder` unless it is there."""
    listed = []
    for package in SPLITS[split]:
        unpacked = _unpacked(package, folder)
        for path in sorted(unpacked.rglob("*.ogg")):
            small = path.stat().st_size < LEAST_BYTES
            if small or path.name == GUITAR or any(word in str(path).lower() for word in NOT_MUSIC):
                continue
            name = path.parent.name if path.name == "song.ogg" else path.stem
            listed.append(ProducedTrack(id=f"{package}/{name}", path=path))
    return listed


def _unpacked(package: str, folder: Path) -> Path:
    place = folder / package
    if not place.is_dir():
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise SystemExit("the recordings come as Debian packages: needs apt-get and dpkg-deb")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True, capture_output=True)
        archive = next(folder.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, f"{place}.part"], check=True)
        Path(f"{place}.part").rename(place)
        archive.unlink()
    return place


def sound(track: ProducedTrack, *, with_guitar: bool = True) -> Pcm:
    """The first minutes of a track, mono at 16 kHz; a song in stems is mixed from them."""
    pcm = _decoded(track.path)
    guitar = track.path.with_name(GUITAR)
    if with_guitar and track.path.name == "song.ogg":
        other = _decoded(guitar)
        pcm = pcm[: len(other)] + other[: len(pcm)]
    return pcm


def guitar_of(track: ProducedTrack) -> Pcm:
    return _decoded(track.path.with_name(GUITAR))


def _decoded(path: Path) -> Pcm:
    import soundfile
    import soxr

    with soundfile.SoundFile(path) as stream:
        mono = stream.read(HEARD * stream.samplerate, dtype="float32", always_2d=True).mean(axis=1)
        return np.asarray(soxr.resample(mono, stream.samplerate, SAMPLE_RATE), dtype=np.float32)


def distinct(tracks: Sequence[ProducedTrack], sounds: Sequence[Pcm]) -> tuple[list[int], list[tuple[str, str]]]:
    """The places of the tracks that no earlier one holds, and the pairs that are one piece under two names."""
    stars = [constellation(spectra(pcm[: 60 * SAMPLE_RATE]).tones) for pcm in sounds]
    index = PatternIndex(stars)
    dropped: set[int] = set()
    pairs = []
    for place, marks in enumerate(stars):
        for line in index.align(marks, most=12):
            earlier = line.row < place and line.row not in dropped and line.strength >= SURELY
            if earlier and coverage(line, marks, stars[line.row]) >= PART:
                dropped.add(place)
                pairs.append((tracks[line.row].id, tracks[place].id))
    return [place for place in range(len(tracks)) if place not in dropped], pairs
