"""The projection of tracks: which are registered, and which vector is assigned to each.

Kept in the transaction that appends `track` and `assign` leaves, so that an event always binds to
the newest assignment before it. It can be dropped and built again from the log at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, text

from ledger.errors import InputError, VerificationError
from ledger.log.store import queries
from ledger.proofs import canon, keyring
from ledger.proofs.keyring import KeyRing
from ledger.reading.assignments import check_assign
from ledger.reading.gate import check_author, check_author_since_form_2
from ledger.types import Digest

TYPES: Final = ("track", "assign", "follow")

_REGISTER: Final = text("INSERT INTO log_track (id, idx) VALUES (:id, :idx) ON CONFLICT (id) DO NOTHING")
_ASSIGN: Final = text("UPDATE log_track SET vector = :vector, assigned_idx = :idx WHERE id = :id")
_ASSIGNED: Final = text("SELECT 1 FROM log_track WHERE id = :id AND vector IS NOT NULL")


class AssignPlaces:
    """The index of the first occurrence of each `assign` leaf; only new leaves are read.

    A search of the log for each assignment would take quadratic time when a whole catalogue is attributed again.
    """

    def __init__(self) -> None:
        self._size = 0
        self._places: dict[bytes, int] = {}

    def find(self, connection: Connection, stop: int, body: bytes) -> int | None:
        """Return the first entry below `stop` with these bytes.

        Entries from `stop` on are not cached: they may be rolled back.
        """
        while entries := queries.page(connection, self._size, stop, ["assign"]):
            for entry in entries:
                self._places.setdefault(_short(entry.body), entry.index)
            self._size = entries[-1].index + 1
        self._size = max(self._size, stop)
        index = self._places.get(_short(body))
        return index if index is not None and index < stop else None


def _short(body: bytes) -> bytes:
    """Return a prefix of a leaf's digest, long enough to be unique; a log may hold millions."""
    return sha256(body).digest()[:16]


def project_tracks(
    connection: Connection,
    first: int,
    types: Sequence[str],
    bodies: Sequence[bytes],
    ring: KeyRing | None,
    *,
    assigns: AssignPlaces,
) -> KeyRing | None:
    """Apply the `track`, `follow` and `assign` leaves of a batch that starts at index `first`.

    A void assignment is left out, so that no event binds to it. `ring` holds the keys before the batch; the keys after
    it are returned. Without a ring nothing is checked.
    """

    def blob(digest: Digest) -> bytes:
        data = queries.blob(connection, bytes.fromhex(digest))
        if data is None:
            raise InputError(f"nothing is kept under digest {digest}")
        return data

    earlier: dict[bytes, int] = {}  # assignments of this batch
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
            same: int | None = earlier.get(bodies[offset])
            if same is None and connection.execute(_ASSIGNED, {"id": leaf["track"]}).first() is not None:
                same = assigns.find(connection, first, bodies[offset])
            if same is not None and _counted(ring, same, leaf):
                continue
            earlier[bodies[offset]] = first + offset
            connection.execute(_ASSIGN, {"id": leaf["track"], "vector": leaf["vector"], "idx": first + offset})
    return ring


def after(ring: KeyRing, index: int, body: bytes) -> KeyRing:
    """Return the keys after the leaf at this index; a leaf without an entitled signer changes nothing."""
    try:
        return ring.apply(index, canon.decode_object(body, "leaf"))
    except VerificationError:
        return ring


def _is_followed(ring: KeyRing | None, index: int, leaf: dict[str, Any]) -> bool:
    """Return whether a `follow` leaf counts: after the line the operator must sign it."""
    try:
        if ring is not None:
            check_author_since_form_2(ring, index, leaf, "operator")
    except VerificationError:
        return False
    return True


def _counted(ring: KeyRing | None, index: int, leaf: dict[str, Any]) -> bool:
    """Return whether the same leaf counted at an earlier index.

    A signature covers no index, so the later one is a copy.
    """
    try:
        if ring is not None:
            check_author(ring, index, leaf, "attribution")
    except VerificationError:
        return False
    return True
