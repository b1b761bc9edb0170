"""A generated track and the log, for anybody: names and figures come from leaves alone, every text is escaped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ledger import shown
from ledger.log.store import queries
from ledger.proofs import checkpoint, leaf, note
from service.attribution.report import public_report
from service.web.call import Call, Content
from service.web.guard.problems import NotFoundError
from service.web.pages.drawing import page

if TYPE_CHECKING:
    from ledger.log.append import Log

SHOWN_MAX: Final = 10
"""Entries on a page; the same event id may stand in several sources."""


def track(call: Call) -> Content:
    """`GET /tracks/{track}`: what influenced a generated track, how that was measured, and the proof."""
    name = call.params["track"]
    with call.held.standing.folded() as ws:
        registered = ws.registry.view().tracks.get(name)
        if registered is None:
            raise NotFoundError(f"track {name!r}")
        report = public_report(ws, name)
    heading = registered.title or name
    return page(
        call,
        "track.html",
        title=f"{heading}: what influenced it",
        heading=heading,
        track=name,
        report=report,
        error=_error(report),
        percent=shown.percent,
        aspects=[] if report is None else [_aspect(aspect) for aspect in report["aspects"] if aspect["sources"]],
    )


def log(call: Call) -> Content:
    """`GET /log?q=`: an entry by its number or its event, and the newest checkpoint."""
    query = call.query.get("q", "").strip()
    with call.held.standing.workspace() as ws:
        newest = ws.log.checkpoint()
        size = checkpoint.parse(note.parse(newest).text).size
        entries = [_entry(ws.log, index) for index in _found(ws.log, query, size)[:SHOWN_MAX]]
        origin = ws.log.origin
    return page(
        call,
        "log.html",
        title=f"The log {origin}",
        origin=origin,
        q=query,
        entries=entries,
        size=size,
        checkpoint=newest.decode(),
    )


def _found(ledger: Log, query: str, size: int) -> list[int]:
    """The indexes of the entries that a visitor may mean."""
    if query.isascii() and query.isdecimal() and len(query) < 16:
        return [int(query)] if int(query) < size else []
    source, colon, event_id = query.partition(":")
    with ledger.store.reading() as connection:
        indexes = [index for _, index in queries.find_event_id(connection, query)] if query else []
        if colon and (index := queries.find_event(connection, source, event_id)) is not None:
            indexes.append(index)
    return [index for index in indexes if index < size]


def _entry(ledger: Log, index: int) -> dict[str, Any]:
    body = leaf.decode(ledger.entry(index).body)
    named = body.get("track") if body["type"] in ("event", "vector", "assign") else None
    return {"index": index, "leaf": body, "track": named, "text": json.dumps(body, indent=2, ensure_ascii=False)}


def _error(report: dict[str, Any] | None) -> str:
    """How often the method was wrong on a named benchmark; an estimate never travels without it."""
    if report is None or report["error"] is None:
        return "not measured: the shares were declared" if report and report["method"] == "declared" else "not stated"
    error = report["error"]
    return f"{error['metric']} {shown.percent(error['value_ppm'])} on {error['benchmark']} (n = {error['n']:,})"


def _aspect(aspect: dict[str, Any]) -> dict[str, Any]:
    """An aspect's rows as shown; they add up to the whole."""
    parts = [*aspect["sources"], {"ppm": aspect["further_ppm"]}, {"ppm": aspect["unattributed"]}]
    shares = shown.percents([part["ppm"] for part in parts])
    rows = [
        {
            "name": source["title"] or source["id"],
            "id": source["id"] if source["title"] not in (None, source["id"]) else "",
            "basis": source["basis"],
            "permitted": _permitted(source["permitted"]),
            "share": shown.with_interval(share, source["low"], source["high"]),
            "width": source["ppm"] / 10_000,
        }
        for source, share in zip(aspect["sources"], shares, strict=False)
    ]
    unnamed = ((f"{aspect['further']} further sources", -2), ("Nobody: not attributed", -1))
    for name, position in unnamed[0 if aspect["further"] else 1 :]:
        empty = {"id": "", "basis": "", "permitted": ""}
        rows.append({"name": name, "share": shares[position], "width": parts[position]["ppm"] / 10_000, **empty})
    return {"name": aspect["aspect"].capitalize(), "meaning": aspect["meaning"], "rows": rows}


def _permitted(decision: dict[str, Any] | None) -> str:
    if decision is None:
        return ""
    return f"{decision['use']}: {decision['decision']}"
