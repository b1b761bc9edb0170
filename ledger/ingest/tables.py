"""CSV and Parquet: the same columns as the fields of an NDJSON event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO, Final

import msgspec

from ledger.errors import InputError
from ledger.event import StreamEvent
from ledger.ingest.blocks import LINE_MAX, LineBlock, TooLong, read_blocks
from ledger.ingest.checks import NUMBERS, REQUIRED, explain
from ledger.ingest.naming import Naming
from ledger.ingest.ndjson import parse_json, too_long
from ledger.ingest.parquet_pages import unpacked_sizes
from ledger.ingest.rows import Collector, Rows, as_line
from ledger.tabular import Lettering, cells, separator
from ledger.types import format_time

BATCH: Final = 5000
PART_MAX: Final = 64 << 20
"""Bytes of rows that are turned into Python values at a time."""
ROW_MEAN_MAX: Final = 64 << 10
"""Bytes that the rows of a row group may unpack to, on average."""
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}\Z", re.ASCII)


def event_of(record: dict[str, Any]) -> StreamEvent:
    """Return a record as an event; InputError says what is wrong."""
    try:
        return msgspec.convert(record, StreamEvent)
    except msgspec.ValidationError:
        return explain(record)


# --- CSV ----------------------------------------------------------------------------------------


def read_csv(file: BinaryIO, name: str, naming: Naming | None = None) -> Iterator[Rows]:
    """Yield the events of a CSV or TSV file: a header line, one record a line; an empty cell means no value."""
    header: list[str] | None = None
    columns: list[str | None] = []
    lettering = Lettering()
    split = partial(_split, lettering, ",")
    naming = naming or Naming(strict=True)
    for block in read_blocks(file, name):
        if isinstance(block, TooLong):
            yield too_long(block)
            continue
        lines, first = block.data.split(b"\n"), block.first
        lettering.learn(lines)
        naming.is_windows = lettering.is_windows
        if header is None:
            try:
                text = lettering.text(lines[0]).removesuffix("\r")
                sign = separator(text)
                header = cells(text, sign)
            except InputError as problem:
                raise InputError(f"{name}: header: {problem}") from None
            columns = naming.columns(header, name)
            split = partial(_split, lettering, sign)
            lines, first = lines[1:], first + 1
        rows = _records(columns, lines, first, block, split)
        _count_ignored(naming, header, columns, len(rows.events) + len(rows.refused))
        yield rows
    if header is None:
        raise InputError(f"{name} is empty: expected a header line with {', '.join(REQUIRED)}")


def _split(lettering: Lettering, sign: str, line: bytes) -> list[str]:
    return cells(lettering.text(line).removesuffix("\r"), sign)


def _count_ignored(naming: Naming, header: Sequence[str], columns: Sequence[str | None], rows: int) -> None:
    for column, field in zip(header, columns, strict=True):
        if field is None:
            naming.ignored[column] += rows


def _records(
    columns: Sequence[str | None], lines: list[bytes], first: int, block: LineBlock, split: Callable[[bytes], list[str]]
) -> Rows:
    rows = Collector(position=block.position)
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue
        record: Any = line.decode("utf-8", "replace")
        try:
            row = split(line)
            if len(row) != len(columns):
                raise InputError(f"{len(row)} cells, the header has {len(columns)}")
            record = {column: cell for column, cell in zip(columns, row, strict=True) if cell and column is not None}
            rows.take(number, as_line(record), event_of(_typed(dict(record))))
        except InputError as problem:
            rows.refuse(number, as_line(record), problem)
    return rows.rows()


def _typed(record: dict[str, Any]) -> dict[str, Any]:
    for name in NUMBERS:
        if name in record:
            if not _WHOLE.match(record[name]):
                raise InputError(f"{name}: expected a whole number, got {record[name]!r}")
            record[name] = int(record[name])
    if "vector" in record:
        record["vector"] = vector_of(record["vector"])
    return record


def vector_of(text: str) -> Any:
    """A vector in a column of text: a declaration as JSON, or a digest as it stands."""
    return parse_json(text.encode()) if text.lstrip().startswith("{") else text


# --- Parquet ------------------------------------------------------------------------------------


def read_parquet(file: BinaryIO, name: str, naming: Naming | None = None) -> Iterator[Rows]:
    """Yield the events of a Parquet file; `occurred_at` may be a timestamp, `vector` a struct or JSON text."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise InputError("reading Parquet needs pyarrow: pip install 'settle-engine[payouts]'") from None
    try:
        schema = pq.read_schema(file)
        texts = [
            field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        table = pq.ParquetFile(file, read_dictionary=texts)  # a long value that repeats is then held once
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{name} is not Parquet: {problem}") from None
    check_packing(file, table.metadata, name)
    naming, header = naming or Naming(strict=True), table.schema_arrow.names
    columns = naming.columns(header, name)
    for position, column in enumerate(columns):
        if column in NUMBERS and not pa.types.is_integer(kind := table.schema_arrow.field(position).type):
            raise InputError(f"{name}: column {column} holds {kind}, expected whole numbers")
    named = {column_name: ours for column_name, ours in zip(header, columns, strict=True) if ours is not None}
    number = 0
    try:
        for batch in table.iter_batches(batch_size=BATCH, columns=list(named)):
            _count_ignored(naming, header, columns, batch.num_rows)
            for part in _parts(batch, f"{name}: after row {number}"):
                yield _table_rows(part.to_pylist(), named, number + 1, file.tell())
                number += part.num_rows
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{name}: damaged after row {number}: {problem}; send the whole file again") from None


def check_packing(file: BinaryIO, about: Any, name: str) -> None:
    """Refuse a file whose few bytes would unpack to far more than any real table of events or latents (finding F1)."""
    for group, plain in enumerate(unpacked_sizes(file, about, name)):
        rows = about.row_group(group).num_rows
        if plain > max(PART_MAX, rows * ROW_MEAN_MAX):
            raise InputError(
                f"{name}: {rows:,} rows of row group {group + 1} unpack to {plain:,} bytes; "
                f"expected at most {ROW_MEAN_MAX:,} bytes a row"
            )


def _parts(batch: Any, where: str) -> Iterator[Any]:
    """Yield a batch in parts that fit into memory as Python values; InputError for a row longer than a line may be."""
    import pyarrow as pa
    import pyarrow.compute as pc

    longest = batch.nbytes // max(batch.num_rows, 1)
    for column in batch.columns:
        texts = column.dictionary if pa.types.is_dictionary(column.type) else column
        if texts.type in (pa.string(), pa.large_string()):
            longest += pc.max(pc.binary_length(texts)).as_py() or 0
    if longest > LINE_MAX:
        raise InputError(f"{where}: a row of up to {longest:,} bytes; expected at most {LINE_MAX:,}")
    rows = max(PART_MAX // max(longest, 1), 1)
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _table_rows(records: list[dict[str, Any]], named: Mapping[str, str], first: int, position: int) -> Rows:
    rows = Collector(position=position)
    for number, record in enumerate(records, start=first):
        present = {named[column]: value for column, value in record.items() if value is not None}
        try:
            present["occurred_at"] = _moment(present.get("occurred_at"))
            if isinstance(present.get("vector"), str):
                present["vector"] = vector_of(present["vector"])
            elif "vector" in present:
                present["vector"] = _without_nulls(present["vector"])
            rows.take(number, as_line(present), event_of(present))
        except InputError as problem:
            rows.refuse(number, as_line(present), problem)
    return rows.rows()


def _moment(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise InputError(f"occurred_at: {value.isoformat()} has no time zone; write the column as UTC")
    return format_time(value)


def _without_nulls(value: Any) -> Any:
    """Remove null fields: a Parquet struct has every field in every row, and null where the field is absent."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
