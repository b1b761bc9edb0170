"""A party's money while it plays: its accrual, the same as an event stream, and its part of one stream."""

from __future__ import annotations

from typing import Any

import msgspec

from ledger.errors import InputError
from ledger.proofs import canon
from service.live import watching
from service.settlement.registered import ELSEWHERE
from service.web.call import Call, Content
from service.web.guard.problems import NotFoundError

AGAIN_MS = 2000
"""After how long a client of the event stream asks again."""


def accrual(call: Call) -> watching.LiveAccrual:
    """`GET /v1/live/{party}`: what the party earned so far in the open month."""
    with call.held.standing.folded() as ws:
        return watching.live_accrual(ws, call.held.watches, call.params["party"])


def events(call: Call) -> Content:
    """`GET /v1/live/{party}/events`: one event, whose id says what it shows; nothing where the client has seen that.

    The answer ends, and an EventSource asks again by itself: so a thousand open pages hold no connection, and each
    answer is judged by the access rules of its moment.
    """
    state = accrual(call)
    name = canon.digest(msgspec.json.encode(state.pools))[:16]
    if call.headers.get("last-event-id") == name:
        return Content(data=f"retry: {AGAIN_MS}\n: nothing new\n\n".encode(), media="text/event-stream")
    data = msgspec.json.encode(state).decode()
    return Content(
        data=f"retry: {AGAIN_MS}\nid: {name}\nevent: accrual\ndata: {data}\n\n".encode(),
        media="text/event-stream",
    )


def stream(call: Call) -> list[Any]:
    """`GET /v1/live/{party}/tracks/{track}?territory=`: the party's part of one stream, in each pool."""
    territory = call.query.get("territory", ELSEWHERE)
    if len(territory) != 2 or not territory.isascii() or not territory.isupper():
        raise InputError(f"territory {territory!r}: expected an ISO 3166 alpha-2 code, such as SE")
    with call.held.standing.folded() as ws:
        if call.params["track"] not in ws.registry.view().tracks:
            raise NotFoundError(f"track {call.params['track']!r}")
        return [*watching.stream_values(ws, call.params["track"], call.params["party"], territory)]
