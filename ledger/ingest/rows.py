"""Decoded events with file and line: the output of every reader."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import msgspec

from ledger.event import StreamEvent


@dataclass(frozen=True, slots=True)
class RowRefusal:
    """A rejected row: its file and line, its content, and the reason."""

    line: int
    raw: bytes
    reason: str


@dataclass(slots=True)
class Rows:
    """Events of a file in order. `line` and `raw` return the line number and the bytes of the i-th event."""

    events: list[StreamEvent]
    line: Callable[[int], int]
    raw: Callable[[int], bytes]
    refused: list[RowRefusal] = field(default_factory=list)
    position: int = 0


class Joined:
    """Several callers' rows in one list of events; each row can be traced back to its part."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self.events = parts[0].events if len(parts) == 1 else [event for part in parts for event in part.events]
        self.starts = [0, *accumulate(len(part.events) for part in parts)]
        """Where each part begins, and after the last one where it ends."""

    def part(self, i: int) -> int:
        """Return the number of the part that holds the i-th event."""
        return bisect_right(self.starts, i) - 1

    def line(self, i: int) -> int:
        part = self.part(i)
        return self._parts[part].line(i - self.starts[part])

    def raw(self, i: int) -> bytes:
        part = self.part(i)
        return self._parts[part].raw(i - self.starts[part])


def consecutive(events: list[StreamEvent], first: int, position: int, raws: Callable[[], list[bytes]]) -> Rows:
    """Return rows on consecutive lines; their bytes are read only if one is refused."""
    lines: list[bytes] = []

    def raw(i: int) -> bytes:
        if not lines:
            lines.extend(raws())
        return lines[i]

    return Rows(events, lambda i: first + i, raw, position=position)


@dataclass(slots=True)
class Collector:
    """Collects rows that are read one by one, where the fast decoder cannot be used."""

    position: int
    events: list[StreamEvent] = field(default_factory=list)
    places: list[tuple[int, bytes]] = field(default_factory=list)
    refused: list[RowRefusal] = field(default_factory=list)

    def take(self, line: int, raw: bytes, event: StreamEvent) -> None:
        self.events.append(event)
        self.places.append((line, raw))

    def refuse(self, line: int, raw: bytes, reason: object) -> None:
        self.refused.append(RowRefusal(line, raw, str(reason)))

    def rows(self) -> Rows:
        places = self.places
        return Rows(self.events, lambda i: places[i][0], lambda i: places[i][1], self.refused, self.position)


def as_line(record: Any) -> bytes:
    """Return a record of another format as a JSON line, the form in which quarantine stores and replays it."""
    return msgspec.json.encode(record, enc_hook=str)
