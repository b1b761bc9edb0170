"""Name the position of a record in the log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """A record's position in the log: its index and its leaf hash."""

    index: int
    hash: bytes
