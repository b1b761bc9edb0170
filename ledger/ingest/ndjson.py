"""Read NDJSON: decode a block of lines in one call; only a block with a bad line is decoded line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec

from ledger.errors import InputError
from ledger.event import StreamEvent
from ledger.ingest.blocks import LineBlock, TooLong, read_blocks
from ledger.ingest.checks import explain
from ledger.ingest.naming import Naming
from ledger.ingest.rows import Collector, Rows, as_line, consecutive

_DECODER: Final = msgspec.json.Decoder(StreamEvent)
_ENCODER: Final = msgspec.json.Encoder()


def read(file: BinaryIO, name: str, naming: Naming | None = None) -> Iterator[Rows]:
    """Yield the events of an NDJSON file, block by block."""
    for block in read_blocks(file, name):
        yield too_long(block) if isinstance(block, TooLong) else decode(block, naming)


def too_long(line: TooLong) -> Rows:
    """Return the refusal of a line that is too long."""
    rows = Collector(position=0)
    rows.refuse(line.line, line.head, f"the line is {line.length:,} bytes long; only its beginning is kept")
    return rows.rows()


def decode(block: LineBlock, naming: Naming | None = None) -> Rows:
    """Decode the events of a block of lines; unknown fields are refused unless `naming` allows them."""
    data = block.data
    try:
        events = _DECODER.decode_lines(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _one_by_one(block, naming or Naming(strict=True))
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if len(events) != lines or _may_repeat_keys(data, events):
        return _one_by_one(block, naming or Naming(strict=True))
    return consecutive(events, block.first, block.position, lambda: data.split(b"\n"))


def _may_repeat_keys(data: bytes, events: list[StreamEvent]) -> bool:
    """Return False only if no object in these lines has a key twice; the decoder would keep the last one.

    Without escapes in the input, every colon is either a key's separator or inside a value, and all decoded values are
    encoded again. So each dropped key shows as one colon too many.
    """
    return b"\\" in data or data.count(b":") != _ENCODER.encode_lines(events).count(b":")


def _one_by_one(block: LineBlock, naming: Naming) -> Rows:
    rows = Collector(position=block.position)
    for offset, line in enumerate(block.data.split(b"\n")):
        if line.strip():
            try:
                if (event := _quick(line)) is not None:
                    rows.take(block.first + offset, line, event)
                    continue
                document = naming.record(parse_json(line))
                # Quarantine stores renamed fields under their event names, because it does not store the mapping.
                raw = as_line(document) if naming.renamed else line
                rows.take(block.first + offset, raw, explain(document))
            except InputError as problem:
                rows.refuse(block.first + offset, line, problem)
    return rows.rows()


def _quick(line: bytes) -> StreamEvent | None:
    """Return the event of a line without errors; None sends the line to the full parser."""
    try:
        event = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return None if _may_repeat_keys(line, [event]) else event


def parse_json(line: bytes) -> Any:
    """Parse a JSON value in which no object repeats a key."""
    try:
        return json.loads(line.decode(), object_pairs_hook=_pairs, parse_constant=_no_constant)
    except UnicodeDecodeError as problem:
        byte = line[problem.start]
        raise InputError(f"not UTF-8: byte 0x{byte:02X} at column {problem.start + 1}") from None
    except (ValueError, RecursionError) as problem:
        raise InputError(f"not JSON: {problem}") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise InputError(f"key {next(name for name in names if names.count(name) > 1)!r} occurs twice in one object")
    return fields


def _no_constant(text: str) -> Any:
    raise InputError(f"{text} is not a JSON value")
