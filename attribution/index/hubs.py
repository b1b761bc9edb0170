"""Find hubs: recordings that are similar to much of the catalogue, such as medleys and compilations.

A recording that is similar to much of a catalogue is a candidate for every track, without contributing more to any. A
recording's crowd is the share of other recordings that have it among their nearest; a hub's crowd is several times the
catalogue's median. Hubs are reported, never excluded: a long programme may be honest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from attribution.hearing.spectra import Floats
from attribution.index.nearest import Nearest

TIMES: Final = 3.0
"""From this many medians on a recording is a hub; docs/benchmarks.md has the measured error rates."""
NEAREST: Final = 8
"""Recordings that count as nearest to one."""
_DEEP: Final = 24


def hubs(tables: Mapping[str, Floats]) -> dict[str, float]:
    """Return the hubs among recordings with these segments (unit rows of one width), each with its crowd."""
    crowded = crowds(tables)
    usual = float(np.median(list(crowded.values()))) if crowded else 0.0
    return {name: crowd for name, crowd in crowded.items() if crowd >= TIMES * usual > 0}


def crowds(tables: Mapping[str, Floats]) -> dict[str, float]:
    """Return for each recording the share of other recordings that have it among their nearest."""
    names = [name for name, rows in tables.items() if len(rows)]
    if len(names) < 2:
        return dict.fromkeys(names, 0.0)
    index = Nearest(np.concatenate([tables[name] for name in names]))
    owners = np.repeat(np.arange(len(names)), [len(tables[name]) for name in names])
    met = np.zeros(len(names), np.int64)
    for row, name in enumerate(names):
        _, places = index.search(tables[name], _DEEP)
        met[_nearest(owners[places].ravel().tolist(), row)] += 1
    return {name: float(count) / (len(names) - 1) for name, count in zip(names, met, strict=True)}


def _nearest(met: Sequence[int], mine: int) -> list[int]:
    """Return the recordings that are nearest most often, without the recording itself; ties by row."""
    votes = np.bincount([row for row in met if row != mine], minlength=1)
    best = np.lexsort((np.arange(len(votes)), -votes))[:NEAREST]
    return [int(row) for row in best if votes[row]]
