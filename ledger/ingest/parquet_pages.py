"""Measure what a Parquet file unpacks to by the headers of its pages, before anything is unpacked.

The index at the end of a file states sizes, and nothing binds them to the pages. Readers allocate what a page's own
header states, so a few kilobytes with an honest-looking index could take gigabytes (finding F1).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from ledger.errors import InputError

PAGES_MAX: Final = 100_000
FIELDS_MAX: Final = 64
"""Of a page's header, with those of its structs: the format defines fewer than forty, and reading each takes time."""
HEADER_MAX: Final = 1 << 20
"""Bytes of a page's header; it may contain the page's least and greatest value."""
VALUE_BYTES: Final = 8
"""Counted for each value: run lengths state millions of values, or of elements of a list, in a few bytes."""
_WINDOW: Final = 1 << 12
_FIXED_BYTES: Final = {3: 1, 7: 8}
"""Of the kinds byte and double."""
_DEPTH_MAX: Final = 8
_DATA, _DICTIONARY, _DATA_2 = 5, 7, 8
"""The fields of a page header in which the kinds of page state how many values they have."""

Struct = dict[int, Any]


def unpacked_sizes(file: BinaryIO, about: Any, name: str) -> Iterator[int]:
    """Yield the bytes that each row group unpacks to, by its pages or by the index, whichever states more.

    `about` is the file's index as pyarrow reads it. The time that this takes follows the file's length: no byte
    belongs to two columns or to two headers.
    """
    groups = _chunks(about, name)
    pages, headers_left = 0, file.seek(0, io.SEEK_END)
    for group in groups:
        by_index = by_pages = 0
        for start, end, stated in group:
            offset = start
            by_index += stated
            while offset < end:
                pages += 1
                if pages > PAGES_MAX:
                    raise InputError(f"{name} has more than {PAGES_MAX:,} pages; write it with larger ones")
                header, length = _header(file, offset, name)
                headers_left -= length
                if headers_left < 0:
                    raise InputError(f"{name} is not Parquet: the headers of its pages are longer than the file")
                by_pages += _whole(header.get(2), name)
                offset += length + _whole(header.get(3), name)
                for kind in (_DATA, _DICTIONARY, _DATA_2):
                    by_pages += VALUE_BYTES * _whole(_struct(header.get(kind, {}), name).get(1, 0), name)
        yield max(by_index, by_pages)


def _chunks(about: Any, name: str) -> list[list[tuple[int, int, int]]]:
    """The columns of each row group: first byte, end, and the bytes that the index says they unpack to.

    InputError if two share a byte: an index may name the same pages a thousand times, and each would be read.
    """
    groups = []
    for number in range(about.num_row_groups):
        row_group, group = about.row_group(number), []
        for column in range(about.num_columns):
            chunk = row_group.column(column)
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
                start = min(start, chunk.dictionary_page_offset)
            end = _whole(start, name) + _whole(chunk.total_compressed_size, name)
            group.append((start, end, _whole(chunk.total_uncompressed_size, name)))
        groups.append(group)
    reached = 0
    for start, end, _ in sorted(chunk for group in groups for chunk in group):
        if start < reached:
            raise InputError(f"{name} is not Parquet: two columns share the bytes from {start}")
        reached = end
    return groups


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or value < 0:
        raise InputError(f"{name} is not Parquet: a size is {value!r}")
    return value


def _struct(value: Any, name: str) -> Struct:
    if not isinstance(value, dict):
        raise InputError(f"{name} is not Parquet: the kind of a page is {value!r}")
    return value


def _header(file: BinaryIO, place: int, name: str) -> tuple[Struct, int]:
    """The page header at a place, and its length."""
    window = _WINDOW
    while True:
        file.seek(place)
        data = file.read(window)
        compact = _Compact(data)
        try:
            return compact.struct(), compact.place
        except IndexError:  # the header goes on after what was read
            if window >= HEADER_MAX or len(data) < window:
                raise InputError(f"{name} is not Parquet: the page header at byte {place} has no end") from None
            window = HEADER_MAX
        except ValueError as problem:
            raise InputError(f"{name} is not Parquet: the page header at byte {place}: {problem}") from None


class _Compact:
    """Thrift's compact protocol, as far as page headers use it: integers and structs are read, the others skipped."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = self._count = 0

    def struct(self, depth: int = 0) -> Struct:
        """The integer and struct fields by number."""
        if depth > _DEPTH_MAX:
            raise ValueError("structs are nested too deeply")
        fields: Struct = {}
        number = 0
        while head := self._byte():
            self._count += 1
            if self._count > FIELDS_MAX:
                raise ValueError(f"it has more than {FIELDS_MAX} fields")
            number = number + (head >> 4) if head >> 4 else self._signed()
            value = self._value(head & 15, depth)
            if value is not None:
                fields[number] = value
        return fields

    def _value(self, kind: int, depth: int) -> int | Struct | None:
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 12:
            return self.struct(depth + 1)
        if kind in (1, 2):  # true, false: the kind is the value
            return None
        if kind not in _FIXED_BYTES and kind != 8:
            raise ValueError(f"a field of kind {kind}")
        self._skip(self._varint() if kind == 8 else _FIXED_BYTES[kind])
        return None

    def _skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self._data):
            raise IndexError

    def _byte(self) -> int:
        byte = self._data[self.place]
        self.place += 1
        return byte

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number has no end")

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
