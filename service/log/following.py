"""Copy to a member log what its events need from the home log: tracks, vectors, assignments, sources.

Everything is logged again in the member, in the home log's order, before events are appended, so that an event binds to
an assignment in its own log and is proven there. Assignments are signed with the member's own attribution key; the
vectors are the home log's, whose attribution keys the member's operator adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from ledger.errors import ConflictError
from ledger.log.append import Log, batch_of
from ledger.log.store import queries, tracks
from ledger.proofs import keyring, leaf, member
from ledger.proofs.source import Home
from ledger.types import Head
from service.log.growth import check_extends
from service.log.keys import ring, rings_of
from service.log.members import home_of, sources_of

if TYPE_CHECKING:
    from service.workspace import Workspace

ATTEMPTS: Final = 20


def follow(ws: Workspace) -> Home | None:
    """Copy new entries of the home log; return its sources, or None if this is the home log."""
    home = home_of(ws)
    if home is None:
        return None
    for _ in range(ATTEMPTS):
        size = ws.log.head().size
        leaves, blobs = _news(ws, home)
        if not leaves:
            return Home(home.origin, sources_of(home))
        try:
            ws.log.commit(batch_of(leaves, blobs), _alone(size))
        except ConflictError:
            continue  # another process of this log was faster; see what is left
    raise ConflictError(f"log {ws.log.origin}: others took over from {home.origin} at the same time; try again")


def _alone(size: int) -> Any:
    def check(tx: Connection, head: Head) -> None:
        if queries.page(tx, size, head.size, (member.FOLLOW, *keyring.TYPES), 1):
            raise ConflictError("another process took over from the home log meanwhile")

    return check


def _news(ws: Workspace, home: Log) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Return the leaves that copy the home log's new entries, and the vectors they name."""
    done = [leaf.decode(entry.body) for entry in ws.log.entries(types={member.FOLLOW})]
    check_extends(home, [(checkpoint["size"], checkpoint["root"]) for checkpoint in done[-1:]])
    start = done[-1]["size"] if done else 0
    head = home.head()
    entries = list(home.entries(types=tracks.TYPES, start=start, stop=head.size))
    if not entries:
        return [], []
    bodies = [leaf.decode(entry.body) for entry in entries]
    registered = [body["id"] for body in bodies if body["type"] == "track"]
    void = {checkpoint.index for checkpoint in home.reading().voids}
    assigned = [
        (entry.index, body)
        for entry, body in zip(entries, bodies, strict=True)
        if body["type"] == "assign" and entry.index not in void
    ]
    vectors = {body["vector"]: home.blob(body["vector"]) for _, body in assigned}
    leaves = [
        *member.follow(ws.clock(), head, registered, ws.signer("operator")),
        *_keys(ws, home),
        *_assignments(ws, home, assigned),
    ]
    return leaves, list(vectors.values())


def _keys(ws: Workspace, home: Log) -> Iterator[dict[str, Any]]:
    """Return leaves for the home log's attribution keys that this log does not have yet."""
    own = ring(ws)
    for key in rings_of(home).last.of("attribution"):
        if own.find(key.public.id) is None:
            yield keyring.add(
                ws.clock(), signer=ws.signer("operator"), role=key.role, party=key.party, public=key.public
            )


def _assignments(ws: Workspace, home: Log, assigned: list[tuple[int, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Return each of the home log's assignments, in order, after the leaf that logs its vector.

    Each names the entry of the home log that it repeats. They are all signed at the same time: without that index, a
    track that returns to a vector would have two assignments with one signature, the second of them void.
    """
    logged = {body["statement"]: body for body in _vector_leaves(home)} if assigned else {}
    now, key = ws.clock(), ws.signer("attribution")
    for index, body in assigned:
        if (evidence := logged.get(body["vector"])) is not None:
            yield leaf.vector(now, track=body["track"], statement=body["vector"], method=evidence["method"])
        reason = f"as in entry {index} of {home.origin}"
        yield leaf.assign(now, track=body["track"], vector=body["vector"], signer=key, reason=reason)


def _vector_leaves(home: Log) -> Iterator[dict[str, Any]]:
    return (leaf.decode(entry.body) for entry in home.entries(types={"vector"}))


def takes(ws: Workspace, home: Home | None, name: str) -> bool:
    """Return whether this workspace's log accepts a source's events."""
    sources = home or Home(ws.log.origin, sources_of(ws.log))
    return sources.log_of(name) == ws.log.origin
