"""Accept files of tracks for attribution, and return their state."""

from __future__ import annotations

from dataclasses import replace

from service.attribution import queue
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
