"""The evidence about an item in a catalogue, by segment and candidate, before it is weighed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attribution.hearing.spectra import Floats
from attribution.index import alignments, tunes


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`table[t, j, c]`: what channel c says about candidate `rows[j]` in segment t."""

    rows: npt.NDArray[np.int64]
    table: Floats
    loud: npt.NDArray[np.bool_]
    marks: tuple[alignments.LandmarkAlignment, ...]
    lines: tuple[tunes.TuneAlignment, ...]
