"""Convert event leaves to columns and back to the same bytes, millions at a time.

Leaves are not kept beside the columns: `leaves` writes them again from the columns, and whoever has
the tree compares hashes. What a segment says and what the log says therefore cannot drift apart.
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
    """Event leaves as columns; triples that `bindings` does not know yet are numbered into it.

    The table says what the leaves say only if `leaves` gives the same bytes back: the caller compares, and
    asks `refuse_odd` where they differ.
    """
    columns = {field.name: _column(parsed, field) for parsed, field in zip(_read(indexes, bodies), _READ, strict=True)}
    if any(column.null_count for name, column in columns.items() if not EVENTS.field(name).nullable):
        refuse_odd(map(Entry, indexes, bodies))
    codes = _numbered([columns[name] for name in KEY.names], bindings)
    columns |= {"index": pa.array(indexes, pa.int64()), "binding": pa.array(codes, pa.int32())}
    return pa.table([columns[name] for name in EVENTS.names], names=EVENTS.names)


def _read(indexes: Sequence[int], bodies: Sequence[bytes]) -> list[pa.Array]:
    """The fields of many JSON objects, absent ones as null; no Python object is made for any of them."""
    try:
        parsed = _parser().cursor().from_arrow(pa.table({"body": pa.array(bodies, pa.string())}))
        read = parsed.project(f"unnest(from_json(body, '{_SHAPE}'))").to_arrow_table().combine_chunks()
    except (duckdb.Error, pa.ArrowInvalid) as problem:
        refuse_odd(map(Entry, indexes, bodies))
        raise SegmentError(f"leaves {indexes[0]} to {indexes[-1]} cannot be read: {problem}") from None
    return [read.column(field.name).chunk(0) for field in _READ]


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, on the caller's thread: a reader of JSON by the column."""
    return duckdb.connect(config={"threads": 1})


def refuse_odd(events: Iterable[Entry]) -> None:
    """SegmentError naming the first of these leaves that is not an event as this release knows them."""
    for event in events:
        try:
            _DECODER.decode(event.body)
        except msgspec.MsgspecError as found:
            raise SegmentError(f"event leaf {event.index}: {found}; seal it with the release that wrote it") from None


def _numbered(texts: Sequence[pa.Array], bindings: dict[Binding, int]) -> np.ndarray[Any, Any]:
    """The number of each row's triple; Python looks at each distinct one once, in the order of first appearance."""
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
    """One column; times by way of text, texts that repeat as codes until they are written."""
    if pa.types.is_timestamp(field.type):
        try:
            return pc.cast(found, field.type)
        except pa.ArrowInvalid as problem:
            raise SegmentError(f"{field.name}: {problem}; a segment holds instants as leaves write them") from None
    return found.dictionary_encode() if field.name in REPETITIVE and field.type == pa.string() else found


def leaves(events: pa.Table) -> pa.Array:
    """The canonical bytes of each row's leaf, in the order of the rows."""
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
    """A column in one piece and without a dictionary."""
    column = rows.column(name)
    whole = (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if column.num_chunks else None
    )
    if whole is None:
        return pa.array([], EVENTS.field(name).type)
    return whole.dictionary_decode() if pa.types.is_dictionary(whole.type) else whole


def _written(columns: dict[str, Any]) -> pa.Array:
    """Canonical JSON by joining columns: keys in order, absent fields absent, an unbound vector null."""
    pieces: list[Any] = [""]

    def put(*more: Any) -> None:
        """Text that follows on text is one piece: each costs every row a copy."""
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
    """Times as leaves write them: a day and a second of it, both looked up, since formatting each is slow."""
    seconds = np.asarray(column.cast(pa.int64())) // 1000
    days, inverse = np.unique(seconds // _DAY, return_inverse=True)
    dates = pa.array(np.datetime_as_string(days.astype("datetime64[D]")), pa.string())
    clock = _clock().take(pa.array(seconds % _DAY))
    return pc.binary_join_element_wise(dates.take(pa.array(inverse)), clock, "T")


@cache
def _clock() -> pa.Array:
    """Every second of a day as leaves write it."""
    hours, minutes = range(24), range(60)
    return pa.array(
        [f"{hour:02}:{minute:02}:{second:02}Z" for hour in hours for minute in minutes for second in minutes]
    )


def _to_escape(columns: Sequence[Any]) -> Any:
    """Which rows hold a text that JSON escapes; None, found out without looking at rows, if no row does."""
    escaped = None
    for column in columns:
        raw = column.buffers()[2].to_pybytes() if column.buffers()[2] else b""
        if raw and (b'"' in raw or b"\\" in raw or np.frombuffer(raw, np.uint8).min() < 0x20):
            mask = np.asarray(pc.fill_null(pc.match_substring_regex(column, r'["\\\x00-\x1f]'), fill_value=False))
            escaped = mask if escaped is None else escaped | mask
    return escaped
