"""The usage stage: every event of a period summed by what its money depends on, as one Ibis expression.

The expression runs where the segments are, on DuckDB or on Spark, and only ever sums integers as
decimals (a bare integer sum wraps on some engines, and `//` goes through floating point on all of them).
What a sum means, and every division, is left to exact Python integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from ledger.errors import StateError
from ledger.segments.manifest import File, Manifest
from ledger.types import Digest, format_time
from payouts.errors import UsageError
from payouts.grain import ELSEWHERE, Grain, Membership
from payouts.intake import row_key
from payouts.protocols import UsageRow
from payouts.terms import Terms
from payouts.usage_plain import no_gross

if TYPE_CHECKING:
    import ibis.expr.types as ir

EXACT: Final = "decimal(18, 0)"
"""What is summed is cast to this first: no engine sums it with wrapping or rounding."""
EXACT_SUM: Final = "decimal(28, 0)"


class Engine(Protocol):
    """Where the expression runs."""

    name: str

    def scan(self, paths: Sequence[str]) -> ir.Table:
        """These Parquet files as one table."""

    def local(self, rows: pa.Table) -> ir.Table:
        """A small table of ours."""

    def run(self, expression: ir.Table) -> pa.Table:
        """The rows of an expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One log's part in a run: its segments under `base` (a folder or an object store's URL), and what is taken.

    `pairs`: (track, vector) of each binding, in the order of their numbers.
    """

    origin: str
    base: str
    manifests: Sequence[Manifest]
    membership: Membership
    pairs: Sequence[tuple[str, Digest | None]]


@dataclass(frozen=True, slots=True)
class Scan:
    """Files that are read alike: of one log, in one bucket (or cut inside the day), wholly taken or by index."""

    log: int
    buckets: tuple[int, ...]
    cuts: tuple[str, ...]
    low: int | None
    high: int | None


def usage(
    engine: Engine, sources: Sequence[Source], *, assigned: Mapping[str, Digest], terms: Terms, grain: Grain
) -> list[UsageRow]:
    """The usage of a pool, sorted; `assigned` is each track's first assignment, for events without a vector."""
    buckets: list[str] = []
    scans = plan(sources, grain, buckets)
    if not scans:
        return []
    resolved = _Resolved.of(sources, assigned)
    selected = _selected(engine, scans, terms, grain)
    found = engine.run(expression(selected, engine.local(resolved.table), grain))
    if grain.gross and pc.any(pc.greater(found.column("unpriced"), 0)).as_py():
        raise _first_offender(engine, selected, sources, terms)
    return sorted(_rows(found, resolved, buckets, terms, grain), key=row_key)


# --- which files, and how -----------------------------------------------------------------------


def plan(sources: Sequence[Source], grain: Grain, buckets: list[str]) -> dict[Scan, list[str]]:
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
            if (taken := _taken(file, source.membership)) is None:
                continue
            day = file.day or ""
            cuts = grain.cuts_within(day)
            starts = [grain.bucket(at) for at in (f"{day}T00:00:00Z", *cuts)]
            codes = tuple(numbers.setdefault(start, len(numbers)) for start in starts)
            scans.setdefault(Scan(log, codes, cuts, *taken), []).append(f"{source.base}/{file.path}")
    buckets += numbers
    return scans


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
    """Every event that the pool takes, with the columns it is summed by."""
    import ibis

    parts = [_scanned(engine.scan(paths), scan, terms, grain) for scan, paths in scans.items()]
    return reduce(lambda one, other: ibis.union(one, other, distinct=False), parts)


def _scanned(events: ir.Table, scan: Scan, terms: Terms, grain: Grain) -> ir.Table:
    import ibis

    for name, wanted in (("source", terms.sources), ("product", terms.products), ("territory", terms.territories)):
        if wanted:
            events = events.filter(events[name].isin(wanted))
    if scan.low is not None:
        events = events.filter(events.index >= scan.low)
    if scan.high is not None:
        events = events.filter(events.index < scan.high)
    columns: dict[str, Any] = {
        "log": ibis.literal(scan.log, "int32"),
        "binding": events.binding,
        "bucket": _bucket(events, scan),
        "source": events.source,
        "territory": _territory(events, grain),
        "units": events.units,
        "index": events.index,
        "event_id": events.event_id,
    }
    if grain.products:
        columns["product"] = events.product
    if grain.listeners:
        columns["listener"] = events.listener
    if grain.gross:
        priced = events.gross_micros.notnull() & events.currency.identical_to(terms.currency)
        columns |= {"gross": events.gross_micros, "unpriced": priced.ifelse(0, 1)}
    return events.select(**columns)


