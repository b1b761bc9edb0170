"""Decide which vector is assigned to a track, from `vector` and `assign` leaves.

A vector counts if its statement is signed by a key that may speak of influence; an assignment if the
attribution role signed it and the vector that it names counts too. Both are asked of the keys as they stood.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from ledger.errors import VerificationError
from ledger.proofs import canon, dsse, vector
from ledger.proofs.keyring import Key, KeyRing
from ledger.reading.gate import check_author, check_signers, text
from ledger.types import Digest, Leaf, Role

Blob = Callable[[Digest], bytes]
SIGNS_VECTORS: Final[tuple[Role, ...]] = ("attribution", "platform", "operator")
"""Who may say what influenced a track; only the attribution role makes it payable, by assignment."""


def check_vector(ring: KeyRing, index: int, track: str, statement: Digest, blob: Blob) -> Key:
    """Return the key that signed a vector; refuse a vector without an entitled signer, or of another track."""
    envelope, of_track = _opened(statement, blob(statement))
    if of_track != track:
        raise VerificationError(f"vector {statement[:16]} is of track {of_track!r}, not of {track!r}")
    return check_signers(ring, index, envelope, SIGNS_VECTORS)


@lru_cache(maxsize=1024)
def payload_digest(statement: Digest, data: bytes) -> Digest:
    """Return the digest of the payload of a vector's statement, without checking the signer."""
    envelope, _ = _opened(statement, data)
    return canon.digest(envelope.payload)


@lru_cache(maxsize=64)
def _opened(statement: Digest, data: bytes) -> tuple[dsse.Envelope, str]:
    """Return a vector's envelope and track; cached, because its `vector` and `assign` leaves both need them."""
    envelope = dsse.parse(data)
    if envelope.payload_type != vector.PAYLOAD_TYPE or envelope.digest != statement:
        raise VerificationError(f"statement {statement[:16]} is no influence vector, or has another digest")
    return envelope, vector.parse(envelope.payload).track


def check_assign(ring: KeyRing, index: int, body: Leaf, blob: Blob) -> None:
    """Refuse an assignment that the attribution role did not sign, or of a vector without effect."""
    check_author(ring, index, body, "attribution")
    check_vector(ring, index, text(body, "track"), text(body, "vector"), blob)
