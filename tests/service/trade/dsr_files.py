"""Digital sales reports made from the record tables of the standard: what a platform would send."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from service.trade.dsr.report import DsrPart

SENDER = "PADPIDA2014999999Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A row of streams: which resource, in which summary, how many."""

    resource: str
    streams: int
    isrc: str = ""
    summary: int = 1
    bearing: str = "true"


def line(*cells: object, width: int = 0) -> str:
    texts = [str(cell) for cell in cells]
    return "\t".join([*texts, *[""] * (width - len(texts))])


def head(*, profile: str, version: str = "1.2", message: str = "MSG-1", file: int = 1, files: int = 1) -> str:
    period = ("2026-06-01", "2026-06-30")
    return line(
        *("HEAD", "dsrf/1.2.0/1.2/1.1", profile, version, message, "2026-07-05T03:15:00Z", file, files),
        *(*period, SENDER, "GenStream", "GenStream", "PADPIDA2014111801Y", "HolderCo", ""),
    )


def summaries(sales: Sequence[Sale], territories: Sequence[str], record: str = "SY02.02") -> list[str]:
    totals: dict[int, int] = defaultdict(int)
    for sale in sales:
        totals[sale.summary] += sale.streams
    model = ("", "", "SubscriptionModel", "OnDemandStream")
    return [
        line(record, n, *model, place, "Premium", totals[n], "", "EUR", "4.2", width=22)
        for n, place in enumerate(territories, 1)
    ]


def report(
    sales: Sequence[Sale],
    territories: Sequence[str] = ("SE",),
    *,
    total: Sequence[Sale] | None = None,
    single: bool = False,
    minor: str = "",
    **header: object,
) -> bytes:
    """One file of a report; `total` are the sales of all its files, `minor` the version of its records."""
    profile = "BasicAudioProfileSRB" if single else "BasicAudioProfile"
    lines = [head(profile=profile, **header)]  # type: ignore[arg-type]
    lines += summaries(sales if total is None else total, territories)
    for n, sale in enumerate(sales, 1):
        if single:
            cells = ["SR02", sale.summary, sale.resource, sale.isrc, "Title", *[""] * 27]
            lines.append(line(*cells, f"T{n}", sale.bearing, sale.streams, ""))
            continue
        lines += [
            line("RE01", n, "R1", f"REL-{n}", width=15),
            line(f"AS01{minor}", n, "A1", sale.resource, sale.isrc, "Title", "", "Ann", width=12),
            line(f"SU02{minor}", n, sale.summary, f"T{n}", "", "A1", sale.bearing, sale.streams, width=10),
        ]
    blocks = "" if single else len(sales)
    lines.append(line("FOOT", len(lines) + 1, len(lines) + 1, len(territories), blocks, blocks))
    return ("\n".join(lines) + "\n").encode()


def part(data: bytes, name: str = "report.tsv") -> DsrPart:
    return DsrPart(name=name, open=lambda: io.BytesIO(data))
