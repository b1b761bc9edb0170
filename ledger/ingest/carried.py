"""Vectors inside events: declared there and signed here, or declared before and named by digest.

Either is appended before the event, so that its evidence stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import InputError
from ledger.proofs import canon
from ledger.proofs.dsse import Envelope
from ledger.proofs.vector import DECLARED, from_declared, read_statement
from ledger.proofs.vector import payload as vector_payload
from ledger.types import Digest, InfluenceVector

Admit = Callable[[InfluenceVector, str], Envelope]
"""(vector, territory) -> the signed statement; InputError if the vector may not be used."""


@dataclass(frozen=True, slots=True)
class CarriedVector:
    """A vector that came with an event: its signed statement and what its leaf says."""

    digest: Digest
    envelope: bytes
    track: str
    method: str


class CarriedVectors:
    """Signs each distinct vector once, however many events carry it."""

    def __init__(self, admit: Admit, logged: Callable[[str, Digest], bytes | None]) -> None:
        """`logged`: the statement of a track's vector in the log, by its digest."""
        self._admit, self._logged = admit, logged
        self._known: dict[tuple[str, str, bytes], CarriedVector] = {}

    def take(self, document: Mapping[str, Any] | Digest, *, track: str, territory: str) -> CarriedVector:
        """Return the signed vector of an event; InputError if it is malformed or not permitted."""
        if isinstance(document, str):
            return self._named(document, track, territory)
        key = (territory, track, canon.encode(dict(document)))
        if key not in self._known:
            vector = from_declared(document, track=track)
            statement = self._admit(vector, territory)
            self._known[key] = CarriedVector(statement.digest, statement.encode(), track, vector.method)
        return self._known[key]

    def _named(self, digest: Digest, track: str, territory: str) -> CarriedVector:
        """A declaration in the log, which is admitted like one in the event."""
        key = (territory, track, digest.encode())
        if key not in self._known:
            data = self._logged(track, digest)
            if data is None:
                raise InputError(f"vector: the log holds no vector {digest[:16]} of track {track!r}; declare it first")
            vector = read_statement(data)
            if vector.method != DECLARED:
                # What Settle or another service estimated is assigned by the operator, not chosen by a platform.
                raise InputError(f"vector: {digest[:16]} is of method {vector.method!r}; an event names a declared one")
            self._admit(vector, territory)
            self._known[key] = CarriedVector(digest, data, track, vector.method)
        return self._known[key]


def same_payload(carried: CarriedVector, stored: bytes | None) -> bool:
    """Return whether a stored statement has the same payload as the carried one, whichever keys signed them."""
    if stored is None:
        return False
    return vector_payload(read_statement(stored)) == vector_payload(read_statement(carried.envelope))
