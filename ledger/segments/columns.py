"""Convert event leaves to columns and back to the same bytes, millions at a time.

Leaves are not stored beside the columns: `leaves` encodes them again from the columns, and a reader with the tree
compares hashes. A segment therefore cannot differ from the log unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.event import Entry
from ledger.proofs import canon, leaf
from ledger.segments.errors import SegmentError
from ledger.segments.schema import EVENTS, KEY, REPETITIVE, Binding
from ledger.types import format_time


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="event", gc=False):
    """Every field an event leaf may have; anything else cannot be sealed."""

    v: int
    source: str
    event_id: str
    track: str
    vector: str | None
    occurred_at: str
    territory: str
    units: int
    product: str | None = None
    gross_micros: int | None = None
    currency: str | None = None
    listener: str | None = None


_DAY: Final = 86_400
_DECODER: Final = msgspec.json.Decoder(Event)

_READ: Final = [field for field in EVENTS if field.name not in ("index", "binding")]
_SHAPE: Final = canon.encode(
    {field.name: "BIGINT" if pa.types.is_integer(field.type) else "VARCHAR" for field in _READ}
).decode()


def table(indexes: Sequence[int], bodies: Sequence[bytes], bindings: dict[Binding, int]) -> pa.Table:
    """Return event leaves as columns; new triples are added to `bindings`.

    The table is equivalent to the leaves only if `leaves` returns the same bytes: the caller compares, and calls
    `refuse_odd` where they differ.
    """
    columns = {field.name: _column(parsed, field) for parsed, field in zip(_read(indexes, bodies), _READ, strict=True)}
    if any(column.null_count for name, column in columns.items() if not EVENTS.field(name).nullable):
        refuse_odd(map(Entry, indexes, bodies))
    codes = _numbered([columns[name] for name in KEY.names], bindings)
    columns |= {"index": pa.array(indexes, pa.int64()), "binding": pa.array(codes, pa.int32())}
    return pa.table([columns[name] for name in EVENTS.names], names=EVENTS.names)


def _read(indexes: Sequence[int], bodies: Sequence[bytes]) -> list[pa.Array]:
    """Parse the fields of many JSON objects, absent ones as null, without making Python objects."""
    try:
        parsed = _parser().cursor().from_arrow(pa.table({"body": pa.array(bodies, pa.string())}))
        read = parsed.project(f"unnest(from_json(body, '{_SHAPE}'))").to_arrow_table().combine_chunks()
    except (duckdb.Error, pa.ArrowInvalid) as problem:
        refuse_odd(map(Entry, indexes, bodies))
        raise SegmentError(f"leaves {indexes[0]} to {indexes[-1]} cannot be read: {problem}") from None
    return [read.column(field.name).chunk(0) for field in _READ]


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB on the caller's thread, which parses JSON into columns."""
    return duckdb.connect(config={"threads": 1})


def refuse_odd(events: Iterable[Entry]) -> None:
    """Raise SegmentError naming the first of these leaves that is not an event known to this release."""
    for event in events:
        try:
            _DECODER.decode(event.body)
        except msgspec.MsgspecError as found:
            raise SegmentError(f"event leaf {event.index}: {found}; seal it with the release that wrote it") from None


def _numbered(texts: Sequence[pa.Array], bindings: dict[Binding, int]) -> np.ndarray[Any, Any]:
    """Return the number of each row's triple.

    Python handles each distinct triple once, in order of first appearance.
    """
    dictionaries = [[*column.dictionary.to_pylist(), None] for column in texts]
    codes = np.zeros(len(texts[0]), np.int64)
    for column, values in zip(texts, dictionaries, strict=True):
        codes = codes * len(values) + np.asarray(column.indices.fill_null(len(values) - 1))
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rows = pa.array(first[order])
    triples = zip(
        *(
            [values[code] for code in column.indices.fill_null(len(values) - 1).take(rows).to_pylist()]
            for column, values in zip(texts, dictionaries, strict=True)
        ),
        strict=True,
    )
    numbers = np.empty(len(first), np.int32)
    numbers[order] = [bindings.setdefault(triple, len(bindings)) for triple in triples]
    return numbers[inverse]


