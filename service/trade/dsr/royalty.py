"""Royalty reports of the DSR family: what a licensor earned by each track and source, with the sums that enclose it.

Profile `RoyaltyReportingProfile` 1.0.1. A track is a block: the resource (AS01), its use and revenue (SU03) and a line
for each source of the licensor's (LI01), which are the details of the claim. What the log does not know stays empty.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ledger import units
from ledger.errors import InputError
from ledger.registry.readers import FORMULA, unquoted

PROFILE: Final = "RoyaltyReportingProfile"
VERSION: Final = "1.0.1"
SEVERAL: Final = "several"
"""The resource of money that is not one track's: of style groups and training pools."""
_PERCENT: Final = 10**10
"""Of a share in parts of 10^12."""
_BREAKS: Final = re.compile(r"[\t\r\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoyaltySender:
    """Who sends a report to whom; the ids are DPIDs where there are some."""

    party: str
    name: str
    recipient: str
    recipient_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoyaltyLine:
    """What one source earned for the licensor in one track. `share`: the licensor's part of the source, of 10^12."""

    track: str
    title: str
    units: int
    source: str
    aspect: str
    share: int | None
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoyaltySummary:
    """One pool of the period: its currency, and what its lines must come to."""

    pool: str
    currency: str
    earned_micros: int
    lines: tuple[RoyaltyLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoyaltyReport:
    """A licensor's report of a period."""

    message: str
    created: str
    start: str
    end: str
    sender: RoyaltySender
    summaries: tuple[RoyaltySummary, ...]


def write(report: RoyaltyReport) -> bytes:
    """The report as a file of tab-separated records."""
    who = report.sender
    head = ["HEAD", "1.0", PROFILE, VERSION, report.message, report.created, "1", "1", report.start, report.end]
    rows = [[*head, who.party, who.name, "", who.recipient, who.recipient_name, ""]]
    for number, summary in enumerate(report.summaries, 1):
        usages = str(sum(lines[0].units for lines in _by_track(summary.lines)))
        earned = _amount(summary.earned_micros)
        where = ["SY07", str(number), "", "", "", "", "Worldwide", "", summary.pool]
        rows.append([*where, usages, "", summary.currency, "", who.recipient_name, who.recipient, "", earned, earned])
    blocks = 0
    for number, summary in enumerate(report.summaries, 1):
        for lines in _by_track(summary.lines):
            blocks += 1
            rows += _block(report, str(blocks), str(number), lines)
    total = str(len(rows) + 1)
    rows.append(["FOOT", total, total, str(len(report.summaries)), str(blocks), str(blocks)])
    return "".join("\t".join(map(_cell, row)) + "\n" for row in rows).encode()


def _block(report: RoyaltyReport, block: str, summary: str, lines: Sequence[RoyaltyLine]) -> Iterator[list[str]]:
    """The records of one track."""
    who, first = report.sender, lines[0]
    own, revenue = first.track or SEVERAL, _amount(sum(line.micros for line in lines))
    yield ["AS01", block, "A1", own, "", first.title, "", "", "", "", "SoundRecording"]
    sale = f"{report.message}-{block}"
    yield ["SU03.01", block, sale, summary, own, str(first.units), revenue, report.start, report.end]
    for line in lines:
        share = "" if line.share is None else f"{line.share // _PERCENT}.{line.share % _PERCENT:010}"
        amount = _amount(line.micros)
        whose = [who.recipient_name, who.recipient, line.source, share, line.aspect]
        yield ["LI01.01", block, summary, *whose, amount, amount]


def read(data: bytes, name: str) -> RoyaltyReport:
    """The report in a file; InputError where a count or a sum does not hold."""
    try:
        rows = [[_text(cell) for cell in line.split("\t")] for line in data.decode().removesuffix("\n").split("\n")]
        return _report(rows)
    except UnicodeDecodeError:
        raise InputError(f"{name}: not UTF-8") from None
    except InputError as problem:
        raise InputError(f"{name}: {problem}") from None


_WIDTHS: Final = {"HEAD": 16, "SY07": 18, "AS01": 11, "SU03.01": 9, "LI01.01": 10, "FOOT": 6}


def _check(rows: Sequence[Sequence[str]]) -> None:
    """Head, foot, and the counts that enclose the records."""
    for number, row in enumerate(rows, 1):
        if len(row) != _WIDTHS.get(row[0]):
            raise InputError(f"line {number}: {row[0][:20]!r} with {len(row)} cells is no record of {PROFILE}")
    kinds = [row[0] for row in rows]
    if kinds[0] != "HEAD" or list(rows[0][2:4]) != [PROFILE, VERSION]:
        raise InputError(f"expected a HEAD of {PROFILE} {VERSION}")
    if kinds[-1] != "FOOT":
        raise InputError("no FOOT at its end: the file was cut off; send it again")
    if kinds.count("HEAD") != 1 or kinds.count("FOOT") != 1:
        raise InputError("a second HEAD or FOOT")
    counts = [str(len(rows)), str(len(rows)), str(kinds.count("SY07")), str(kinds.count("AS01"))]
    if list(rows[-1][1:5]) != counts:
        raise InputError(f"FOOT counts {', '.join(rows[-1][1:5])}, and there are {', '.join(counts)}")


def _report(rows: Sequence[Sequence[str]]) -> RoyaltyReport:
    _check(rows)
    head = rows[0]
    tracks = {row[1]: row for row in rows if row[0] == "AS01"}
    uses = {row[1]: row for row in rows if row[0] == "SU03.01"}
    lines: dict[str, list[RoyaltyLine]] = {row[1]: [] for row in rows if row[0] == "SY07"}
    revenues: dict[str, int] = defaultdict(int)
    for row in rows:
        if row[0] == "LI01.01":
            if row[1] not in tracks or row[1] not in uses or row[2] not in lines:
                raise InputError(f"LI01 of block {row[1]!r} and summary {row[2]!r}, which are not there")
            lines[row[2]].append(_line(row, tracks[row[1]], uses[row[1]]))
            revenues[row[1]] += lines[row[2]][-1].micros
    for block, use in uses.items():
        if revenues[block] != units.micros(use[6]):
            raise InputError(f"block {block}: its lines come to {_amount(revenues[block])}, and SU03 says {use[6]}")
    summaries = []
    for row in rows:
        if row[0] == "SY07":
            earned = sum(line.micros for line in lines[row[1]])
            if earned != units.micros(row[16]):
                raise InputError(f"summary {row[1]}: its lines come to {_amount(earned)}, and SY07 says {row[16]}")
            summaries.append(
                RoyaltySummary(pool=row[8], currency=row[11], earned_micros=earned, lines=tuple(lines[row[1]]))
            )
    return RoyaltyReport(
        message=head[4],
        created=head[5],
        start=head[8],
        end=head[9],
        sender=RoyaltySender(party=head[10], name=head[11], recipient=head[13], recipient_name=head[14]),
        summaries=tuple(summaries),
    )


def _line(row: Sequence[str], track: Sequence[str], use: Sequence[str]) -> RoyaltyLine:
    if not use[5].isdecimal() or not use[5].isascii():
        raise InputError(f"SU03 says {use[5]!r} usages")
    return RoyaltyLine(
        track="" if track[3] == SEVERAL else track[3],
        title=track[5],
        units=int(use[5]),
        source=row[5],
        aspect=row[7],
        share=_part(row[6]) if row[6] else None,
        micros=units.micros(row[9]),
    )


def _part(text: str) -> int:
    match = re.fullmatch(r"(\d{1,3})\.(\d{10})", text, re.ASCII)
    if match is None:
        raise InputError(f"LI01 says share {text!r}, expected a percentage with ten decimals")
    return int(match[1]) * _PERCENT + int(match[2])


def _by_track(lines: Sequence[RoyaltyLine]) -> Iterable[list[RoyaltyLine]]:
    """The lines of each track, in the order of the first of each."""
    tracks: dict[str, list[RoyaltyLine]] = {}
    for line in lines:
        tracks.setdefault(line.track, []).append(line)
    return tracks.values()


def _amount(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06}"


def _cell(text: str) -> str:
    """A cell that stays one cell, and that no spreadsheet takes for a formula."""
    plain = _BREAKS.sub(" ", text).replace("|", "\\|")
    return f"'{plain}" if plain.startswith(FORMULA) else plain


def _text(cell: str) -> str:
    return unquoted(cell).replace("\\|", "|")
