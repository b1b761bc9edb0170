"""The usage stage: sum a period's events by everything that changes their division, as one Ibis expression.

The expression runs where the segments are, on DuckDB or on Spark, and only ever sums integers as
decimals (a bare integer sum wraps on some engines, and `//` goes through floating point on all of them).
What a sum means, and every division, is left to exact Python integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.errors import StateError
from ledger.segments.manifest import File, SegmentManifest
from ledger.types import Digest, Period, format_time
from payouts.errors import UsageError
from payouts.protocols import UsageRow
from payouts.terms import Terms
from payouts.usage.grain import ELSEWHERE, Grain, Membership
from payouts.usage.plain import NO_HOLDS, ListenerHolds, VectorBinding, no_gross

if TYPE_CHECKING:
    import ibis.expr.types as ir

EXACT: Final = "decimal(18, 0)"
"""What is summed is cast to this first: no engine sums it with wrapping or rounding."""
EXACT_SUM: Final = "decimal(28, 0)"


class Engine(Protocol):
    """The engine that runs the expression."""

    name: str

    def check(self, base: str, files: Sequence[File]) -> None:
        """SegmentError unless each of these files lies under `base` with the digest that the log committed to."""

    def scan(self, paths: Sequence[str]) -> ir.Table:
        """Return these Parquet files as one table."""

    def local(self, rows: pa.Table) -> ir.Table:
        """Return a small local table."""

    def run(self, expression: ir.Table) -> pa.Table:
        """Return the rows of an expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentSelection:
    """One log's part in a run: its segments under `base` (a folder or an object store's URL), and what is taken.

    Row n of `bindings` is what number n stands for: columns source, track, vector.
    """

    origin: str
    base: str
    manifests: Sequence[SegmentManifest]
    membership: Membership
    bindings: pa.Table


@dataclass(frozen=True, slots=True)
class Scan:
    """Files that are read in the same way.

    They are of one log, in one bucket (or cut inside the day), as a whole or by index.
    """

    log: int
    buckets: tuple[int, ...]
    cuts: tuple[str, ...]
    low: int | None
    high: int | None


def usage(
    engine: Engine,
    sources: Sequence[SegmentSelection],
    *,
    assigned: VectorBinding,
    terms: Terms,
    grain: Grain,
    holds: ListenerHolds = NO_HOLDS,
) -> list[UsageRow]:
    """Return the sorted usage of a pool; `assigned` decides by which vector each event pays."""
    return rows(summed(engine, sources, assigned=assigned, terms=terms, grain=grain, holds=holds), terms, grain)


def summed(
    engine: Engine,
    sources: Sequence[SegmentSelection],
    *,
    assigned: VectorBinding,
    terms: Terms,
    grain: Grain,
    holds: ListenerHolds = NO_HOLDS,
) -> pa.Table:
    """The usage of a pool as a table: texts as codes, sums as exact decimals, in the order of `usage`."""
    buckets: list[str] = []
    scans = plan(sources, grain, buckets)
    if not scans:
        return _EMPTY
    resolved = ResolvedBindings.of(sources, assigned)
    selected = _selected(engine, scans, terms, grain)
    numbers = engine.local(resolved.numbers)
    if holds:
        selected = _with_holds(engine, selected, holds)
    rows = engine.run(expression(selected, numbers, grain, logs=len(sources), buckets=len(buckets), holds=bool(holds)))
    if grain.gross and pc.any(pc.greater(rows.column("unpriced"), 0)).as_py():
        raise _first_offender(engine, selected, sources, terms)
    return _named(rows, resolved, buckets)


# --- which files, and how -----------------------------------------------------------------------


def plan(sources: Sequence[SegmentSelection], grain: Grain, buckets: list[str]) -> dict[Scan, list[str]]:
    """The files to read, grouped by how; numbers buckets of time into `buckets`.

    The manifests know each file's day and range of indexes, so that most files are taken whole or not at
    all and only those across a border are filtered by row.
    """
    scans: dict[Scan, list[str]] = {}
    numbers: dict[str, int] = {}
    for log, source in enumerate(sources):
        sealed = source.manifests[-1].stop if source.manifests else 0
        if sealed < source.membership.size:
            raise StateError(
                f"log {source.origin} is sealed into segments up to {sealed}, the period was closed at "
                f"{source.membership.size}; run `settle segments seal`"
            )
        for file in (file for manifest in source.manifests for file in manifest.of("events")):
            if (selection := _taken(file, source.membership)) is None:
                continue
            day = file.day or ""
            cuts = grain.cuts_within(day)
            starts = [grain.bucket(at) for at in (f"{day}T00:00:00Z", *cuts)]
            codes = tuple(numbers.setdefault(start, len(numbers)) for start in starts)
            scans.setdefault(Scan(log, codes, cuts, *selection), []).append(f"{source.base}/{file.path}")
    buckets += numbers
    return scans


