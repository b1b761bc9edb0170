"""Run a pretrained encoder from an ONNX file on this machine: sound in, one latent for each window out.

The model takes samples (one axis; or with a batch axis, or batch and channel, before it) and gives numbers whose last
axis is the latent; over a window's other axes it is averaged. Nothing is downloaded, and an ONNX file runs no code but
its operators.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from attribution.hearing.audio import SAMPLE_RATE, Pcm
from attribution.hearing.spectra import Floats
from ledger.errors import InputError

AXES_MOST: Final = 3


class PretrainedEncoder:
    """A model file, the sample rate that it was trained with, and the seconds of one window."""

    def __init__(self, path: Path, *, rate: int, seconds: float) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # One thread: sums in another order would give other bytes.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except OSError as problem:
            raise InputError(f"{path}: cannot be read ({problem.strerror or problem})") from None
        except Exception as problem:  # noqa: BLE001  onnxruntime's errors share no class of their own
            raise InputError(f"{path}: not an ONNX model that can be run ({_first_line(problem)})") from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not 1 <= len(inputs[0].shape) <= AXES_MOST:
            shapes = "; ".join(f"{each.name}: {each.type} {each.shape}" for each in inputs)
            raise InputError(f"{path}: takes {shapes}, expected one input of samples (float32, one to three axes)")
        self.path, self.rate, self.samples = path, rate, round(rate * seconds)
        self._input = inputs[0]

    def encode(self, pcm: Pcm) -> Floats:
        """One latent for each whole window of a clip (mono, 16 kHz); none of a clip that is shorter."""
        import soxr

        sound = np.asarray(soxr.resample(pcm, SAMPLE_RATE, self.rate), dtype=np.float32)
        windows = sound[: len(sound) // self.samples * self.samples].reshape(-1, self.samples)
        latents = [self._latent(window) for window in windows]
        return np.stack(latents) if latents else np.zeros((0, 0), np.float32)

    def _latent(self, window: Floats) -> Floats:
        shaped = window.reshape((1,) * (len(self._input.shape) - 1) + (-1,))
        try:
            answer = np.asarray(self._session.run(None, {self._input.name: shaped})[0], dtype=np.float32)
        except Exception as problem:  # noqa: BLE001  as above
            raise InputError(f"{self.path}: fails on {self.samples} samples ({_first_line(problem)})") from None
        if answer.ndim == 0 or not np.isfinite(answer).all():
            raise InputError(f"{self.path}: gives shape {answer.shape}, or values that are not finite numbers")
        return np.asarray(answer.reshape(-1, answer.shape[-1]).mean(axis=0), dtype=np.float32)


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0]