def _column(found: pa.Array, field: pa.Field) -> pa.Array:
    """Return one column; times are converted from text, repeated texts stay codes until they are written."""
    if pa.types.is_timestamp(field.type):
        try:
            return pc.cast(found, field.type)
        except pa.ArrowInvalid as problem:
            raise SegmentError(f"{field.name}: {problem}; a segment holds instants as leaves write them") from None
    return found.dictionary_encode() if field.name in REPETITIVE and field.type == pa.string() else found


def leaves(events: pa.Table) -> pa.Array:
    """Return the canonical bytes of each row's leaf, in the order of the rows."""
    rows = events.combine_chunks()
    texts = {name: _plain(rows, name) for name in EVENTS.names}
    shown = _written(texts)
    odd = _to_escape([texts[field.name] for field in EVENTS if field.type == pa.string()])
    if odd is None:
        return shown
    out = shown.to_pylist()
    for position in np.flatnonzero(odd):
        row = {
            name: values[int(position)].as_py() for name, values in texts.items() if name not in ("index", "binding")
        }
        out[position] = leaf.encode(leaf.event(**{**row, "occurred_at": format_time(row["occurred_at"])}))
    return pa.array(out, pa.binary())


def _plain(rows: pa.Table, name: str) -> Any:
    """Return a column in one piece and without a dictionary."""
    column = rows.column(name)
    whole = (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if column.num_chunks else None
    )
    if whole is None:
        return pa.array([], EVENTS.field(name).type)
    return whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole


def _written(columns: dict[str, Any]) -> pa.Array:
    """Join columns into canonical JSON: keys sorted, absent fields left out, an unbound vector null."""
    pieces: list[Any] = [""]

    def put(*more: Any) -> None:
        """Add a text; adjacent texts are merged, because each piece costs a copy of every row."""
        for part in more:
            if isinstance(part, str) and isinstance(pieces[-1], str):
                pieces[-1] += part
            else:
                pieces.append(part)

    def put_optional(name: str, before: str, after: str, absent: str = "") -> None:
        values = columns[name]
        if values.null_count == len(values):
            put(absent)
        elif values.null_count == 0:
            put(before, pc.cast(values, pa.string()), after)
        else:
            put(pc.fill_null(pc.binary_join_element_wise(before, pc.cast(values, pa.string()), after, ""), absent))

    put("{")
    put_optional("currency", '"currency":"', '",')
    put('"event_id":"', columns["event_id"], '",')
    put_optional("gross_micros", '"gross_micros":', ",")
    put_optional("listener", '"listener":"', '",')
    put('"occurred_at":"', _instants(columns["occurred_at"]), '",')
    put_optional("product", '"product":"', '",')
    put('"source":"', columns["source"], '","territory":"', columns["territory"], '","track":"', columns["track"])
    put('","type":"event","units":', pc.cast(columns["units"], pa.string()), ',"v":1,"vector":')
    put_optional("vector", '"', '"', absent="null")
    put("}")
    return pc.binary_join_element_wise(*pieces, "").cast(pa.binary())


def _instants(column: Any) -> Any:
    """Return times as in leaves. Day and second of the day are looked up, because formatting each time is slow."""
    seconds = np.asarray(column.cast(pa.int64())) // 1000
    days, inverse = np.unique(seconds // _DAY, return_inverse=True)
    dates = pa.array(np.datetime_as_string(days.astype("datetime64[D]")), pa.string())
    clock = _clock().take(pa.array(seconds % _DAY))
    return pc.binary_join_element_wise(dates.take(pa.array(inverse)), clock, "T")


@cache
def _clock() -> pa.Array:
    """Return every second of a day as written in leaves."""
    hours, minutes = range(24), range(60)
    return pa.array(
        [f"{hour:02}:{minute:02}:{second:02}Z" for hour in hours for minute in minutes for second in minutes]
    )


def _to_escape(columns: Sequence[Any]) -> Any:
    """Return which rows hold a text that JSON escapes; None, decided without looking at rows, if no row does."""
    escaped = None
    for column in columns:
        raw = column.buffers()[2].to_pybytes() if column.buffers()[2] else b""
        if raw and (b'"' in raw or b"\\" in raw or np.frombuffer(raw, np.uint8).min() < 0x20):
            mask = np.asarray(pc.fill_null(pc.match_substring_regex(column, r'["\\\x00-\x1f]'), fill_value=False))
            escaped = mask if escaped is None else escaped | mask
    return escaped