def taken_files(manifests: Sequence[SegmentManifest], membership: Membership) -> list[File]:
    """The files of a log's segments that a run reads, so that it checks those and not years of others."""
    events = (file for manifest in manifests for file in manifest.of("events"))
    return [file for file in events if _taken(file, membership) is not None]


def _taken(file: File, membership: Membership) -> tuple[int | None, int | None] | None:
    """The bounds on `index` that a file's rows still have to meet; None if none of its rows is in.

    A period ends at midnight, so a file of one day lies wholly before or after it.
    """
    day = f"{file.day}T00:00:00Z"
    if file.first >= membership.size or day >= format_time(membership.end):
        return None
    low = 0
    if membership.earlier is not None and day < format_time(membership.earlier[1]):
        low = membership.earlier[0]
    if file.last < low:
        return None
    return (low if file.first < low else None, membership.size if file.last >= membership.size else None)


# --- the expression -----------------------------------------------------------------------------


def _selected(engine: Engine, scans: Mapping[Scan, Sequence[str]], terms: Terms, grain: Grain) -> ir.Table:
    """Return every event that the pool counts, with the columns by which it is summed."""
    import ibis

    parts = [_scanned(engine.scan(paths), scan, terms, grain) for scan, paths in scans.items()]
    return reduce(lambda one, other: ibis.union(one, other, distinct=False), parts)


def _scanned(events: ir.Table, scan: Scan, terms: Terms, grain: Grain) -> ir.Table:
    import ibis

    for name, accepted in (("source", terms.sources), ("product", terms.products), ("territory", terms.territories)):
        if accepted:
            events = events.filter(events[name].isin(accepted))
    if scan.low is not None:
        events = events.filter(events.index >= scan.low)
    if scan.high is not None:
        events = events.filter(events.index < scan.high)
    columns: dict[str, Any] = {
        "log": ibis.literal(scan.log, "int32"),
        "binding": events.binding,
        "bucket": _bucket(events, scan),
        "territory": _territory(events, grain),
        "occurred_at": events.occurred_at,
        "units": events.units,
        "index": events.index,
        "source": events.source,
        "event_id": events.event_id,
    }
    if grain.products:
        columns["product"] = events.product
    columns["listener"] = events.listener
    if grain.gross:
        priced = events.gross_micros.notnull() & events.currency.identical_to(terms.currency)
        columns |= {"gross": events.gross_micros, "unpriced": priced.ifelse(0, 1)}
    return events.select(**columns)


def _with_holds(engine: Engine, events: ir.Table, holds: ListenerHolds) -> ir.Table:
    """The events with the id of the hold on listeners that each falls under, or null: as `hold_of` has it."""
    months = {month: Period.parse(month) for _, _, month in holds}
    rows = [
        (source, listener, months[month].start, months[month].end, hold)
        for (source, listener, month), hold in sorted(holds.items())
    ]
    names = ("held_source", "held_listener", "held_from", "held_to", "hold")
    columns = zip(*rows, strict=True)
    listed = engine.local(pa.table({name: pa.array(column) for name, column in zip(names, columns, strict=True)}))
    same = [events.source == listed.held_source, events.listener == listed.held_listener]
    within = [events.occurred_at >= listed.held_from, events.occurred_at < listed.held_to]
    return events.left_join(listed, [*same, *within]).drop(*names[:-1], "occurred_at")


def _bucket(events: ir.Table, scan: Scan) -> Any:
    import ibis

    *earlier, last = (ibis.literal(code, "int32") for code in scan.buckets)
    if not earlier:
        return last
    borders = [ibis.timestamp(cut.removesuffix("Z"), timezone="UTC") for cut in scan.cuts]
    return ibis.cases(
        *((events.occurred_at < cut, code) for cut, code in zip(borders, earlier, strict=True)), else_=last
    )


def _territory(events: ir.Table, grain: Grain) -> Any:
    import ibis

    if not grain.territories:
        return ibis.literal(ELSEWHERE)
    return events.territory.isin(grain.territories).ifelse(events.territory, ELSEWHERE)


