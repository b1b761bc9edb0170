"""The table of routes: app, OpenAPI document, limits and the test of permissions are built from it.

Every route must name the roles that may use it and the rule that checks its object.
"""

from __future__ import annotations

from typing import Final

from service.attribution import queue
from service.web import examples
from service.web.api import health, intake, live, log, reading, tracks
from service.web.guard.allowed import ANYBODY
from service.web.pages import public
from service.web.portal import PORTAL
from service.web.route import Route

EVENTS: Final = tuple(filter(None, intake.FORMS))
JSON: Final = ("application/json",)
JSON_MAX: Final = 1 << 20
"""Bytes of a declared vector, or of a thousand ids of events."""
QUESTION_MAX: Final = 1 << 14
"""Bytes of a question for a decision."""


def _who(*roles: str) -> frozenset[str]:
    return frozenset(roles)


_PUBLIC: Final = _who(ANYBODY)
_PLATFORM: Final = _who("platform", "auditor", "operator")
_BOOKS: Final = _who("operator", "approver", "auditor")
_HOLDER: Final = _who("holder", "auditor", "operator")

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path="/v1/sources/{source}/events", who=_who("platform"), rule="source", takes=EVENTS,
        summary="Append stream events. Good rows are taken, bad rows are named; a retry is never an error.",
        function=intake.take_events, body_example=examples.EVENT, example=examples.TAKEN,
    ),
    Route(
        method="POST", path="/v1/sources/{source}/batches", who=_who("platform"), rule="source", takes=EVENTS,
        summary="Append the events of a signed batch, whole or not at all; its statement, in base64, is in the header "
        "Settle-Batch.",
        function=intake.take_batch, body_example=examples.EVENT, example=examples.TAKEN | {"batch": 1},
    ),
    Route(
        method="POST", path="/v1/sources/{source}/vectors", who=_who("platform"), rule="source", takes=JSON,
        body_max=JSON_MAX,
        summary="Declare what a track of one's own model was conditioned on; the answer is the signed vector's digest.",
        function=tracks.declare, body_example=examples.DECLARED, example=examples.DECLARATION,
    ),
    Route(
        method="GET", path="/v1/sources/{source}/receipts", who=_PLATFORM, rule="source", query=("event_id!",),
        summary="The receipt of one event.", function=intake.one_receipt, example=examples.RECEIPTS,
    ),
    Route(
        method="POST", path="/v1/sources/{source}/receipts", who=_PLATFORM, rule="source", takes=JSON,
        body_max=JSON_MAX, summary="The receipts of up to 1,000 events.", function=intake.many_receipts,
        body_example={"event_ids": ["e-1"]}, example=examples.RECEIPTS,
    ),
    Route(
        method="GET", path="/v1/sources/{source}/quarantine", who=_who("platform", "operator"), rule="source",
        query=("after",), summary="The source's rows that were not taken and wait, with reasons.",
        function=intake.quarantined, example=examples.QUARANTINE,
    ),
    Route(
        method="GET", path="/checkpoint", who=_PUBLIC, answers="text/plain", summary="The newest signed checkpoint.",
        function=log.checkpoint,
    ),
    Route(
        method="GET", path="/tile/{path:path}", who=_PUBLIC, answers="application/octet-stream",
        summary="A tile of the log (c2sp.org/tlog-tiles).", function=log.tile,
    ),
    Route(
        method="GET", path="/trust.json", who=_PUBLIC, summary="The keys to trust; compare them with a copy from "
        "elsewhere.", function=log.trust,
    ),
    Route(
        method="GET", path="/verify", who=_PUBLIC, answers="text/html", summary="verify.html: checks bundles in the "
        "visitor's own browser.", function=log.verify_page,
    ),
    Route(
        method="GET", path="/tracks/{track}", who=_PUBLIC, answers="text/html", summary="A generated track's page: its "
        "sources, method and error.", function=public.track,
    ),
    Route(
        method="GET", path="/log", who=_PUBLIC, query=("q",), answers="text/html", summary="The log's page: find an "
        "entry by its number or its event.", function=public.log,
    ),
    Route(
        method="GET", path="/static/{name}", who=_PUBLIC, answers="text/javascript", summary="A script of the pages.",
        function=log.script,
    ),
    Route(
        method="GET", path="/event.schema.json", who=_PUBLIC, summary="The JSON Schema of a stream event.",
        function=log.event_schema,
    ),
    Route(
        method="GET", path="/v1/log/entries/{index}", who=_PUBLIC, summary="One leaf of the log.", function=log.entry,
        example={"index": 0, "leaf": {"v": 1, "type": "log"}},
    ),
    Route(
        method="GET", path="/v1/log/proof", who=_PUBLIC, query=("index", "event"),
        summary="A bundle that proves one entry offline, by index or SOURCE:EVENT.", function=log.proof,
    ),
    Route(
        method="GET", path="/v1/log/consistency", who=_PUBLIC, query=("old!", "new!"),
        summary="The proof that one tree grew out of another.", function=log.consistency,
    ),
    Route(
        method="GET", path="/v1/tracks/{track}", who=_PUBLIC, summary="A track, and the vector that it pays by.",
        function=reading.track,
    ),
    Route(
        method="POST", path="/v1/tracks/{track}/file", who=_who("operator"), takes=tuple(queue.FORMS),
        summary="Hand in a registered track's sound, notes or declared vector, to be attributed; the header "
        "Settle-Callback names an address for a signed message about it.",
        function=tracks.hand_in, example={"track": "trk-1", "state": "waiting", "answer": None, "reason": None,
        "webhook": None},
    ),
    Route(
        method="GET", path="/v1/tracks/{track}/attribution", who=_who("operator", "auditor"),
        summary="Where a track that was handed in stands: none, waiting, done or failed.", function=tracks.attribution,
        example={"track": "trk-1", "state": "failed", "answer": None, "reason": "not a sound file",
        "webhook": None},
    ),
    Route(
        method="GET", path="/v1/decisions", who=_PUBLIC,
        query=("subject!", "use!", "territory", "at", "known_at", "licensee", "model"),
        summary="Whether a use of a recording or work is permitted, and why.", function=reading.decision,
    ),
    Route(
        method="POST", path="/v1/decisions/{licensee}", who=_who("operator", "holder"), rule="licensee", takes=JSON,
        body_max=QUESTION_MAX,
        summary="A signed receipt of a decision for this licensee and a model version, good for one track or 24 hours.",
        function=reading.decision_receipt,
        body_example={"subject": "rec-1", "use": "condition", "model": "mdl@1", "track": "trk-1"},
    ),
    Route(
        method="GET", path="/v1/statements/{party}/{period}", who=_HOLDER, rule="party", query=("form", "pool"),
        summary="A party's royalty statement: form json, csv, pdf, html or bundle.", function=reading.statement,
    ),
    Route(
        method="GET", path="/v1/explain/{run}/{party}", who=_HOLDER, rule="party", query=("track",),
        summary="A party's amount in a run, line by line.", function=reading.explain,
    ),
    Route(
        method="GET", path="/v1/live/{party}", who=_HOLDER, rule="party",
        summary="What a party earned so far in the open month, by track, source and territory; not settled yet.",
        function=live.accrual, example=examples.LIVE,
    ),
    Route(
        method="GET", path="/v1/live/{party}/events", who=_HOLDER, rule="party", answers="text/event-stream",
        summary="The same as an event stream (EventSource): one event an answer, and the client asks again after two "
        "seconds.", function=live.events,
    ),
    Route(
        method="GET", path="/v1/live/{party}/tracks/{track}", who=_HOLDER, rule="party", query=("territory",),
        summary="A party's part of one stream of a track, by the vector and the price of now.", function=live.stream,
        example=examples.LIVE_STREAM,
    ),
    Route(
        method="GET", path="/v1/periods/{period}", who=_BOOKS, summary="A period's close and its runs.",
        function=reading.period,
    ),
    Route(method="GET", path="/v1/runs/{run}", who=_BOOKS, summary="One run.", function=reading.run),
    Route(
        method="GET", path="/v1/status", who=_BOOKS, summary="Where everything stands, and what waits for someone.",
        function=reading.status,
    ),
    Route(
        method="GET", path="/healthz", who=_PUBLIC, summary="The process answers.", function=health.healthz,
        example={"status": "alive"},
    ),
    Route(
        method="GET", path="/readyz", who=_PUBLIC, summary="The log can be read and the intake takes events.",
        function=health.readyz, example={"status": "ready", "size": 1},
    ),
    Route(
        method="GET", path="/metrics", who=_PUBLIC, answers="text/plain", summary="Figures for Prometheus; not through "
        "a proxy.", function=health.metrics,
    ),
    *PORTAL,
)  # fmt: skip
