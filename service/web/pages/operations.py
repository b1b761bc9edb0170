"""For the operator: what waits for somebody, the jobs, and rows in quarantine, to replay or to discard by group."""

from __future__ import annotations

from typing import Final

from ledger.errors import InputError
from ledger.ingest import quarantine
from service import status as standing
from service.log import ingesting
from service.web.call import Call, Content, Redirect
from service.web.pages.drawing import page, text

EXAMPLES_MAX: Final = 3
"""Rows that a group shows."""
TOGETHER_MAX: Final = 1_000
"""Rows of a group that one form replays or discards."""
GROUPS_MAX: Final = 100
"""Groups that the page shows: nearly every row of a hostile file has a reason of its own."""


def status(call: Call) -> Content:
    """`GET /status`: what waits for somebody, first; then the log, the jobs and the streams."""
    with call.held.standing.folded() as ws:
        now = standing.status(ws)
    return page(call, "status.html", title=text("status.title"), now=now)


def quarantined(call: Call) -> Content:
    """`GET /quarantine`: rows that were not taken, grouped by kind, file and reason, the largest group first."""
    with call.held.standing.workspace() as ws, ws.log.store.reading() as connection:
        count = quarantine.count(connection)
        groups, total = quarantine.grouped(connection, most=GROUPS_MAX, most_ids=TOGETHER_MAX, examples=EXAMPLES_MAX)
    return page(
        call,
        "quarantine.html",
        title=text("quarantine.title"),
        count=count,
        groups=groups,
        others=total - len(groups),
    )


def replay(call: Call) -> Redirect:
    """`POST /quarantine/replay`: try the rows of a group again, after the reason was mended."""
    numbers = _numbers(call)
    call.held.standing.acting_apart(lambda ws: ingesting.replay(ws, numbers))
    return Redirect(path="/quarantine")


def discard(call: Call) -> Redirect:
    """`POST /quarantine/discard`: give the rows of a group up, with the reason."""
    numbers, reason = _numbers(call), call.field("reason")
    call.held.standing.acting_apart(lambda ws: ingesting.discard(ws, numbers, reason))
    return Redirect(path="/quarantine")


def _numbers(call: Call) -> list[int]:
    words = call.field("rows").split()
    if len(words) > TOGETHER_MAX or not all(word.isascii() and word.isdecimal() and len(word) < 16 for word in words):
        raise InputError(f"rows: expected at most {TOGETHER_MAX} numbers of rows")
    return [int(word) for word in words]
