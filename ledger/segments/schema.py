"""The columns of the three kinds of segment files."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from ledger.types import Digest

EVENTS: Final = pa.schema(
    [
        pa.field("index", pa.int64(), nullable=False),
        pa.field("binding", pa.int32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("track", pa.string(), nullable=False),
        pa.field("vector", pa.string()),
        pa.field("occurred_at", pa.timestamp("ms", "UTC"), nullable=False),
        pa.field("territory", pa.string(), nullable=False),
        pa.field("product", pa.string()),
        pa.field("units", pa.int64(), nullable=False),
        pa.field("gross_micros", pa.int64()),
        pa.field("currency", pa.string()),
        pa.field("listener", pa.string()),
    ]
)
"""An events file. `index` is the leaf's place in the log; `binding` numbers (source, track, vector)."""

LEAVES: Final = pa.schema(
    [
        pa.field("index", pa.int64(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("leaf", pa.binary(), nullable=False),
    ]
)
"""A leaves file: what is not an event, as it is."""

REPETITIVE: Final = ("source", "track", "vector", "territory", "product", "units", "currency")
"""Columns worth a dictionary; the others hardly ever repeat a value."""

Binding = tuple[str, str, Digest | None]
"""Source, track, vector."""

KEY: Final = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("track", pa.string(), nullable=False),
        pa.field("vector", pa.string()),
    ]
)
BINDINGS: Final = pa.schema([pa.field("binding", pa.int32(), nullable=False), *KEY])
"""A bindings file: the triples that first appear in its segment."""
