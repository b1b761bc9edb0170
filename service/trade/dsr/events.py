"""Stream events of a report that was checked: one for each row of streams that is to be paid.

A report sums a period and says no time: its events are dated at the period's start. Money that it names is the whole
summary's, so events carry none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from ledger.errors import InputError
from ledger.ingest.rows import Collector, Rows, as_line
from ledger.ingest.tables import event_of
from ledger.registry import identifiers
from service.trade.dsr.records import DsrRecord, records
from service.trade.dsr.report import DsrPart, DsrReport, is_royalty_bearing

ISRC: Final = "isrc:"
EITHER: Final = "|"
"""Between the names of a track that is not known by any of them."""
ROWS_MAX: Final = 5_000

Resolve = Callable[[Sequence[str]], str | None]
"""The id of the one registered track that has these names; None where there is none, or several."""

_COUNTRY: Final = re.compile(r"[A-Z]{2}\Z", re.ASCII)


def events(parts: Sequence[DsrPart], report: DsrReport, resolve: Resolve) -> Iterator[Rows]:
    """The events of a report, some thousand rows at a time."""
    for number, part in enumerate(parts, 1):
        with part.open() as file:
            resources: dict[str, tuple[str, ...]] = {}
            block = ""
            rows = Collector(position=0)
            for record in records(file, part.name):
                if record.kind in ("AS01", "AS02"):
                    if record.cell("block") != block:
                        resources, block = {}, record.cell("block")
                    resources[record.cell("reference")] = _names(report, record)
                elif record.kind in ("SU02", "SR02") and is_royalty_bearing(record):
                    names: Sequence[str] = ()
                    if record.kind == "SR02":
                        names = _names(report, record)
                    elif record.cell("block") == block:
                        names = resources.get(record.cell("reference"), ())
                    _take(rows, report, number, record, resolve(names) or EITHER.join(names))
                if len(rows.events) + len(rows.refused) >= ROWS_MAX:
                    rows.position = record.position
                    yield rows.rows()
                    rows = Collector(position=record.position)
            yield rows.rows()


def _names(report: DsrReport, record: DsrRecord) -> tuple[str, ...]:
    """What the report calls a resource: its ISRC, and the sender's own id."""
    names = []
    if code := record.first("isrc"):
        with suppress(InputError):  # an ISRC that is none names nothing; the sender's own id may
            names.append(f"{ISRC}{identifiers.isrc(code)}")
    if own := record.cell("resource"):
        names.append(f"{report.sender}::{own}")
    return tuple(names)


def _take(rows: Collector, report: DsrReport, number: int, record: DsrRecord, track: str) -> None:
    """Take one row of streams, or refuse it as the event that it would have been."""
    summary = report.summaries[record.cell("summary")]
    block = record.cell("block")
    identity = (report.sender, report.message, str(number), block, record.cell("summary"), record.cell("sale"))
    event: dict[str, Any] = {
        "source": report.sender,
        "event_id": "/".join(identity),
        "track": track,
        "occurred_at": f"{report.start}T00:00:00Z",
        "territory": summary.territory,
        "units": record.whole("usages"),
        "product": summary.product,
    }
    try:
        if not track:
            raise InputError("the row names no resource of its block that has an ISRC or an id")
        if not record.cell("sale"):
            raise InputError("the row has no SalesTransactionId: sent again, it would count twice")
        if event["units"] < 0:
            raise InputError(
                f"{event['units']} streams: takes back what an earlier report said; mend that month by settle adjust"
            )
        if not _COUNTRY.match(summary.territory):
            raise InputError(
                f"territory {summary.territory!r}: shares differ by country; ask the sender for a report by country"
            )
        rows.take(record.line, as_line(event), event_of(event))
    except InputError as problem:
        rows.refuse(record.line, as_line(event), problem)


def resolver(names: dict[str, set[str]]) -> Resolve:
    """Finds a track by what others call it; `names` gives the tracks of each name."""

    def resolve(aliases: Sequence[str]) -> str | None:
        tracks = {track for name in aliases for track in names.get(name, ())}
        return tracks.pop() if len(tracks) == 1 else None

    return resolve
