"""Tracks handed in to be attributed, and what came of them."""

from __future__ import annotations

from service.attribution import queue
from service.attribution.queue import QueuedTrack
from service.web.call import Call
from service.web.guard.problems import RefusedError


def hand_in(call: Call) -> QueuedTrack:
    """`POST /v1/tracks/{track}/file`: a registered track's sound, notes or declared vector, to be attributed."""
    media = call.media.partition(";")[0].strip().lower()
    if media not in queue.FORMS:
        raise RefusedError(415, "media", f"content-type {media!r}; known are {', '.join(queue.FORMS)}")
    with call.held.standing.folded() as ws:
        return queue.enqueue(ws, call.params["track"], media, call.body)


def attribution(call: Call) -> QueuedTrack:
    """`GET /v1/tracks/{track}/attribution`: waiting, done with the vector, or failed with the reason."""
    with call.held.standing.workspace() as ws:
        return queue.queued(ws, call.params["track"])
