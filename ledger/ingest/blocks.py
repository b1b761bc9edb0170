"""Read bytes as blocks of whole lines, in bounded memory for any file."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from select import select
from time import monotonic
from typing import BinaryIO, Final, cast

from ledger.errors import InputError, TransientError

BLOCK: Final = 1 << 20
"""Read at a time: some 5,000 events, which is also one batch."""

LINE_MAX: Final = 1 << 20
"""Longer than any event with an embedded vector of as many sources as are allowed."""

LINGER_SECONDS: Final = 0.2
"""How long rows from a pipe wait for more to share a commit with."""

KEPT: Final = 4096
"""Of a line that is too long, for a person to recognise it by."""

_GZIP: Final = b"\x1f\x8b"
_FOREIGN: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PAR1", "Parquet"),
    (b"SQLite format 3", "an SQLite database"),
)
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Whole lines; `first` is the number of the first. `position` is the offset in the file at which the block ends."""

    first: int
    data: bytes
    position: int


@dataclass(frozen=True, slots=True)
class TooLong:
    """The beginning of a line that is too long to be read."""

    line: int
    length: int
    head: bytes


class TruncatedError(InputError):
    """The compressed file is truncated; the lines before the break have been returned."""


def read_blocks(file: BinaryIO, name: str, size: int = BLOCK) -> Iterator[LineBlock | TooLong]:
    """Yield the lines of a file or stream, plain or gzip, without a byte order mark."""
    source = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", file))
    try:
        start = source.peek(16)
    except OSError as failure:
        raise TransientError(f"{name}: {failure.strerror or failure}") from failure
    for magic, kind in _FOREIGN:
        if start.startswith(magic):
            advice = "convert it to UTF-8 first" if kind.startswith("UTF") else "it is not a file of lines"
            raise InputError(f"{name} is {kind}: {advice}")
    stream = gzip.GzipFile(fileobj=source, mode="rb") if start.startswith(_GZIP) else source
    yield from _lines(cast("BinaryIO", stream), name, size, source)


def _lines(stream: BinaryIO, name: str, size: int, raw: BinaryIO) -> Iterator[LineBlock | TooLong]:
    line, remainder, head = 1, b"", b""
    skipped = 0  # bytes of an over-long line that have gone by already
    broken: TruncatedError | None = None
    while True:
        data, broken = _filled(stream, name, size)
        if not data:
            break
        if line == 1 and not remainder and data.startswith(_BOM):
            data = data[len(_BOM) :]
        if skipped:
            end = data.find(b"\n")
            if end < 0:
                skipped += len(data)
                if broken is None:
                    continue
                break
            yield TooLong(line, skipped + end, head)
            line, skipped, data = line + 1, 0, data[end + 1 :]
        remainder += data
        cut = remainder.rfind(b"\n") + 1
        if cut:
            yield LineBlock(line, remainder[:cut], _position(raw))
            line += remainder.count(b"\n", 0, cut)
            remainder = remainder[cut:]
        if len(remainder) > LINE_MAX:
            head, skipped, remainder = remainder[:KEPT], len(remainder), b""
        if broken is not None:
            break
    if skipped:
        yield TooLong(line, skipped, head)
    elif remainder and broken is None:
        yield LineBlock(line, remainder, _position(raw))
    if broken is not None:
        raise TruncatedError(f"{broken}; line {line} and what follows are missing: send the whole file again")


def _filled(stream: BinaryIO, name: str, size: int) -> tuple[bytes, TruncatedError | None]:
    """Return the next `size` bytes, or fewer at the end.

    Of truncated gzip data, return the bytes before the break, and the error: a single read call would lose up to a
    whole block of good rows when it raises.
    """
    parts: list[bytes] = []
    missing = size
    try:
        if not isinstance(stream, gzip.GzipFile):
            return stream.read(size) if stream.seekable() else _arrived(stream, size), None
        while missing > 0 and (part := stream.read1(missing)):
            parts.append(part)
            missing -= len(part)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        why = TruncatedError(f"{name}: the compressed data is cut off or damaged ({problem})")
        return b"".join(parts), why
    except OSError as failure:
        raise TransientError(f"{name}: {failure.strerror or failure}") from failure
    return b"".join(parts), None


def _arrived(stream: BinaryIO, size: int) -> bytes:
    """Read a pipe until `size` bytes have come, it ends, or LINGER_SECONDS have passed since the first byte.

    A pipe may be slow: rows are appended soon after they come, without waiting for a full block.
    """
    pipe = cast("io.BufferedReader", stream)
    parts = [pipe.read1(size)]
    missing, until = size - len(parts[0]), monotonic() + LINGER_SECONDS
    while parts[-1] and missing > 0 and select([pipe], [], [], max(0.0, until - monotonic()))[0]:
        parts.append(pipe.read1(missing))
        missing -= len(parts[-1])
    return b"".join(parts)


def _position(file: BinaryIO) -> int:
    try:
        return file.tell()
    except OSError:
        return 0  # a pipe


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading lines; InputError if it does not exist."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise InputError(f"no file {path}") from None
    except OSError as failure:
        raise InputError(f"{path}: {failure.strerror}") from failure
