"""The projection of tracks: which are registered, and which vector is assigned to each.

Kept in the transaction that appends `track` and `assign` leaves, so that an event always binds to
the newest assignment before it. It can be dropped and built again from the log at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from ledger.errors import InputError, VerificationError
from ledger.log.store import queries
from ledger.proofs import canon, keyring
from ledger.proofs.keyring import KeyRing
from ledger.reading.assignments import check_assign
from ledger.reading.gate import check_author_since_form_2
from ledger.types import Digest

TYPES: Final = ("track", "assign", "follow")

_REGISTER: Final = text("INSERT INTO log_track (id, idx) VALUES (:id, :idx) ON CONFLICT (id) DO NOTHING")
_ASSIGN: Final = text("UPDATE log_track SET vector = :vector, assigned_idx = :idx WHERE id = :id")
_ASSIGNED: Final = text("SELECT 1 FROM log_track WHERE id = :id AND vector IS NOT NULL")
_SAME_LEAF: Final = text("SELECT 1 FROM entry WHERE type = 'assign' AND idx < :idx AND body = :body LIMIT 1")


def project_tracks(
    connection: Connection, first: int, types: Sequence[str], bodies: Sequence[bytes], ring: KeyRing | None
) -> KeyRing | None:
    """Take the `track`, `follow` and `assign` leaves of a batch that starts at index `first` into the projection.

    An assignment that its reading finds void is left out, so that no event binds to it. `ring` is the keys
    before the batch, and is answered as they are after it; without one nothing is checked.
    """

    def blob(digest: Digest) -> bytes:
        data = queries.blob(connection, bytes.fromhex(digest))
        if data is None:
            raise InputError(f"nothing is kept under digest {digest}")
        return data

    for offset, kind in enumerate(types):
        if kind in keyring.TYPES and ring is not None:
            ring = after(ring, first + offset, bodies[offset])
            continue
        if kind == "track":
            leaf = canon.decode(bodies[offset])
            connection.execute(_REGISTER, {"id": leaf["id"], "idx": first + offset})
        elif kind == "follow":
            leaf = canon.decode(bodies[offset])
            if not _is_followed(ring, first + offset, leaf):
                continue
            for track in leaf["tracks"]:
                connection.execute(_REGISTER, {"id": track, "idx": first + offset})
        elif kind == "assign":
            leaf = canon.decode(bodies[offset])
            try:
                if ring is not None:
                    check_assign(ring, first + offset, leaf, blob)
            except (VerificationError, InputError):
                continue
            if _is_replay(connection, first, offset, leaf["track"], bodies):
                continue
            connection.execute(_ASSIGN, {"id": leaf["track"], "vector": leaf["vector"], "idx": first + offset})
    return ring


def after(ring: KeyRing, index: int, body: bytes) -> KeyRing:
    """The keys after the leaf at this index, which changes nothing if nobody entitled signed it."""
    try:
        return ring.apply(index, canon.decode_object(body, "leaf"))
    except VerificationError:
        return ring


def _is_followed(ring: KeyRing | None, index: int, leaf: dict[str, Any]) -> bool:
    """Whether a `follow` leaf counts: after the line the operator signs it."""
    try:
        if ring is not None:
            check_author_since_form_2(ring, index, leaf, "operator")
    except VerificationError:
        return False
    return True


def _is_replay(connection: Connection, first: int, offset: int, track: str, bodies: Sequence[bytes]) -> bool:
    """Whether this assignment stands in the log already.

    What is signed names no place, so a superseded assignment could be appended again by whoever holds the log key. Only
    a track that was assigned before can be replayed: the first assignments of a catalogue cost no search.
    """
    if connection.execute(_ASSIGNED, {"id": track}).first() is None:
        return False
    if bodies[offset] in bodies[:offset]:
        return True
    return connection.execute(_SAME_LEAF, {"idx": first, "body": bodies[offset]}).first() is not None
