"""What a laptop can do to a recording: filters, codecs, noise, rooms, speed, pitch and tempo."""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr
from scipy import signal

from attribution.hearing.audio import SAMPLE_RATE, Pcm

Rng = np.random.Generator
Operation = Callable[[Pcm, Rng], Pcm]
SEMITONES: Final = (-3, -2, -1, 1, 2, 3)
TEMPI: Final = (0.88, 0.92, 0.95, 1.05, 1.08, 1.12)
SPEEDS: Final = (0.88, 0.92, 0.97, 1.03, 1.08, 1.12)


def plain(values: Any) -> Pcm:
    return np.ascontiguousarray(values, dtype=np.float32)


def sox(pcm: Pcm, *effects: str) -> Pcm:
    """Through SoX (Debian: sox), which shifts pitch and tempo as audio editors do."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.wav", Path(folder) / "after.wav"
        soundfile.write(before, pcm, SAMPLE_RATE, subtype="FLOAT")
        subprocess.run(
            ["sox", "-D", before, "-e", "float", "-b", "32", after, *effects], check=True, capture_output=True
        )
        return plain(soundfile.read(after, dtype="float32")[0])


def filtered(pcm: Pcm, kind: str, hertz: float | tuple[float, float]) -> Pcm:
    sections = signal.butter(8, np.array(hertz) / (SAMPLE_RATE / 2), kind, output="sos")
    return plain(signal.sosfilt(sections, pcm))


def noisy(pcm: Pcm, rng: Rng, decibels: float = 12.0) -> Pcm:
    level = float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))) * 10 ** (-decibels / 20)
    return plain(pcm + level * rng.standard_normal(len(pcm)))


def room(pcm: Pcm, rng: Rng) -> Pcm:
    """Half a second of reverberation, about as loud as the direct sound."""
    length = SAMPLE_RATE // 2
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= 1 / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return plain(signal.fftconvolve(pcm, tail)[: len(pcm)])


def coded(pcm: Pcm, how: str) -> Pcm:
    """There and back through a codec: `mp3` at about 64 kbit/s, `opus` at libsndfile's usual rate."""
    body = io.BytesIO()
    if how == "mp3":
        soundfile.write(
            body,
            pcm,
            SAMPLE_RATE,
            format="MP3",
            subtype="MPEG_LAYER_III",
            bitrate_mode="CONSTANT",
            compression_level=0.6,
        )
        body.seek(0)
        return plain(soundfile.read(body, dtype="float32")[0])
    soundfile.write(body, soxr.resample(pcm, SAMPLE_RATE, 48_000), 48_000, format="OGG", subtype="OPUS")
    body.seek(0)
    return plain(soxr.resample(soundfile.read(body, dtype="float32")[0], 48_000, SAMPLE_RATE))


def faster(pcm: Pcm, factor: float) -> Pcm:
    """Played faster, pitch and all."""
    return plain(soxr.resample(pcm, SAMPLE_RATE * factor, SAMPLE_RATE))


def through(pcm: Pcm, rate: int) -> Pcm:
    """Through another sample rate."""
    return plain(soxr.resample(soxr.resample(pcm, SAMPLE_RATE, rate), rate, SAMPLE_RATE))


def everything(pcm: Pcm, rng: Rng) -> Pcm:
    """Band lost, room, noise, codec and level together."""
    return coded(noisy(room(filtered(pcm, "low", 5_000), rng), rng, 15.0), "mp3") * np.float32(0.5)


def _pitch(rng: Rng) -> tuple[str, str]:
    return "pitch", str(100 * int(rng.choice(SEMITONES)))


def _tempo(rng: Rng) -> tuple[str, str, str]:
    return "tempo", "-m", str(float(rng.choice(TEMPI)))


OPERATIONS: Final[dict[str, Operation]] = {
    "verbatim": lambda pcm, _: pcm,
    "low-pass 3 kHz": lambda pcm, _: filtered(pcm, "low", 3_000),
    "low-pass 5 kHz": lambda pcm, _: filtered(pcm, "low", 5_000),
    "low-pass 7 kHz": lambda pcm, _: filtered(pcm, "low", 7_000),
    "through 11,025 Hz": lambda pcm, _: through(pcm, 11_025),
    "high-pass 150 Hz": lambda pcm, _: filtered(pcm, "high", 150),
    "high-pass 300 Hz": lambda pcm, _: filtered(pcm, "high", 300),
    "telephone": lambda pcm, _: filtered(pcm, "band", (300, 3_400)),
    "pitch": lambda pcm, rng: sox(pcm, *_pitch(rng)),
    "tempo": lambda pcm, rng: sox(pcm, *_tempo(rng)),
    "pitch and tempo": lambda pcm, rng: sox(pcm, *_pitch(rng), *_tempo(rng)),
    "speed": lambda pcm, rng: faster(pcm, float(rng.choice(SPEEDS))),
    "noise 12 dB": noisy,
    "room": room,
    "all damages together": everything,
    "MP3 64k": lambda pcm, _: coded(pcm, "mp3"),
    "Opus": lambda pcm, _: coded(pcm, "opus"),
    "-3 dB": lambda pcm, _: pcm * np.float32(0.708),
}


def in_blocks(pcm: Pcm, rng: Rng, seconds: int = 4) -> Pcm:
    """Cut into blocks, in another order."""
    size = seconds * SAMPLE_RATE
    blocks = [pcm[start : start + size] for start in range(0, len(pcm) - size + 1, size)]
    return np.concatenate([blocks[place] for place in rng.permutation(len(blocks))])


COPIES: Final[dict[str, Operation]] = {
    "3 % faster": lambda pcm, _: faster(pcm, 1.03),
    "8 % faster": lambda pcm, _: faster(pcm, 1.08),
    "12 % faster": lambda pcm, _: faster(pcm, 1.12),
    "two semitones up": lambda pcm, _: sox(pcm, "pitch", "200"),
    "high-pass 900 Hz": lambda pcm, _: filtered(pcm, "high", 900),
    "low-pass 1.5 kHz": lambda pcm, _: filtered(pcm, "low", 1_500),
    "4 s looped": lambda pcm, _: np.tile(pcm[len(pcm) // 2 :][: 4 * SAMPLE_RATE], 8),
    "shuffled in blocks of 4 s": in_blocks,
}
