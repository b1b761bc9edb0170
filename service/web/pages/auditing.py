"""For auditors: who was given access, how far the witnesses are, and the files to check without this server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.access import keys
from service.settlement.finding import find_run
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements.proving import run_bundle
from service.web.call import Call, Content
from service.web.pages.drawing import page, text
from service.witness.asking import outstanding

if TYPE_CHECKING:
    from payouts.life.book import Book
    from payouts.life.revisions import Restate


def audit(call: Call) -> Content:
    """`GET /audit`: what is odd first, then the downloads and the acts of administration."""
    with call.held.standing.folded() as ws:
        book = read_book(ws)
        behind = outstanding(ws.log, ws.trust.policy)
        acts = list(reversed(keys.administrative_acts(ws.log)))
        published = [book.runs[run] for run in book.published]
        size = ws.log.head().size
    return page(
        call,
        "audit.html",
        title=text("audit.title"),
        behind=behind,
        voids=[str(void) for void in book.voids],
        runs=sorted(published, key=lambda run: (run.period, run.pool), reverse=True),
        acts=acts,
        size=size,
    )


def bundle(call: Call) -> Content:
    """`GET /runs/{run}/bundle`: every row of a published run, which verifies without this server."""
    with call.held.standing.folded() as ws:
        book = read_book(ws)
        stored = load(ws.log, find_run(book, call.params["run"]))
        data = run_bundle(ws.log, ws.trust.policy, book, stored)
    return Content(data=data, media="application/json", filename=f"run-{stored.record.run[:16]}.bundle")


def restatements(call: Call) -> Content:
    """`GET /restatements`: corrections of published months: from which, into which, and how far they are."""
    with call.held.standing.folded() as ws:
        book = read_book(ws)
    rows = [
        (restate, book.runs[restate.run].period, _state(book, restate)) for restate in reversed(book.restates.values())
    ]
    return page(call, "restatements.html", title=text("restatements.title"), rows=rows)


def methods(call: Call) -> Content:
    """`GET /methods`: how each method of attribution was measured, and how often it was wrong."""
    from attribution.methods.calibration import shipped

    calibration = shipped()
    errors = [(name, error) for name in sorted(calibration.errors) if (error := calibration.error(name)) is not None]
    return page(call, "methods.html", title=text("methods.title"), errors=errors, digest=calibration.digest)


def _state(book: Book, restate: Restate) -> str:
    if restate.id in book.withdrawn:
        return "withdrawn"
    return "approved" if book.approved(restate.id) else "waits"