def expression(
    events: ir.Table, resolved: ir.Table, grain: Grain, *, logs: int, buckets: int, holds: bool = False
) -> ir.Table:
    """Events summed by platform, track, vector, time and whatever else the grain keeps apart.

    First by the numbers that events carry, which is most of the work; then once more with those numbers
    resolved, because an event bound late and one bound at once may come to the same vector. What is the
    same everywhere is left out of the keys: an engine pays for every one.
    """
    sums = ["units", "count", *(["gross", "unpriced"] if grain.gross else [])]
    number = ["log", "binding"] if logs > 1 else ["binding"]
    optional = {
        "bucket": buckets > 1,
        "territory": bool(grain.territories),
        "product": grain.products,
        "listener": grain.listeners,
        "hold": holds,
    }
    apart = [name for name, needed in optional.items() if needed]
    by_number = events.group_by(*number, *apart).aggregate(
        **{name: events[name].cast(EXACT).sum().cast(EXACT_SUM) for name in sums if name != "count"},
        count=events.count().cast(EXACT_SUM),
    )
    named = by_number.join(resolved, number)
    return named.group_by("use", *apart).aggregate(**{name: named[name].sum().cast(EXACT_SUM) for name in sums})


# --- from numbers back to names -----------------------------------------------------------------


_CODES: Final = pa.dictionary(pa.int32(), pa.string())
_TEXTS: Final = ("track", "territory", "at", "source", "vector", "product", "listener", "hold")
"""In the order in which usage is sorted."""
_EMPTY: Final = pa.table(
    {name: pa.array([], _CODES) for name in _TEXTS} | {name: pa.array([], pa.int64()) for name in ("units", "count")}
)


@dataclass(frozen=True, slots=True)
class ResolvedBindings:
    """Map each (log, binding) to the usage row under which it counts, after late assignments are applied.

    `numbers`: log, binding and use.
    """

    numbers: pa.Table
    texts: Mapping[str, pa.DictionaryArray]

    @classmethod
    def of(cls, sources: Sequence[SegmentSelection], assigned: VectorBinding) -> ResolvedBindings:
        bindings = pa.concat_tables([source.bindings for source in sources]).unify_dictionaries().combine_chunks()
        texts = {name: bindings.column(name).combine_chunks() for name in bindings.column_names}
        stated, proven = texts["vector"], _proven(texts, assigned)
        texts["vector"] = _bound(texts["track"], proven, assigned.first)
        # A binding that is not proven takes its track's vector, and is then the same as another: those are added up.
        if len(sources) == 1 and stated.null_count == proven.null_count == texts["vector"].null_count:
            use = rows = np.arange(bindings.num_rows)
        else:
            codes = np.zeros(bindings.num_rows, np.int64)
            for column in texts.values():
                absent = len(column.dictionary)
                codes = codes * (absent + 1) + np.asarray(column.indices.fill_null(absent))
            _, rows, use = np.unique(codes, return_index=True, return_inverse=True)
        counts = [source.bindings.num_rows for source in sources]
        columns = {
            "log": np.repeat(np.arange(len(counts)), counts),
            "binding": np.concatenate([np.arange(count) for count in counts]),
            "use": use,
        }
        numbers = pa.table({name: pa.array(values.astype(np.int32)) for name, values in columns.items()})
        return cls(numbers, {name: column.take(pa.array(rows)) for name, column in texts.items()})


def _proven(texts: Mapping[str, pa.DictionaryArray], assigned: VectorBinding) -> pa.DictionaryArray:
    """The vectors, without those that their source's events of the track may not pay by."""
    vectors = texts["vector"]
    bindings = zip(*(texts[name].to_pylist() for name in ("source", "track", "vector")), strict=True)
    unproven = np.array([binding[2] is not None and not assigned.pays(*binding) for binding in bindings], bool)
    if not unproven.any():
        return vectors
    codes = np.asarray(vectors.indices.fill_null(0)).astype(np.int32)
    absent = np.asarray(vectors.is_null()) | unproven
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=absent), vectors.dictionary)


