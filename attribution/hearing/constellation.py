"""Constellations: the peaks of a spectrum by octaves, which survive filters, other keys and other tempi.

On an axis of frequency by octaves a change of pitch moves every peak by as much, and a change of tempo stretches the
distances between them: what a recording is recognised by is the pattern, wherever it lies and however fast it runs
(`attribution.index.patterns`). Each peak stands out from its own neighbourhood, so that a filter moves none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from attribution.hearing.spectra import MEL_SECONDS, STEPS, Floats, one_thread

PEAKS_PER_SECOND: Final = 24
_AROUND: Final = 36
"""Steps, an octave: what the level of a peak is measured against."""
_STANDS_OUT: Final = 0.7
"""How far a peak is above that, in natural logarithms of power."""
_APART: Final = (9, 11)
"""Frames and steps in which there is one peak at most."""
_FLOOR: Final = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Constellation:
    """Peaks in order of time: the frame of each, and its place in frequency in steps (thirds of a semitone)."""

    frames: npt.NDArray[np.int32]
    steps: Floats

    def __len__(self) -> int:
        return len(self.frames)


NONE: Final = Constellation(frames=np.zeros(0, np.int32), steps=np.zeros(0, np.float32))


def constellation(tones: Floats) -> Constellation:
    """Return the loudest peaks of a spectrum by steps (`Spectra.tones`); none in silence."""
    import torch

    if len(tones) < 3 or float(tones.max()) < 1e-8:
        return NONE
    with one_thread(), torch.inference_mode():
        level = torch.log(torch.from_numpy(np.ascontiguousarray(tones)) + _FLOOR)
        around = torch.nn.functional.avg_pool2d(
            level[None, None], (1, _AROUND + 1), 1, (0, _AROUND // 2), count_include_pad=False
        )
        above = level - around[0, 0]
        padding = (_APART[0] // 2, _APART[1] // 2)
        highest = torch.nn.functional.max_pool2d(above[None, None], _APART, 1, padding)[0, 0]
        audible = level > float(np.log(_FLOOR)) + 1.5
        peak = ((above == highest) & (above > _STANDS_OUT) & audible).numpy()
        height = above.numpy()
    frame, step = np.nonzero(peak)
    keep = int(PEAKS_PER_SECOND * len(tones) * MEL_SECONDS) + 1
    if len(frame) > keep:
        loudest = np.sort(np.lexsort((step, frame, -height[frame, step]))[:keep])
        frame, step = frame[loudest], step[loudest]
    return Constellation(frames=frame.astype(np.int32), steps=_between_steps(height, frame, step))


def _between_steps(height: Floats, frame: npt.NDArray[np.int64], step: npt.NDArray[np.int64]) -> Floats:
    """Where between the steps each peak lies: the top of a parabola through it and its neighbours."""
    inner = np.clip(step, 1, STEPS - 2)
    below, top, above = (height[frame, inner + k].astype(np.float64) for k in (-1, 0, 1))
    curve = np.minimum(below - 2 * top + above, -1e-6)
    part = np.where(inner == step, np.clip(0.5 * (below - above) / curve, -0.5, 0.5), 0.0)
    # Rounded, so that results do not depend on the last bit of a float.
    return np.round(step + part, 2).astype(np.float32)
