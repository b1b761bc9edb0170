"""Round features to what the index stores of them: a byte a number.

Tracks are rounded as recordings are, so that a track is judged by the numbers that an evidence bundle holds.
Rounding what is rounded changes nothing: codes can be made again from the numbers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.spectra import Floats

MOST: Final = 127
LEAST: Final = 1e-2
"""A row of no larger number is stored as silence: the scale of half precision would be too rough for it."""
STEPS_PER_DOUBLING: Final = 12
"""Of an amplitude: half a decibel a step, 127 decibels in all."""
_ONE: Final = 192
"""The code of the amplitude 1; code 0 is silence."""

Codes = npt.NDArray[np.int8]
Scales = npt.NDArray[np.float16]
Levels = npt.NDArray[np.uint8]
# Half precision hides the last bit of exp2, which differs between machines.
_AMPLITUDES: Final = np.exp2((np.arange(256) - _ONE) / STEPS_PER_DOUBLING).astype(np.float16).astype(np.float32)
_POWERS: Final = np.square(np.concatenate([np.zeros(1, np.float32), _AMPLITUDES[1:]]))


def row_codes(rows: Floats) -> tuple[Codes, Scales]:
    """Each row in 255 equal steps between its largest number and the negative of it, and the step."""
    largest = np.abs(rows).max(axis=1, initial=0.0)
    scales = np.where(largest > LEAST, largest / MOST, 0.0).astype(np.float16)
    steps = scales.astype(np.float32)[:, None]
    codes = np.rint(np.divide(rows, steps, out=np.zeros(rows.shape, np.float32), where=steps > 0))
    return np.clip(codes, -MOST, MOST).astype(np.int8), scales


def rows_of(codes: Codes, scales: Scales) -> Floats:
    return codes.astype(np.float32) * scales.astype(np.float32)[:, None]


def rounded_rows(rows: Floats) -> Floats:
    return rows_of(*row_codes(rows))


def levels(power: Floats) -> Levels:
    """Amplitudes in steps of half a decibel."""
    amplitude = np.sqrt(power.astype(np.float64))
    code = np.rint(STEPS_PER_DOUBLING * np.log2(np.maximum(amplitude, 1e-12))) + _ONE
    return np.where(code < 1, 0, np.minimum(code, 255)).astype(np.uint8)


def power_of(codes: Levels) -> Floats:
    return np.asarray(_POWERS[codes], dtype=np.float32)
