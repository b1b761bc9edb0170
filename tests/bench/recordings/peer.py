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
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout)["fingerprint"], dtype=np.uint32)


def distance(one: Words, other: Words) -> float:
    """The smallest part of bits that differ over a stretch of both, at any offset."""
    if min(len(one), len(other)) < STRETCH:
        return 1.0
    bits = np.bitwise_count(one[:, None] ^ other[None, :]).astype(np.float32) / 32
    best = 1.0
    for offset in range(STRETCH - len(one), len(other) - STRETCH + 1):
        diagonal = np.cumsum(np.concatenate(([0.0], np.diagonal(bits, offset))))
        if len(diagonal) > STRETCH:
            best = min(best, float((diagonal[STRETCH:] - diagonal[:-STRETCH]).min()) / STRETCH)
    return best


def named(track: Words, catalogue: dict[str, Words]) -> dict[str, float]:
    """The recordings that the fingerprints name, nearest first, as shares."""
    near = {name: distance(track, words) for name, words in catalogue.items()}
    return {name: 1 - value for name, value in sorted(near.items(), key=lambda pair: pair[1]) if value <= SAME}
