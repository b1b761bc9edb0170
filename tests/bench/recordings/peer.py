"""A public fingerprinter beside ours: Chromaprint (Debian: libchromaprint-tools), by the bits that differ."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from attribution.hearing.audio import SAMPLE_RATE, Pcm

Words = npt.NDArray[np.uint32]
STRETCH: Final = 64
"""Words compared at once: about eight seconds."""
SAME: Final = 0.28
"""The part of bits that differ at most in the same recording."""


def there() -> bool:
    return shutil.which("fpcalc") is not None


def fingerprint(pcm: Pcm) -> Words:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16")
        words = ["fpcalc", "-raw", "-json", "-length", "600", str(path)]
        # Some versions answer and then end with an error, because the file has an end.
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(f"fpcalc gives no fingerprint: {done.stderr.strip()}")
    return np.array(json.loads(done.stdout)["fingerprint"], dtype=np.uint32)


def distance(track: Words, source: Words) -> float:
    """The smallest part of bits that differ over a stretch of both, at any offset."""
    short, long = sorted((track, source), key=len)
    if len(short) < STRETCH:
        return 1.0
    # Row k: the bits that differ where the longer begins k - len(short) words later; outside it all differ.
    around = np.full(len(short), 32, np.uint8)
    bits = np.bitwise_count(short[:, None] ^ long[None, :]).astype(np.uint8)
    wide = np.concatenate([np.tile(around, (len(short), 1)), bits, np.tile(around, (len(short), 1))], axis=1)
    offsets, step = len(short) + len(long), wide.strides[1]
    lines = np.lib.stride_tricks.as_strided(wide, (len(short), offsets), (wide.strides[0] + step, step))
    sums = np.cumsum(lines, axis=0, dtype=np.int32)
    stretches = sums[STRETCH - 1 :].copy()
    stretches[1:] -= sums[:-STRETCH]
    return float(stretches.min()) / (32 * STRETCH)


def named(track: Words, catalogue: dict[str, Words]) -> dict[str, float]:
    """The recordings that the fingerprints name, nearest first, as shares."""
    near = {name: distance(track, words) for name, words in catalogue.items()}
    return {name: 1 - value for name, value in sorted(near.items(), key=lambda pair: pair[1]) if value <= SAME}
