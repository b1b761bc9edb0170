"""Tracks, decisions, periods, runs, statements, status: the command line's data, for parties that may see it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ledger.errors import InputError
from ledger.types import Period
from service import status as standing
from service.registry import deciding, pages
from service.settlement import months
from service.settlement.step import read_book
from service.statements import explaining, statements, writing
from service.web.call import Call, Content
from service.web.guard.problems import NotFoundError

if TYPE_CHECKING:
    from service.workspace import Workspace

FORMS: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
    "html": "text/html; charset=utf-8",
}
_SAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


def track(call: Call) -> dict[str, Any]:
    """`GET /v1/tracks/{track}`: what is registered, and the vector that the track pays by."""
    name = call.params["track"]
    with call.held.standing.folded() as ws:
        if name not in ws.registry.view().tracks:
            raise NotFoundError(f"track {name!r}")
        return pages.show(ws, name)


def decision(call: Call) -> Any:
    """`GET /v1/decisions?subject=&use=`: whether a use of a recording or work is permitted, and why."""
    with call.held.standing.folded() as ws:
        return deciding.decide(
            ws,
            call.required("subject"),
            call.required("use"),
            at=call.query.get("at"),
            known_at=call.query.get("known_at"),
            territory=call.query.get("territory", "WORLD"),
            licensee=call.query.get("licensee"),
            model=call.query.get("model"),
        )


class ReceiptRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The question of a receipt. It is valid for `track`, or for tracks registered within 24 hours (ADR 56)."""

    subject: str
    use: str
    model: str
    territory: str = "WORLD"
    track: str | None = None


def decision_receipt(call: Call) -> dict[str, Any]:
    """`POST /v1/decisions/{licensee}`: the answer as of now, signed and recorded; `statement` is what was signed."""
    try:
        request = msgspec.json.decode(call.body, type=ReceiptRequest)
    except msgspec.MsgspecError as problem:
        raise InputError(f"the body: {problem}; expected subject, use, model, and maybe territory and track") from None
    if call.principal is not None:
        call.held.buckets.take(call.principal.key, "receipts", 1, call.held.limits.receipts_per_second)

    def issue(ws: Workspace) -> dict[str, Any]:
        decided = deciding.decide(
            ws,
            request.subject,
            request.use,
            at=None,
            known_at=None,
            territory=request.territory,
            licensee=call.params["licensee"],
            model=request.model,
            keep=True,
            track=request.track,
        )
        answer: dict[str, Any] = msgspec.to_builtins(decided)
        return answer | {"statement": json.loads(ws.log.blob(str(decided.receipt)))}

    return call.held.standing.acting(issue, folding=True)


def statement(call: Call) -> Content:
    """`GET /v1/statements/{party}/{period}?form=json|csv|pdf|html|bundle`."""
    party, period = call.params["party"], str(Period.parse(call.params["period"]))
    form = call.query.get("form", "json")
    name = f"{_SAFE.sub('_', party)}-{period}"
    with call.held.standing.folded() as ws:
        if form == "bundle":
            data = statements.prove(ws, party, period, call.query.get("pool"))
            return Content(data=data, media="application/json", filename=f"{name}.bundle")
        if form not in FORMS:
            raise InputError(f"form {form!r}; known are {', '.join((*FORMS, 'bundle'))}")
        data = writing.rendered(statements.state(ws, party, period), form)
    return Content(data=data, media=FORMS[form], filename=None if form == "json" else f"{name}.{form}")


def explain(call: Call) -> Any:
    """`GET /v1/explain/{run}/{party}?track=`: a party's amount, line by line."""
    with call.held.standing.folded() as ws:
        return explaining.explain(ws, call.params["run"], call.params["party"], call.query.get("track"))


def period(call: Call) -> Any:
    """`GET /v1/periods/{period}`: its close and its runs."""
    with call.held.standing.folded() as ws:
        return months.show(ws, call.params["period"])


def run(call: Call) -> Any:
    """`GET /v1/runs/{run}`: one run's row of its period, by the run's id or the beginning of it."""
    name = call.params["run"]
    with call.held.standing.folded() as ws:
        book = read_book(ws)
        chosen = [record for record in book.runs.values() if len(name) >= 8 and record.run.startswith(name)]
        if len(chosen) != 1:
            raise NotFoundError(f"run {name!r}")
        shown = months.show(ws, chosen[0].period)
    return next(row for row in shown.runs if row.run == chosen[0].run)


def status(call: Call) -> Any:
    """`GET /v1/status`: the state of everything, and open tasks."""
    with call.held.standing.folded() as ws:
        return standing.status(ws)
