"""Segments of any size, made without a log: Zipf-distributed streams of June over 200,000 tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ledger.segments import files
from ledger.segments.manifest import File, SegmentManifest
from ledger.segments.schema import EVENTS
from ledger.segments.seal import SPAN
from ledger.types import Period
from payouts.usage.grain import Membership
from payouts.usage.segments import SegmentSelection

TRACKS = 200_000
DAYS = 30
SOURCES = ["acme", "bolt", "crux"]
TERRITORIES = ["US", "DE", "SE", "GB", "FR", "NO", "DK", "FI", "ES", "IT"]


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: manifests of the files under `folder`, and what each binding stands for."""

    folder: Path
    manifests: list[SegmentManifest]
    bindings: pa.Table

    def source(self) -> SegmentSelection:
        end = self.manifests[-1].stop
        member = Membership(size=end, end=Period(2026, 6).end)
        return SegmentSelection(
            origin="bench", base=str(self.folder), manifests=self.manifests, membership=member, bindings=self.bindings
        )


def make(folder: Path, count: int, *, seed: int = 1) -> Made:
    """`count` events in segments as sealing writes them: in order of time, a segment's rows by day and binding."""
    random = np.random.default_rng(seed)
    ranks = 1 / np.arange(1, TRACKS + 1) ** 1.05
    steps = np.cumsum(ranks) / ranks.sum()
    tracks = pa.array([f"trk-{n:06d}" for n in range(TRACKS)])
    vectors = pa.array([sha256(b"%d" % n).hexdigest() for n in range(TRACKS)])
    manifests = []
    for start in range(0, count, SPAN):
        rows = min(SPAN, count - start)
        track = np.searchsorted(steps, random.random(rows)).astype(np.int32)
        source = random.integers(0, len(SOURCES), rows)
        binding = (track * len(SOURCES) + source).astype(np.int32)
        index = np.arange(start, start + rows)
        seconds = index * (DAYS * 86_400) // count + np.datetime64("2026-06-01", "s").astype(np.int64)
        order = np.lexsort((binding, seconds // 86_400))
        days = (seconds // 86_400)[order]
        columns: dict[str, Any] = {
            "index": pa.array(index[order]),
            "binding": pa.array(binding[order]),
            "source": _of(source[order], SOURCES),
            "event_id": pa.array(index[order]).cast(pa.string()),
            "track": _taken(track[order], tracks),
            "vector": _taken(track[order], vectors),
            "occurred_at": pa.array(seconds[order] * 1000).cast(pa.timestamp("ms", "UTC")),
            "territory": _of(np.minimum(random.geometric(0.35, rows) - 1, 9), TERRITORIES),
            "product": _of(random.integers(0, 2, rows), ["premium", "free"]),
            "units": pa.array(np.ones(rows, np.int64)),
            "gross_micros": pa.array(random.integers(2_000, 6_000, rows)),
            "currency": _of(np.zeros(rows, np.int64), ["EUR"]),
            "listener": pa.nulls(rows, pa.string()),
        }
        table = pa.table([columns[name] for name in EVENTS.names], names=EVENTS.names)
        manifests.append(_written(folder, start, start + rows, table, days))
    each = pa.array(np.repeat(np.arange(TRACKS, dtype=np.int32), len(SOURCES)))
    codes = pa.array(np.tile(np.arange(len(SOURCES), dtype=np.int32), TRACKS))
    triples = {
        "source": pa.DictionaryArray.from_arrays(codes, pa.array(SOURCES)),
        "track": pa.DictionaryArray.from_arrays(each, tracks),
        "vector": pa.DictionaryArray.from_arrays(each, vectors),
    }
    return Made(folder, manifests, pa.table(triples))


def _of(codes: Any, values: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(values))


def _taken(codes: Any, values: pa.Array) -> pa.Array:
    """Only the values in use, as a dictionary of the columns at hand."""
    used, place = np.unique(codes, return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(place.astype(np.int32)), values.take(pa.array(used)))


def _written(folder: Path, start: int, stop: int, table: pa.Table, days: Any) -> SegmentManifest:
    made: list[File] = []
    edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for first, last in pairwise(edges):
        day = str(days[first].astype("datetime64[D]"))
        path = files.place("events", start, stop, day)
        rows = table.slice(first, last - first)
        files.write(folder / path, rows)
        made.append(files.described(folder, "events", path, rows, day))
    return SegmentManifest(
        origin="bench", start=start, stop=stop, leaves="0" * 64, events=stop - start, writer="bench", files=tuple(made)
    )