def _bucket(events: ir.Table, scan: Scan) -> Any:
    import ibis

    *before, last = (ibis.literal(code, "int32") for code in scan.buckets)
    if not before:
        return last
    borders = [ibis.timestamp(cut.removesuffix("Z"), timezone="UTC") for cut in scan.cuts]
    return ibis.cases(
        *((events.occurred_at < cut, code) for cut, code in zip(borders, before, strict=True)), else_=last
    )


def _territory(events: ir.Table, grain: Grain) -> Any:
    import ibis

    if not grain.territories:
        return ibis.literal(ELSEWHERE)
    return events.territory.isin(grain.territories).ifelse(events.territory, ELSEWHERE)


def expression(events: ir.Table, resolved: ir.Table, grain: Grain) -> ir.Table:
    """Events summed by (track, vector), time, platform and whatever else the grain keeps apart.

    First by the numbers that events carry, which is what most of the work is; then once more with those
    numbers resolved, because an event bound late and one bound at once may come to the same vector.
    """
    sums = ["units", "count", *(["gross", "unpriced"] if grain.gross else [])]
    apart = ["bucket", "source", "territory"]
    apart += [name for name, wanted in (("product", grain.products), ("listener", grain.listeners)) if wanted]
    by_number = events.group_by("log", "binding", *apart).aggregate(
        **{name: events[name].cast(EXACT).sum().cast(EXACT_SUM) for name in sums if name != "count"},
        count=events.count().cast(EXACT_SUM),
    )
    named = by_number.join(resolved, ["log", "binding"])
    return named.group_by("pair", *apart).aggregate(**{name: named[name].sum().cast(EXACT_SUM) for name in sums})


# --- from numbers back to names -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Resolved:
    """Which (track, vector) each binding of each log comes to, late assignments included."""

    pairs: list[tuple[str, Digest | None]]
    table: pa.Table

    @classmethod
    def of(cls, sources: Sequence[Source], assigned: Mapping[str, Digest]) -> _Resolved:
        numbers: dict[tuple[str, Digest | None], int] = {}
        logs: list[int] = []
        bindings: list[int] = []
        found: list[int] = []
        for log, source in enumerate(sources):
            for binding, (track, vector) in enumerate(source.pairs):
                pair = (track, assigned.get(track) if vector is None else vector)
                logs.append(log)
                bindings.append(binding)
                found.append(numbers.setdefault(pair, len(numbers)))
        rows = {"log": logs, "binding": bindings, "pair": found}
        return cls(list(numbers), pa.table({name: pa.array(values, pa.int32()) for name, values in rows.items()}))


def _rows(
    found: pa.Table, resolved: _Resolved, buckets: Sequence[str], terms: Terms, grain: Grain
) -> Iterator[UsageRow]:
    """The engine's answer as usage rows; each distinct text exists once in memory."""
    count = found.num_rows
    pairs, starts = found.column("pair").to_pylist(), found.column("bucket").to_pylist()
    for pair, bucket, source, territory, product, listener, units, number, gross in zip(
        pairs,
        starts,
        *(_texts(found, name) for name in ("source", "territory")),
        *(_texts(found, name) if name in found.column_names else [None] * count for name in ("product", "listener")),
        *(_ints(found.column(name)) for name in ("units", "count")),
        _ints(found.column("gross")) if grain.gross else [None] * count,
        strict=True,
    ):
        track, vector = resolved.pairs[pair]
        yield UsageRow(
            track=track,
            vector=vector,
            territory=territory,
            at=buckets[bucket],
            source=source,
            product=product,
            listener=listener,
            units=units,
            gross=gross,
            currency=terms.currency if grain.gross else None,
            count=number,
        )


def _texts(found: pa.Table, name: str) -> list[Any]:
    codes = found.column(name).combine_chunks().dictionary_encode()
    texts = codes.dictionary.to_pylist()
    return [None if code is None else texts[code] for code in codes.indices.to_pylist()]


def _ints(column: Any) -> list[int]:
    """Exact integers, whatever the engine calls them."""
    try:
        values: list[int] = column.cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid:
        return [int(value) for value in column.to_pylist()]
    return values


def _first_offender(engine: Engine, events: ir.Table, sources: Iterable[Source], terms: Terms) -> UsageError:
    """Names the first event that has no gross amount in the pool's currency."""
    odd = events.filter(events.unpriced > 0).order_by("log", "index").limit(1)
    (row,) = engine.run(odd.select("log", "index", "source", "event_id")).to_pylist()
    origin = [source.origin for source in sources][row["log"]]
    return no_gross(origin, row["index"], row["source"], row["event_id"], terms.currency)
