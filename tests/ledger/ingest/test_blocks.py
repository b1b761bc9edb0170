"""Blocks of lines: compression, foreign encodings, lines nobody should read into memory."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from itertools import pairwise

import pytest

from ledger.errors import InputError
from ledger.ingest import blocks
from ledger.ingest.blocks import LineBlock, TooLong, TruncatedError, read_blocks


def read(data: bytes, size: int = 64) -> list[LineBlock | TooLong]:
    return list(read_blocks(io.BytesIO(data), "events", size))


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
def test_lines_are_whole_and_numbered(size: int) -> None:
    """If this fails, an event is cut in two, or reported on the wrong line."""
    data = b"".join(b"line %d\n" % i for i in range(50)) + b"last"
    found = [one for one in read(data, size) if isinstance(one, LineBlock)]
    assert b"".join(one.data for one in found) == data
    assert found[0].first == 1
    for one, following in pairwise(found):
        assert following.first == one.first + one.data.count(b"\n")


def test_gzip_is_read_as_it_is() -> None:
    """If this fails, platforms must unpack what they send."""
    assert b"".join(one.data for one in read(gzip.compress(b"a\nb\n")) if isinstance(one, LineBlock)) == b"a\nb\n"


def test_a_truncated_gzip_gives_what_it_holds_and_says_so() -> None:
    """If this fails, a broken transfer loses good rows or passes for whole."""
    lines = b"".join(b"%d\n" % (i * 7919) for i in range(5000))
    cut = gzip.compress(lines)[:5000]
    given = zlib.decompressobj(wbits=31).decompress(cut)
    for size in (64, 4096, 1 << 20):
        found: list[LineBlock | TooLong] = []
        with pytest.raises(TruncatedError, match=rf"cut off.*line {given.count(10) + 1} "):
            found.extend(read_blocks(io.BytesIO(cut), "events.gz", size))
        assert b"".join(one.data for one in found if isinstance(one, LineBlock)) == given[: given.rfind(b"\n") + 1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_foreign_encodings_are_named(encoding: str) -> None:
    """If this fails, a UTF-16 file becomes a quarantine full of noise."""
    text = "\ufeff{}\n" if encoding == "utf-16-be" else "{}\n"
    with pytest.raises(InputError, match=r"UTF-(16|32): convert it"):
        read(text.encode(encoding))


def test_a_byte_order_mark_is_no_content() -> None:
    """If this fails, the first row of a file from a spreadsheet is refused."""
    assert [one.data for one in read(b"\xef\xbb\xbf{}\n") if isinstance(one, LineBlock)] == [b"{}\n"]


def test_a_line_of_ten_megabytes_is_skipped_in_bounded_memory() -> None:
    """If this fails, one endless line fills the memory or swallows its neighbours."""
    data = b"first\n" + b"x" * (10 << 20) + b"\nlast\n"
    found = read(data, 1 << 16)
    long = [one for one in found if isinstance(one, TooLong)]
    assert [(one.line, one.length, len(one.head)) for one in long] == [(2, 10 << 20, blocks.KEPT)]
    assert b"".join(one.data for one in found if isinstance(one, LineBlock)) == b"first\nlast\n"
    assert [one.first for one in found if isinstance(one, LineBlock)][-1] == 3


def test_an_endless_last_line_is_reported() -> None:
    """If this fails, a file that ends inside an over-long line seems to end before it."""
    found = read(b"a\n" + b"x" * (2 << 20), 1 << 16)
    assert isinstance(found[-1], TooLong)


def test_rows_of_a_slow_pipe_are_not_held_back() -> None:
    """If this fails, an event that came through a pipe reaches the log with the five-thousandth after it, or never."""
    given, taken = os.pipe()
    with os.fdopen(given, "rb") as pipe, os.fdopen(taken, "wb", buffering=0) as writer:
        found = read_blocks(pipe, "-")
        for text in (b"one\ntwo\nthr", b"ee\n"):
            writer.write(text)
            block = next(found)
            assert isinstance(block, LineBlock)
            assert (block.first, block.data) == ((1, b"one\ntwo\n") if text[:1] == b"o" else (3, b"three\n"))
        writer.write(b"last")
        writer.close()
        assert [one.data for one in found if isinstance(one, LineBlock)] == [b"last"]
