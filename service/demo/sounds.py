"""The demo's music: invented recordings as WAV files to listen to, and tracks made from them by known weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from attribution.lab import synth
from attribution.lab.render import SAMPLE_RATE, Pcm

SEED: Final = 2026
PIECES: Final = 32
STYLES: Final = 8
KINDS: Final[tuple[synth.Kind, ...]] = (
    "verbatim",
    "verbatim",
    "verbatim",
    "overlay",
    "overlay",
    "style",
    "style",
    "free",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One generated track: its file, how it was made, and what each source truly is of it, in ppm."""

    track: str
    kind: str
    file: Path
    recordings: dict[str, int]
    styles: dict[str, int]

    @property
    def main(self) -> str | None:
        """The source with the largest true part; nobody's for a track without sources."""
        return max(self.recordings, key=lambda name: self.recordings[name], default=None)


def catalogue(folder: Path) -> dict[str, str]:
    """Write every recording as `<id>.wav`; each one's style by id."""
    world = _world()
    folder.mkdir(parents=True, exist_ok=True)
    for piece in world.pieces:
        _write(folder / f"{_recording(piece.id)}.wav", synth.perform(piece))
    return {_recording(piece.id): _style(piece.style) for piece in world.pieces}


def tracks(folder: Path) -> list[Planted]:
    """Write every generated track as `<id>.wav`, with the truth about it."""
    world = _world()
    folder.mkdir(parents=True, exist_ok=True)
    planted = []
    for number, kind in enumerate(KINDS, start=1):
        track = synth.make_track(world, kind, number)
        name = f"trk-{number:02d}"
        _write(folder / f"{name}.wav", track.pcm)
        planted.append(
            Planted(
                track=name,
                kind=kind,
                file=folder / f"{name}.wav",
                recordings={
                    _recording(source): round(part * 1_000_000) for source, part in track.truth.recording.items()
                },
                styles={
                    f"style:{_style(style)}": round(part * 1_000_000) for style, part in track.truth.groups.items()
                },
            )
        )
    return planted


def _world() -> synth.World:
    return synth.make_world(SEED, pieces=PIECES, styles=STYLES)


def _recording(piece: str) -> str:
    return f"rec-{piece[-3:]}"


def _style(style: str) -> str:
    return f"band-{style[-2:]}"


def _write(path: Path, pcm: Pcm) -> None:
    import soundfile

    soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16")
