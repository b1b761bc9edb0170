"""The projection an append needs: which tracks are registered and which vector each pays by.

Kept in the transaction that appends `track` and `assign` leaves, so that an event always binds to
the newest assignment before it. It can be dropped and built again from the log at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, text

from ledger.proofs import canon

TYPES: Final = ("track", "assign", "follow")

_REGISTER: Final = text("INSERT INTO log_track (id, idx) VALUES (:id, :idx) ON CONFLICT (id) DO NOTHING")
_ASSIGN: Final = text("UPDATE log_track SET vector = :vector, assigned_idx = :idx WHERE id = :id")


def project_tracks(connection: Connection, first: int, types: Sequence[str], bodies: Sequence[bytes]) -> None:
    """Take the `track`, `follow` and `assign` leaves of a batch that starts at index `first` into the projection."""
    for offset, kind in enumerate(types):
        if kind == "track":
            leaf = canon.decode(bodies[offset])
            connection.execute(_REGISTER, {"id": leaf["id"], "idx": first + offset})
        elif kind == "follow":
            for track in canon.decode(bodies[offset])["tracks"]:
                connection.execute(_REGISTER, {"id": track, "idx": first + offset})
        elif kind == "assign":
            leaf = canon.decode(bodies[offset])
            connection.execute(_ASSIGN, {"id": leaf["track"], "vector": leaf["vector"], "idx": first + offset})
