"""For the operator: what waits for somebody, rows in quarantine by kind and reason, and the jobs."""

from __future__ import annotations

from typing import Final

from ledger.ingest import quarantine
from service import status as standing
from service.web.call import Call, Content
from service.web.pages.drawing import page, text

EXAMPLES_MAX: Final = 3
"""Rows that a group shows."""


def status(call: Call) -> Content:
    """`GET /status`: what waits for somebody, first; then the log, the jobs and the streams."""
    with call.held.standing.folded() as ws:
        now = standing.status(ws)
    return page(call, "status.html", title=text("status.title"), now=now)


def quarantined(call: Call) -> Content:
    """`GET /quarantine`: rows that were not taken, grouped by kind, file and reason, the largest group first."""
    with call.held.standing.workspace() as ws, ws.log.store.reading() as connection:
        rows = quarantine.listed(connection)
    groups: dict[tuple[str, str, str], list[quarantine.Kept]] = {}
    for row in rows:
        groups.setdefault((row.kind, row.file, row.reason), []).append(row)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return page(
        call,
        "quarantine.html",
        title=text("quarantine.title"),
        count=len(rows),
        groups=[(key, len(group), group[:EXAMPLES_MAX]) for key, group in ordered],
    )
