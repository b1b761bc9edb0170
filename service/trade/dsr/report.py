"""A whole report, checked before anything of it is taken: header, every part, counts, and the sums of its summaries.

Memory holds the summaries alone, a few per territory and product.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from ledger.errors import InputError
from service.trade.dsr.records import FOOTS, HEADS, PROFILES, VERSIONS, DsrRecord, Opener, records

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_FILES_MAX: Final = 1000


@dataclass(slots=True, kw_only=True)
class DsrSummary:
    """What a summary record says of its rows, and what they came to."""

    territory: str
    product: str
    usages: int | None
    counted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DsrPart:
    """One file of a report: its name, and how it is opened anew."""

    name: str
    open: Opener


@dataclass(slots=True, kw_only=True)
class DsrReport:
    """A report whose counts and sums hold. `streams` rows are events; the others are not, and are counted here."""

    profile: str
    version: str
    message: str
    sender: str
    sender_name: str
    start: str
    end: str
    parts: int
    streams: int = 0
    downloads: int = 0
    not_royalty_bearing: int = 0
    summaries: dict[str, DsrSummary] = field(default_factory=dict)


def check(parts: Sequence[DsrPart]) -> DsrReport:
    """The report in these files, which are all its files in order; InputError says what does not hold."""
    report: DsrReport | None = None
    for number, part in enumerate(parts, 1):
        with part.open() as file:
            report = _check_part(part.name, records(file, part.name), number, len(parts), report)
    if report is None:
        raise InputError("no file of a report")
    for name, summary in report.summaries.items():
        if summary.usages is not None and summary.usages != summary.counted:
            raise InputError(
                f"{parts[0].name}: summary {name} ({summary.territory}, {summary.product}) says "
                f"{summary.usages:,} usages, and its rows come to {summary.counted:,}: the report is not complete"
            )
    return report


def head(parts: Sequence[DsrPart]) -> tuple[DsrReport, int, int]:
    """What the header of the first file says, which of the report's files that is, and how many there are."""
    with parts[0].open() as file:
        first = next(records(file, parts[0].name), None)
    if first is None or first.kind not in HEADS:
        raise InputError(f"{parts[0].name}: its first record is no HEAD: no digital sales report")
    try:
        return _report(first), first.whole("file"), first.whole("files")
    except InputError as problem:
        raise InputError(f"{parts[0].name}: line {first.line}: {problem}") from None


def _check_part(name: str, rows: Iterator[DsrRecord], number: int, total: int, report: DsrReport | None) -> DsrReport:
    last: DsrRecord | None = None
    summaries = blocks = 0
    block = ""
    for lines, record in enumerate(rows, 1):
        try:
            if last is not None and last.kind in FOOTS:
                raise InputError(f"a record follows {last.kind}, which is the last one")
            if lines == 1:
                report = _joined(record, number, total, report)
            elif record.kind in HEADS or report is None:
                raise InputError(f"a second {record.kind}")
            elif record.kind.startswith("SY"):
                summaries += 1
                _summarise(report, record)
            elif record.kind in ("SU01", "SU02", "SR01", "SR02"):
                _count(report, record)
            own = record.cells[1] if record.kind[:2] in ("RE", "AS", "MW", "SU") and len(record.cells) > 1 else ""
            blocks, block = blocks + (own not in ("", block)), own or block
            if record.kind in FOOTS:
                _check_foot(record, lines, summaries, blocks if report.profile == PROFILES[0] else None)
        except InputError as problem:
            raise InputError(f"{name}: line {record.line}: {problem}") from None
        last = record
    if last is None or report is None:
        raise InputError(f"{name} holds no record")
    if last.kind not in FOOTS:
        raise InputError(f"{name}: no FOOT at its end: the file was cut off after line {last.line}; send it again")
    return report