def _bound(
    tracks: pa.DictionaryArray, vectors: pa.DictionaryArray, assigned: Mapping[str, Digest]
) -> pa.DictionaryArray:
    """Return the vectors; for events without one, the first that was assigned to the track."""
    late = np.flatnonzero(np.asarray(vectors.is_null()))
    bound = [assigned.get(track) for track in tracks.take(pa.array(late)).to_pylist()]
    dictionary = vectors.dictionary
    digests = pa.array(bound, pa.string())
    new = pc.unique(digests.drop_null().filter(pc.invert(pc.is_in(digests.drop_null(), dictionary))))
    values = pa.concat_arrays([dictionary, new])
    codes = np.asarray(vectors.indices.fill_null(len(values))).astype(np.int32)
    codes[late] = np.asarray(pc.index_in(digests, values).fill_null(len(values)))
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes == len(values)), values)


def _named(found: pa.Table, resolved: ResolvedBindings, buckets: Sequence[str]) -> pa.Table:
    """Return the engine's result with names in place of numbers, sorted."""
    use = found.column("use").combine_chunks()
    texts: dict[str, pa.DictionaryArray] = {name: column.take(use) for name, column in resolved.texts.items()}
    bucket = found.column("bucket").combine_chunks() if "bucket" in found.column_names else _zeros(found.num_rows)
    texts["at"] = pa.DictionaryArray.from_arrays(bucket, pa.array(buckets, pa.string()))
    for name in ("territory", "product", "listener", "hold"):
        if name in found.column_names:
            texts[name] = found.column(name).combine_chunks().dictionary_encode()
        else:
            everywhere = pa.array([ELSEWHERE if name == "territory" else None], pa.string())
            texts[name] = everywhere.take(_zeros(found.num_rows)).dictionary_encode()
    told_apart = [texts[name] for name in reversed(_TEXTS) if len(texts[name].dictionary) > 1 or texts[name].null_count]
    order = np.lexsort([_ranks(codes) for codes in told_apart] or [np.zeros(found.num_rows)])
    sums = {name: found.column(name) for name in ("units", "count", "gross") if name in found.column_names}
    return pa.table({name: texts[name] for name in _TEXTS} | sums).take(pa.array(order))


def _zeros(count: int) -> pa.Array:
    return pa.array(np.zeros(count, np.int32))


def _ranks(codes: pa.DictionaryArray) -> np.ndarray[Any, Any]:
    """Numbers that sort as the texts do (by code point, as bytes of UTF-8 do), absent ones first."""
    order = np.asarray(pc.sort_indices(codes.dictionary))
    ranks = np.empty(len(order) + 1, np.int32)
    ranks[order] = np.arange(len(order))
    ranks[-1] = -1
    ranked: np.ndarray[Any, Any] = ranks[np.asarray(codes.indices.fill_null(len(order)))]
    return ranked


def rows(table: pa.Table, terms: Terms, grain: Grain) -> list[UsageRow]:
    """Return a table of usage as rows; each distinct text exists once in memory."""
    currency = terms.currency if grain.gross else None
    sums = [_ints(table.column(name)) for name in ("units", "count")]
    gross = _ints(table.column("gross")) if grain.gross else repeat(None)
    return [
        UsageRow(
            track=track,
            vector=vector,
            territory=territory,
            at=at,
            source=source,
            product=product,
            listener=listener,
            units=units,
            gross=money,
            currency=currency,
            count=count,
            hold=hold,
        )
        for track, territory, at, source, vector, product, listener, hold, units, count, money in zip(
            *(_texts(table.column(name)) for name in _TEXTS), *sums, gross, strict=False
        )
    ]


def _texts(column: Any) -> list[Any]:
    codes = column.combine_chunks()
    codes = codes.chunk(0) if isinstance(codes, pa.ChunkedArray) else codes
    texts = [*codes.dictionary.to_pylist(), None]
    return [texts[code] for code in codes.indices.fill_null(len(texts) - 1).to_pylist()]


def _ints(column: Any) -> list[int]:
    """Convert the engine's numbers to exact integers."""
    try:
        values: list[int] = column.cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid:
        return [int(value) for value in column.to_pylist()]
    return values


def _first_offender(engine: Engine, events: ir.Table, sources: Iterable[SegmentSelection], terms: Terms) -> UsageError:
    """Names the first event that has no gross amount in the pool's currency."""
    odd = events.filter(events.unpriced > 0).order_by("log", "index").limit(1)
    (row,) = engine.run(odd.select("log", "index", "source", "event_id")).to_pylist()
    origin = [source.origin for source in sources][row["log"]]
    return no_gross(origin, row["index"], row["source"], row["event_id"], terms.currency)
