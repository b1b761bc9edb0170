"""Platforms' sales reports (DSR) as events of this workspace: find the files of a report, and the tracks in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from ledger.errors import InputError
from ledger.ingest.blocks import open_file
from ledger.ingest.rows import Rows
from service.trade.dsr.events import EITHER, ISRC, Resolve, events, resolver
from service.trade.dsr.records import looks_like_dsr
from service.trade.dsr.report import DsrPart, DsrReport, check, head

if TYPE_CHECKING:
    from service.workspace import Workspace

_NUMBERED: Final = re.compile(r"_(\d+)of(\d+)(?=[_.])", re.ASCII)
_LOOKED_AT: Final = 64 << 10


def is_report(path: Path | None, form: str | None) -> bool:
    """Return whether a file is a sales report, by the caller's choice or by its beginning."""
    if form is not None or path is None:
        return form == "dsr"
    if not path.is_file():
        return False
    with open_file(path) as file:
        start = file.read(_LOOKED_AT)
    if start.startswith(b"\x1f\x8b"):
        return path.name.startswith("DSR_")
    return looks_like_dsr(start)


def checked(path: Path, source: str | None) -> tuple[list[DsrPart], DsrReport]:
    """Return all files of the report that this file belongs to, and the report after checking its counts and sums."""
    first = _part(path)
    report, _, total = head([first])
    if source not in (None, report.sender):
        raise InputError(f"{path} is a report of {report.sender}, and this file is taken as one of {source!r}")
    parts = [first] if total == 1 else [_part(name) for name in _siblings(path, total)]
    return parts, check(parts)


def _part(path: Path) -> DsrPart:
    return DsrPart(name=str(path), open=partial(open_file, path))


def _siblings(path: Path, total: int) -> Iterator[Path]:
    """Return the files of a report in several parts, found in one folder by `1of3` in their names."""
    numbered = _NUMBERED.search(path.name)
    if numbered is None or int(numbered[2]) != total:
        raise InputError(f"{path} is one of {total} files of a report; its name must say which, such as _1of{total}_")
    prefix = path.name[: numbered.start()]
    for number in range(1, total + 1):
        start = f"{prefix}_{number}of{total}"
        same = sorted(
            file
            for file in path.parent.iterdir()
            if file.name.startswith((f"{start}_", f"{start}.")) and file.is_file()
        )
        if len(same) != 1:
            raise InputError(
                f"{path}: {len(same)} files {start}_... beside it, expected one: a report is taken whole or not at all"
            )
        yield same[0]


def read(ws: Workspace, parts: list[DsrPart], report: DsrReport) -> Iterator[Rows]:
    """Yield the events of a checked report, with our tracks' ids where they are known."""
    return events(parts, report, track_names(ws))


def track_names(ws: Workspace) -> Resolve:
    """Return a function that finds tracks by their registered ISRCs and aliases."""
    names: dict[str, set[str]] = defaultdict(set)
    for name, track in ws.registry.view().tracks.items():
        for alias in (*track.aliases, *([f"{ISRC}{track.isrc}"] if track.isrc else [])):
            names[alias].add(name)
    return resolver(names)


def resolved(rows: Rows, resolve: Resolve) -> Rows:
    """Yield quarantined rows with the id of their track, if it is registered by now."""
    for position, event in enumerate(rows.events):
        if event.track.startswith(ISRC) or "::" in event.track:
            track = resolve(event.track.split(EITHER))
            if track is not None:
                rows.events[position] = msgspec.structs.replace(event, track=track)
    return rows
