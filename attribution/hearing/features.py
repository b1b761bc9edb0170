"""The features of a clip, a score or a latent: all that methods use; the sound cannot be restored from them.

Features depend on the item and the shipped weights alone, never on a catalogue, so that they can be
computed once, kept by digest, and an index can grow by addition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np

from attribution.hearing import latents, melody, symbolic
from attribution.hearing.audio import Clip, decode, file_digest
from attribution.hearing.constellation import NONE as NO_STARS
from attribution.hearing.constellation import Constellation, constellation
from attribution.hearing.encoders.handmade import MAKERS, HandMade
from attribution.hearing.encoders.protocol import Encoder
from attribution.hearing.landmarks import Landmarks, landmarks
from attribution.hearing.latents import read_latents
from attribution.hearing.melody import MelodyLine
from attribution.hearing.precision import levels, power_of, rounded_rows
from attribution.hearing.spectra import BANDS, Floats, spectra
from attribution.weights.load import constants, digest
from ledger.errors import InputError
from ledger.proofs import canon

ENDS_EARLY: Final = "the file ends early: what it lacks could not be compared"
Form = Literal["audio", "notes", "latents"]
POOL: Final = 4
"""Mel frames in a block of `power`: 128 ms, long enough to forgive an excerpt that starts between frames."""
VERSION: Final = "6"

NO_MARKS: Final = Landmarks(hashes=np.zeros(0, np.int64), frames=np.zeros(0, np.int64))
NO_POWER: Final = np.zeros((0, BANDS), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """One item.

    `digest` is the SHA-256 of its file (see `digest_of` for one of many); `judged_sha256` that of its content.
    """

    form: Form
    digest: str
    judged_sha256: str
    seconds: float
    segments: Mapping[str, Floats] = field(default_factory=dict)
    power: Floats = field(default_factory=lambda: NO_POWER)
    marks: Landmarks = NO_MARKS
    stars: Constellation = NO_STARS
    line: MelodyLine = melody.EMPTY
    latents: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    remarks: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Return the number of segments."""
        return len(next(iter(self.segments.values()))) if self.segments else 0

    @property
    def unfit(self) -> str | None:
        """Return why a recording is not indexed, if its features do not match its file."""
        if self.form != "audio":
            return None
        if ENDS_EARLY in self.remarks:
            return "ends early; is it truncated?"
        if not self.count:
            return f"{self.seconds:.1f} s is shorter than one window of analysis (4.1 s)"
        return None if any(rows.any() for rows in self.segments.values()) else "holds nothing but silence"


@cache
def encoders() -> tuple[Encoder, ...]:
    """Return the shipped encoders, in the order of their channels."""
    from attribution.hearing.encoders.style import StyleEncoder

    return (*(HandMade(name=name, constants=constants(name)) for name in MAKERS), StyleEncoder())


@cache
def version() -> str:
    """Return the version of the features, which changes if the same item would give other features."""
    return f"{VERSION}-{digest()[:16]}"


def features_of_clip(clip: Clip) -> Features:
    """Compute the features of sound."""
    picture = spectra(clip.pcm)
    whole = len(picture.mel) // POOL * POOL
    power = picture.mel[:whole].reshape(-1, POOL, BANDS).mean(axis=1)
    return Features(
        form="audio",
        digest=clip.file_sha256,
        judged_sha256=clip.pcm_sha256,
        seconds=clip.seconds,
        segments={encoder.name: rounded_rows(encoder.encode(picture)) for encoder in encoders()},
        power=power_of(levels(power)),
        marks=landmarks(picture.bins),
        stars=constellation(picture.tones),
        line=melody.heard(picture.bins),
        remarks=_remarks(clip, picture.segments),
    )


def silent(clip: Clip) -> bool:
    """Return whether a clip is silent."""
    return not float(np.abs(clip.pcm).max(initial=0.0)) > 1e-4


def _remarks(clip: Clip, segments: int) -> tuple[str, ...]:
    remarks = []
    if segments == 0:
        remarks.append(
            f"{clip.seconds:.1f} s is shorter than one window of analysis (4.1 s): nothing can be attributed"
        )
    elif silent(clip):
        remarks.append("silence: nothing can be attributed")
    if clip.truncated:
        remarks.append(ENDS_EARLY)
    if clip.clipped_ppm > 10_000:
        remarks.append(f"{clip.clipped_ppm / 10_000:.1f} % of the samples are clipped: shares are less sure")
    if clip.source_rate < 16_000:
        remarks.append(f"sampled at {clip.source_rate} Hz: nothing above {clip.source_rate // 2} Hz could be compared")
    return tuple(remarks)


def features_of_line(line: MelodyLine, seconds: float, file_sha256: str) -> Features:
    """Compute the features of notes."""
    import hashlib

    body = line.onsets.tobytes() + line.lengths.tobytes() + line.pitches.tobytes()
    remarks = () if len(line) >= 5 else (f"{len(line)} notes: too few to tell whose tune it is",)
    return Features(
        form="notes",
        digest=file_sha256,
        judged_sha256=hashlib.sha256(body).hexdigest(),
        seconds=seconds,
        line=line,
        remarks=remarks,
    )


def read(path: Path, name: str = "", *, latents_of: Callable[[Path], Mapping[str, Floats]] = read_latents) -> Features:
    """Return the features of a file of any kind; InputError with the reason if it cannot be judged.

    `name` picks the item where a file holds many latents; without it such a file is refused. `latents_of` may
    remember the file between calls.
    """
    suffix = path.suffix.lower()
    if suffix in symbolic.SUFFIXES:
        line, seconds = symbolic.read_midi(path)
        return features_of_line(line, seconds, file_digest(path))
    if suffix in latents.SUFFIXES:
        array = latents_of(path)
        if len(array) == 1:
            return features_of_latents(next(iter(array.values())), file_digest(path))
        if name not in array:
            raise InputError(f"{path}: holds {len(array)} named latents, and none is named {name!r}")
        return features_of_latents(array[name], digest_of(file_digest(path), name))
    return features_of_clip(decode(path))


def digest_of(file_sha256: str, name: str) -> str:
    """Return the key of one of a file's many latents: a digest of file and name, known before the file is read."""
    return canon.digest(canon.encode({"file": file_sha256, "name": name}))


def features_of_latents(rows: Floats, file_sha256: str) -> Features:
    """Return the features of a latent, or of one latent per segment: rows of equal width."""
    import hashlib

    return Features(
        form="latents",
        digest=file_sha256,
        judged_sha256=hashlib.sha256(rows.tobytes()).hexdigest(),
        seconds=float(len(rows)),
        latents=rows,
    )
