"""Accept files of tracks for attribution, and return their state."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from ledger.errors import InputError
from service.attribution import queue
from service.attribution.declaring import Declaration, declare_live
from service.attribution.queue import QueuedTrack
from service.web.call import Call
from service.web.guard.problems import RefusedError
from service.webhooks import deliveries, posting


def hand_in(call: Call) -> QueuedTrack:
    """`POST /v1/tracks/{track}/file`: a registered track's sound, notes or declared vector, to be attributed.

    The header `Settle-Callback` names an address to which a signed message goes once it is done or has failed.
    """
    media = call.media.partition(";")[0].strip().lower()
    if media not in queue.FORMS:
        raise RefusedError(415, "media", f"content-type {media!r}; known are {', '.join(queue.FORMS)}")
    url = call.headers.get("settle-callback", "")
    with call.held.standing.folded() as ws:
        if url:
            posting.destination(url, deliveries.hosts_of(ws))  # before the file is kept: a refusal keeps nothing
        waiting = queue.enqueue(ws, call.params["track"], media, call.body)
        return replace(waiting, webhook=deliveries.announce(ws, waiting.track, url).id) if url else waiting


def attribution(call: Call) -> QueuedTrack:
    """`GET /v1/tracks/{track}/attribution`: waiting, done with the vector, or failed with the reason."""
    with call.held.standing.workspace() as ws:
        return queue.queued(ws, call.params["track"])


def declare(call: Call) -> Declaration:
    """`POST /v1/sources/{source}/vectors`: what a track was conditioned on, by the party that generated it."""
    if call.principal is not None:
        # Each appends to the log, as a receipt does; and a body is decoded only at this rate.
        call.held.buckets.take(call.principal.key, "receipts", 1, call.held.limits.receipts_per_second)
    try:
        document = msgspec.json.decode(call.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise InputError(f"the body: {problem}; expected one declared vector as JSON") from None
    return call.held.standing.acting(lambda ws: declare_live(ws, call.params["source"], document), folding=True)
