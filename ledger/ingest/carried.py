"""Vectors inside events: declared by the platform, signed here, appended before the event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.proofs import canon
from ledger.proofs.dsse import Envelope
from ledger.proofs.vector import from_declared, read_statement
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

    def __init__(self, admit: Admit) -> None:
        self._admit = admit
        self._known: dict[tuple[str, str, bytes], CarriedVector] = {}

    def take(self, document: Mapping[str, Any], *, track: str, territory: str) -> CarriedVector:
        """Return the signed vector of an event; InputError if it is malformed or not permitted."""
        key = (territory, track, canon.encode(dict(document)))
        if key not in self._known:
            vector = from_declared(document, track=track)
            statement = self._admit(vector, territory)
            self._known[key] = CarriedVector(statement.digest, statement.encode(), track, vector.method)
        return self._known[key]


def same_payload(carried: CarriedVector, stored: bytes | None) -> bool:
    """Return whether a stored statement has the same payload as the carried one, whichever keys signed them."""
    if stored is None:
        return False
    return vector_payload(read_statement(stored)) == vector_payload(read_statement(carried.envelope))
