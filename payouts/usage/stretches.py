"""Count a period's events in a party's ranges of a log, from columns of the log's segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from payouts.terms import Terms
from payouts.usage.grain import Grain
from payouts.usage.segments import SegmentSelection, plan

Stretch = tuple[int, int, str]
"""Entries from the first up to the second of a log belong to this party."""


def counted_by_party(
    selection: SegmentSelection, stretches: Sequence[Stretch], terms: Terms
) -> Iterator[tuple[str, str, str, int]]:
    """(party, track, source, events of it that the pool takes); the stretches in the log's order, none over another.

    The caller must have checked the digests of the files.
    """
    parties = sorted({party for _, _, party in stretches})
    starts, stops = (np.array([stretch[end] for stretch in stretches], np.int64) for end in (0, 1))
    belongs_to = np.array([parties.index(party) for _, _, party in stretches], np.int64)
    bindings = selection.bindings.num_rows
    counts = np.zeros(len(parties) * bindings, np.int64)
    for scan, paths in plan([selection], Grain(), []).items():
        for path in paths:
            rows = _covered(path, terms)
            index, binding = (rows.column(name).combine_chunks().to_numpy() for name in ("index", "binding"))
            stretch = np.searchsorted(starts, index, side="right") - 1
            inside = (stretch >= 0) & (index < stops[stretch])
            if scan.low is not None:
                inside &= index >= scan.low
            if scan.high is not None:
                inside &= index < scan.high
            counts += np.bincount(belongs_to[stretch[inside]] * bindings + binding[inside], minlength=len(counts))
    filled = np.flatnonzero(counts)
    tracks, sources = (
        selection.bindings.column(name).take(pa.array(filled % bindings)).to_pylist() for name in ("track", "source")
    )
    names = [parties[number] for number in (filled // bindings).tolist()]
    yield from zip(names, tracks, sources, counts[filled].tolist(), strict=True)


def _covered(path: str, terms: Terms) -> pa.Table:
    """Index and binding of a file's events that the pool shares out over."""
    accepted = {"source": terms.sources, "product": terms.products, "territory": terms.territories}
    conditions = [pc.field(name).isin(list(values)) for name, values in accepted.items() if values]
    every = conditions[0] if conditions else None
    for condition in conditions[1:]:
        every = every & condition
    return pq.read_table(path, columns=["index", "binding"], filters=every, partitioning=None)
