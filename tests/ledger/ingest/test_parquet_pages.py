"""What a Parquet file unpacks to is measured by its pages, whatever its index says."""

from __future__ import annotations

import io
from typing import Any

import pytest

from ledger.errors import InputError
from ledger.ingest.naming import Naming
from ledger.ingest.parquet_pages import unpacked_sizes
from ledger.ingest.tables import read_parquet

pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

ROWS = 200
BIG = 1_000_000
EVENT = {
    "source": "acme", "track": "trk-1", "occurred_at": "2026-06-03T11:05:00Z", "territory": "SE", "units": 1,
}  # fmt: skip


def written(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def sizes(data: bytes) -> list[int]:
    return list(unpacked_sizes(io.BytesIO(data), pq.ParquetFile(io.BytesIO(data)).metadata, "test.parquet"))


def varint(value: int, length: int = 0) -> bytes:
    """As Thrift writes an integer of the index, filled up to a length."""
    value, out = value << 1, bytearray()
    while value > 127 or len(out) + 1 < length:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def lying(data: bytes) -> bytes:
    """The same file with an index that states 1,000 bytes for each chunk of a column that unpacks to more."""
    about = pq.ParquetFile(io.BytesIO(data)).metadata
    index = data.rindex(b"PAR1", 0, len(data) - 4) if data.count(b"PAR1") > 2 else 4
    head, tail = data[:index], data[index:]
    for group in range(about.num_row_groups):
        for column in range(about.num_columns):
            stated = about.row_group(group).column(column).total_uncompressed_size
            if stated > 1_000_000:
                true = varint(stated)
                assert tail.count(true) >= 1
                tail = tail.replace(true, varint(1_000, len(true)))
    return head + tail


def bomb(rows: int = ROWS) -> bytes:
    """Some kilobytes of events whose products unpack to so many megabytes."""
    events = [EVENT | {"event_id": str(n), "product": "A" * BIG} for n in range(rows)]
    return written(pa.Table.from_pylist(events), compression="zstd", use_dictionary=False)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_honest_files_are_measured_as_their_index_says(version: str, compression: str, *, dictionary: bool) -> None:
    """If this fails, files as platforms write them are refused, or a page is left out of the count."""
    values = [EVENT | {"event_id": f"e-{n}", "gross": n / 7, "ok": n % 3 == 0} for n in range(5_000)]
    options = {"compression": compression, "use_dictionary": dictionary, "data_page_version": version}
    data = written(pa.Table.from_pylist(values), row_group_size=2_000, data_page_size=4_096, **options)
    about = pq.ParquetFile(io.BytesIO(data)).metadata
    for group, size in enumerate(sizes(data)):
        columns = [about.row_group(group).column(n) for n in range(about.num_columns)]
        stated = sum(column.total_uncompressed_size for column in columns)
        values_stated = 8 * sum(column.num_values for column in columns)
        assert stated <= size <= stated + 2 * values_stated
    read = read_parquet(io.BytesIO(data), "test.parquet", Naming())
    assert sum(len(part.events) for part in read) == len(values)


def test_an_index_that_states_too_little_is_not_believed() -> None:
    """If this fails, some kilobytes of Parquet take as much memory as their sender likes."""
    data = lying(bomb())
    assert len(data) < 1 << 20
    stated = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0)
    assert sum(stated.column(n).total_uncompressed_size for n in range(stated.num_columns)) < 1 << 20
    assert sizes(data)[0] > ROWS * BIG
    with pytest.raises(InputError, match="unpack to"):
        list(read_parquet(io.BytesIO(data), "test.parquet"))


def test_lists_of_nothing_count_by_their_elements() -> None:
    """If this fails, run lengths of a few bytes state millions of elements, and each takes memory."""
    none = pa.array([[None] * 20_000_000], pa.list_(pa.int32()))
    data = written(pa.table({"vector": none}), compression="zstd")
    assert len(data) < 1 << 20
    assert sizes(data)[0] >= 160_000_000


def test_headers_that_are_none_are_refused() -> None:
    """If this fails, a damaged or hostile page header is an error of ours, or keeps a processor busy."""
    data = bomb(1)
    column = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    start = column.data_page_offset
    for damage in (b"\xff" * 8, b"\x15\x00\x15\x01", b"\x1c" * 16, b"\x18\xff\xff\xff\x0f"):
        changed = data[:start] + damage + data[start + len(damage) :]
        with pytest.raises(InputError, match="is not Parquet"):
            sizes(changed)


@pytest.mark.parametrize("field", [b"\x15\x00", b"\x1c\x00", b"\x11", b"\x13\x00"])
def test_a_header_of_a_million_fields_is_refused(field: bytes) -> None:
    """If this fails, a page header of a megabyte keeps a processor busy for a second, and a file has many."""
    file = io.BytesIO(field * 500_000)
    with pytest.raises(InputError, match="more than 64 fields"):
        list(unpacked_sizes(file, Index([[(0, 1 << 20)]]), "test.parquet"))


@pytest.mark.parametrize("groups", [[[(4, 60), (4, 60)]], [[(4, 60)], [(4, 60)]], [[(4, 60)], [(20, 60)]]])
def test_an_index_that_names_the_same_bytes_twice_is_refused(groups: list[list[tuple[int, int]]]) -> None:
    """If this fails, an index of two megabytes makes the same pages be read for hours."""
    with pytest.raises(InputError, match="share the bytes"):
        list(unpacked_sizes(io.BytesIO(bytes(100)), Index(groups), "test.parquet"))


def test_headers_that_reach_into_the_next_column_are_refused() -> None:
    """If this fails, columns of a byte each, whose headers are all the same long one, are read for hours."""
    block = b"\x15\x00\x15\x00\x15\x00\x18\xc0\x3e"  # three numbers, and a text of 8,000 bytes that is skipped
    data = block * 400 + bytes(9_000)
    with pytest.raises(InputError, match="headers of its pages are longer than the file"):
        list(unpacked_sizes(io.BytesIO(data), Index([[(len(block) * n, 1) for n in range(400)]]), "test.parquet"))


class Index:
    """An index that says of each column of each row group where it begins and how long it is."""

    has_dictionary_page = False
    total_uncompressed_size = 0

    def __init__(self, groups: list[list[tuple[int, int]]]) -> None:
        self._groups, self.num_row_groups, self.num_columns = groups, len(groups), len(groups[0])

    def row_group(self, number: int) -> Index:
        return Index([[chunk] for chunk in self._groups[number]])

    def column(self, number: int) -> Index:
        ((self.data_page_offset, self.total_compressed_size),) = self._groups[number]
        return self