def _joined(record: DsrRecord, number: int, total: int, report: DsrReport | None) -> DsrReport:
    """The report that a header begins, or goes on with."""
    if record.kind not in HEADS:
        raise InputError(f"the first record is {record.kind}, expected HEAD")
    own = _report(record)
    if (record.whole("file"), record.whole("files")) != (number, total):
        raise InputError(f"file {record.cell('file')} of {record.cell('files')}, expected {number} of {total}")
    own.parts = total
    if report is None:
        return own
    if (own.message, own.sender, own.start, own.end) != (report.message, report.sender, report.start, report.end):
        raise InputError(f"message {own.message} of {own.sender} is another report than {report.message}")
    return report


def _report(record: DsrRecord) -> DsrReport:
    profile, version = record.cell("profile"), record.cell("version")
    if profile not in PROFILES or version not in VERSIONS:
        raise InputError(
            f"profile {profile!r} version {version!r}; read are {' and '.join(PROFILES)}, "
            f"versions {', '.join(VERSIONS)}"
        )
    for name in ("message", "sender"):
        if not record.cell(name):
            raise InputError(f"the header names no {name}")
    start, end = _day(record, "start"), _day(record, "end")
    if start > end:
        raise InputError(f"usage start {start} is after usage end {end}")
    if (start.year, start.month) != (end.year, end.month):  # its rows say no time, so all would count in the first
        raise InputError(f"usage from {start} to {end} is of several months; ask the sender for one report a month")
    if not 1 <= record.whole("file") <= record.whole("files") <= _FILES_MAX:
        raise InputError(f"file {record.cell('file')} of {record.cell('files')}: not possible")
    return DsrReport(
        profile=profile,
        version=version,
        message=record.cell("message"),
        sender=record.cell("sender"),
        sender_name=record.cell("name"),
        start=start.isoformat(),
        end=end.isoformat(),
        parts=record.whole("files"),
    )


def _day(record: DsrRecord, name: str) -> date:
    text = record.cell(name)
    try:
        if _DATE.match(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InputError(f"usage {name} {text!r}: expected a date, such as 2026-06-01")


def _summarise(report: DsrReport, record: DsrRecord) -> None:
    if record.kind not in ("SY01", "SY02", "SY04", "SY06"):
        return
    usages = record.whole("usages") if record.cell("usages") else None
    product = record.cell("service") or record.cell("model")
    summary = DsrSummary(territory=record.cell("territory"), product=product, usages=usages)
    earlier = report.summaries.setdefault(record.cell("summary"), summary)
    if (earlier.territory, earlier.product, earlier.usages) != (summary.territory, summary.product, summary.usages):
        raise InputError(f"summary {record.cell('summary')} stands there twice and differs")


def _count(report: DsrReport, record: DsrRecord) -> None:
    """Add a row's usages to its summary, and count the row as what it is."""
    summary = report.summaries.get(record.cell("summary"))
    if summary is None:
        raise InputError(f"summary {record.cell('summary')!r} is none of the records before")
    summary.counted += record.whole("usages")
    if record.kind in ("SU01", "SR01"):
        report.downloads += 1
    elif is_royalty_bearing(record):
        report.streams += 1
    else:
        report.not_royalty_bearing += 1


def is_royalty_bearing(record: DsrRecord) -> bool:
    """Whether a row of streams is to be paid: unless it says otherwise, it is."""
    text = record.cell("bearing").lower()
    if text not in ("", "true", "false", "1", "0"):
        raise InputError(f"IsRoyaltyBearing {text!r}: expected true or false")
    return text not in ("false", "0")


def _check_foot(record: DsrRecord, lines: int, summaries: int, blocks: int | None) -> None:
    """That the footer's counts are the file's. Lines are counted with comments by some, and without by others."""
    for name, counted in (("lines", (lines, record.line)), ("summaries", (summaries,)), ("blocks", (blocks,))):
        if None not in counted and record.whole(name) not in counted:
            raise InputError(f"{record.kind} says {record.cell(name)} {name}, the file has {counted[0]:,}")
