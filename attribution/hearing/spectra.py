"""The spectra of a clip that all encoders use, computed once.

Mel power every 32 ms (48 bands) for timbre and rhythm, semitone power every 64 ms (72 semitones from
C2) for pitch; and power by thirds of a semitone every 32 ms, from which constellations are read. Computed in
torch on one thread, so that the same clip gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.audio import SAMPLE_RATE, Pcm

if TYPE_CHECKING:
    import torch

BANDS: Final = 48
SEMITONES: Final = 72
LOWEST: Final = 36
STEPS_PER_OCTAVE: Final = 36
STEP_LOWEST: Final = 180.0
STEPS: Final = 178
"""Thirds of a semitone from 180 to 5,440 Hz: what most filters, telephones and small loudspeakers let through."""
MEL_HOP: Final = 512
SEMITONE_HOP: Final = 1024
MEL_SECONDS: Final = MEL_HOP / SAMPLE_RATE
WINDOW: Final = 128
"""Mel frames in a segment: 4.1 s; it moves by HOP frames, 1.0 s."""
HOP: Final = 32
HOP_SECONDS: Final = HOP * MEL_SECONDS
WINDOW_SECONDS: Final = WINDOW * MEL_SECONDS

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectra:
    """Power by time and frequency; `bins` is the linear spectrum that landmarks are read from."""

    seconds: float
    mel: Floats  # (frames, 48)
    semitones: Floats  # (frames at half the rate, 72)
    bins: Floats  # (frames, 513)
    tones: Floats  # (frames, 178), thirds of a semitone

    @property
    def segments(self) -> int:
        """Return the number of whole windows; a clip shorter than one has none."""
        return max(0, (len(self.mel) - WINDOW) // HOP + 1)

    @property
    def loud(self) -> npt.NDArray[np.bool_]:
        """Return which segments contain sound: silence is no evidence."""
        return np.array(
            [self.mel[s * HOP : s * HOP + WINDOW].mean() > 1e-9 for s in range(self.segments)], dtype=np.bool_
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch and FAISS on one thread, so that results do not depend on the number of cores."""
    import faiss
    import torch

    torch_threads, faiss_before = torch.get_num_threads(), faiss.omp_get_max_threads()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(torch_threads)
        faiss.omp_set_num_threads(faiss_before)


def spectra(pcm: Pcm) -> Spectra:
    """Compute all spectra of a clip of any length."""
    import torch

    with one_thread(), torch.inference_mode():
        wave = torch.from_numpy(np.ascontiguousarray(pcm, dtype=np.float32))
        short = _power(wave, 1024, MEL_HOP)
        long = _power(wave, 4096, MEL_HOP)
        mel_bank, semitone_bank, step_bank = (torch.from_numpy(bank) for bank in _banks())
        return Spectra(
            seconds=len(pcm) / SAMPLE_RATE,
            mel=(short @ mel_bank.T).numpy(),
            semitones=(long[:: SEMITONE_HOP // MEL_HOP] @ semitone_bank.T).numpy(),
            bins=short.numpy(),
            tones=(long @ step_bank.T).numpy(),
        )


def _power(wave: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    import torch

    padded = torch.nn.functional.pad(wave, (size // 2, size // 2))
    spectrum = torch.stft(padded, size, hop, window=torch.hann_window(size), center=False, return_complex=True)
    return (spectrum.abs() ** 2).T.contiguous() / size


@cache
def _banks() -> tuple[Floats, Floats, Floats]:
    """Triangular mel bands over the short spectrum, Gaussian semitones and thirds of them over the long one."""
    edges = _band_edges()
    hertz = np.fft.rfftfreq(1024, 1 / SAMPLE_RATE)
    rise = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    mel = np.maximum(0, np.minimum(rise, fall))
    mel[mel.sum(axis=1) == 0, 1] = 1.0
    fine = np.fft.rfftfreq(4096, 1 / SAMPLE_RATE)
    with np.errstate(divide="ignore"):
        pitch = 69 + 12 * np.log2(fine / 440.0)
    centres = LOWEST + np.arange(SEMITONES)
    semitone = np.exp(-0.5 * ((pitch[None, :] - centres[:, None]) / 0.35) ** 2)
    # A low semitone is narrower than a bin: it takes the nearest one.
    thin = semitone.sum(axis=1) < 0.5
    nearest = np.abs(pitch[None, :] - centres[:, None]).argmin(axis=1)
    semitone[np.nonzero(thin)[0], nearest[thin]] = 1.0
    octaves = np.arange(STEPS) / STEPS_PER_OCTAVE
    step_hertz = STEP_LOWEST * 2**octaves
    width = 0.6 * np.maximum(step_hertz * (2 ** (1 / STEPS_PER_OCTAVE) - 1), fine[1])
    step = np.exp(-0.5 * ((fine[None, :] - step_hertz[:, None]) / width[:, None]) ** 2)
    step /= step.sum(axis=1, keepdims=True)
    return mel.astype(np.float32), semitone.astype(np.float32), step.astype(np.float32)


def band_centres() -> npt.NDArray[np.float64]:
    """The frequency in the middle of each mel band."""
    return _band_edges()[1:-1]


def _band_edges() -> npt.NDArray[np.float64]:
    return _hertz(np.linspace(_mel(40.0), _mel(7_600.0), BANDS + 2))


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(700 * (10 ** (mel / 2595) - 1), dtype=np.float64)


def windows(frames: Floats, size: int, hop: int, count: int) -> Floats:
    """`count` overlapping windows of `size` rows each, `hop` rows apart."""
    if count <= 0:
        return np.zeros((0, size, frames.shape[1]), dtype=np.float32)
    view = np.lib.stride_tricks.sliding_window_view(frames, size, axis=0)[::hop][:count]
    return np.ascontiguousarray(view.transpose(0, 2, 1))


def unit(rows: Floats) -> Floats:
    """Scale rows to length one; a zero row stays zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)
