"""Decode sound files to mono, 16 kHz, float32. Reads files.

What libsndfile reads (WAV, AIFF, FLAC, OGG with Vorbis or Opus, MP3) is mixed to mono in blocks and resampled as
it streams, so that memory follows the result and not the file. What cannot be judged is refused
with a reason; silence and very short clips are not refused, they end as wholly unattributed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt

from ledger.errors import InputError

SAMPLE_RATE: Final = 16_000
SECONDS_MAX: Final = 1_200
"""Twenty minutes: a longer recording is a programme, to be cut into its pieces first."""
_BLOCK: Final = 1 << 17
EXPECTED: Final = "WAV, AIFF, FLAC, OGG, Opus or MP3"
_OGG_PAGE_MOST, _OGG_LAST = 65_307, 4
_RIFF_UNKNOWN: Final = 0xFFFF_F000
"""A writer that does not know the length announces about the most that there can be."""
_RATE_RANGE: Final = (2_000, 768_000)

_MP3_MESSAGES: Final = (b"Note:", b"Warning:", b"[src/libmpg123", b"[libmpg123")
_standard_error = Lock()

Pcm = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Decoded sound, with the digests and rates for decoding it again and comparing."""

    pcm: Pcm
    file_sha256: str
    pcm_sha256: str
    source_rate: int
    channels: int
    clipped_ppm: int
    truncated: bool = False

    @property
    def seconds(self) -> float:
        return len(self.pcm) / SAMPLE_RATE


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; an InputError when it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem.strerror or problem})") from None


def decode(path: Path) -> Clip:
    """Decode the clip in a file; InputError for a file that is not sound, is damaged, or is too long."""
    import soundfile
    import soxr

    digest = file_digest(path)
    try:
        with _messages_named(path), soundfile.SoundFile(path) as stream:
            rate, channels = int(stream.samplerate), int(stream.channels)
            if not _RATE_RANGE[0] <= rate <= _RATE_RANGE[1]:
                raise InputError(f"{path}: sample rate {rate} Hz, expected {_RATE_RANGE[0]} to {_RATE_RANGE[1]}")
            if stream.frames / rate > SECONDS_MAX:
                raise _too_long(path, stream.frames / rate)
            resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
            parts: list[Pcm] = []
            read = clipped = 0
            promised = stream.frames
            while len(block := stream.read(_BLOCK, dtype="float32", always_2d=True)):
                read += len(block)
                clipped += int(np.count_nonzero(np.abs(block).max(axis=1) >= 0.999))
                parts.append(np.asarray(resampler.resample_chunk(_mono(path, block)), dtype=np.float32))
                if read / rate > SECONDS_MAX:
                    raise _too_long(path, read / rate)
            parts.append(
                np.asarray(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True), dtype=np.float32)
            )
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as problem:
        reason = _kind_of(path) or str(problem)
        raise InputError(f"{path}: not sound that can be decoded ({reason}); expected {EXPECTED}") from None
    if read == 0:
        raise InputError(f"{path}: contains no sound; is the file truncated?")
    pcm = np.concatenate(parts)
    return Clip(
        pcm=pcm,
        file_sha256=digest,
        pcm_sha256=hashlib.sha256(pcm.tobytes()).hexdigest(),
        source_rate=rate,
        channels=channels,
        clipped_ppm=1_000_000 * clipped // read,
        truncated=read < 0.98 * promised or _ends_early(path),
    )


@contextmanager
def _messages_named(path: Path) -> Iterator[None]:
    """Puts the file's name before what the MP3 decoder writes to standard error: it names no file itself, and no option
    of libsndfile keeps it quiet. What others write meanwhile comes out as it is, a little later.
    """
    with _standard_error, tempfile.TemporaryFile() as caught:
        try:
            usual = os.dup(2)
        except OSError:  # a process without standard error
            yield
            return
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(usual, 2)
            os.close(usual)
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                if line.strip():
                    os.write(2, (f"{path}: ".encode() if line.startswith(_MP3_MESSAGES) else b"") + line)


def _kind_of(path: Path) -> str:
    """Return the kind of an unsupported file from its first bytes; empty if unknown."""
    with path.open("rb") as stream:
        head = stream.read(64)
    if head[4:8] == b"ftyp":
        return "it is MPEG-4, as in .m4a and .mp4"
    if head and all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head):
        return "it holds text"
    return "" if head else "it is empty"


def _ends_early(path: Path) -> bool:
    """Return whether an Ogg stream lacks its last page, or a WAV file part of the sound that it announces."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(12)
        if head[:4] == b"OggS":
            stream.seek(max(0, size - 2 * _OGG_PAGE_MOST))
            tail = stream.read()
            page = tail.rfind(b"OggS")
            return page < 0 or len(tail) < page + 6 or not tail[page + 5] & _OGG_LAST
        if head[:4] == b"RIFF":
            announced = int.from_bytes(head[4:8], "little")
            return announced < _RIFF_UNKNOWN and announced + 8 > size
    return False


def clip_of(pcm: Pcm) -> Clip:
    """Return a clip of samples (mono, 16 kHz)."""
    digest = hashlib.sha256(pcm.tobytes()).hexdigest()
    return Clip(pcm=pcm, file_sha256=digest, pcm_sha256=digest, source_rate=SAMPLE_RATE, channels=1, clipped_ppm=0)


def _mono(path: Path, block: npt.NDArray[np.float32]) -> Pcm:
    if not np.isfinite(block).all():
        raise InputError(f"{path}: contains samples that are not numbers; export the file again")
    return np.ascontiguousarray(block.mean(axis=1, dtype=np.float32))


def _too_long(path: Path, seconds: float) -> InputError:
    return InputError(
        f"{path}: {seconds / 60:.0f} minutes long, at most {SECONDS_MAX // 60}; cut it into its pieces first"
    )
