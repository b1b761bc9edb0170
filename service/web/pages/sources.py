"""For platforms: their sources, events handed in by a form, and the rows that were not taken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from service.web.api import intake
from service.web.call import Call, Content
from service.web.pages.drawing import page, text

if TYPE_CHECKING:
    from service.web.api.intake import IntakeCounts

MEDIA: Final = {"ndjson": "application/x-ndjson", "csv": "text/csv"}


def listed(call: Call) -> Content:
    """`GET /sources`: the sources that the caller's party speaks for."""
    sources = call.held.roles().sources
    own = sorted(source for source, party in sources.items() if party == call.caller.party)
    return page(call, "sources.html", title=text("sources.title"), sources=own)


def source(call: Call) -> Content:
    """`GET /sources/{source}`: rows of the source that wait in quarantine, and the form for more events."""
    return _page(call, None)


def hand_in(call: Call) -> Content:
    """`POST /sources/{source}`: take events as the API does; good rows are taken, bad rows are named."""
    form = "csv" if call.field("rows").startswith(("source,", "event_id,")) else "ndjson"
    body = call.form["rows"].encode()
    return _page(call, intake.take_events(replace(call, body=body, media=MEDIA[form])))


def _page(call: Call, counts: IntakeCounts | None) -> Content:
    return page(
        call,
        "source.html",
        title=text("sources.one", name=call.params["source"]),
        scripts=("read-file.js",),
        source=call.params["source"],
        counts=counts,
        quarantine=intake.quarantined(replace(call, query={})),
        may_send="platform" in call.caller.roles,
    )
