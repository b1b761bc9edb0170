"""Decide whether a leaf has an effect: its author's key must be valid there, in the right role, for the right party.

Whoever holds the log key alone can append any bytes. So every reader asks the gate before it believes a leaf,
and a leaf that fails is void: it has no effect, and the reading keeps the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import VerificationError
from ledger.proofs import dsse, leaf
from ledger.proofs.keyring import Key, KeyRing
from ledger.types import Leaf, Role


@dataclass(frozen=True, slots=True)
class Void:
    """A leaf that is in the log but has no effect, and why."""

    index: int
    type: str
    reason: str

    def __str__(self) -> str:
        return f"entry {self.index}: the {self.type} leaf is void: {self.reason}"


class Replays:
    """The signatures in the log so far; a leaf with one of them again is a copy, and void.

    A signature covers the whole leaf, and Ed25519 gives one signature per key and text. A genuine leaf
    that was superseded could otherwise be appended again by whoever holds the log key (finding V8).
    Ask only once the author has been checked: a forgery that bears a genuine signature, appended first, would
    otherwise make the genuine leaf look like the copy.
    """

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}

    def check(self, index: int, body: Leaf) -> None:
        """Remember the signature within this leaf; VerificationError if an earlier leaf has it."""
        signature = body.get("sig")
        if isinstance(signature, str):
            first = self._places.setdefault(signature[:24].encode(), index)
            if first != index:
                raise VerificationError(f"it has the signature of entry {first}: it is a copy of that leaf")


def check_author(ring: KeyRing, index: int, body: Leaf, *roles: Role) -> Key:
    """Return the key that signed a leaf; VerificationError unless it is valid there in one of these roles."""
    key = ring.find(body.get("key"))
    if key is None or key.role not in roles or not key.counts_for(index):
        named = key or f"key {str(body.get('key'))[:16]}, which is not known"
        raise VerificationError(f"it is signed by {named}; expected a key of role {' or '.join(roles)} that counts")
    leaf.check_signature(body, key.public)
    ring.check_form(index, body)
    return key


def check_author_since_form_2(ring: KeyRing, index: int, body: Leaf, *roles: Role) -> None:
    """Check a leaf type that must be signed since form 2; an unsigned one is valid only before the line."""
    drawn = ring.line is not None and ring.line.index is not None and index >= ring.line.index
    if drawn or "sig" in body:
        check_author(ring, index, body, *roles)


def check_signers(ring: KeyRing, index: int, envelope: dsse.Envelope, roles: Sequence[Role]) -> Key:
    """Return the key that signed the statement of the leaf at this index; VerificationError unless valid there."""
    keys = [key for key in ring.of(*roles) if key.counts_for(index)]
    signed = dsse.signers(envelope, [key.public for key in keys])
    if not signed:
        named = ", ".join(signature.keyid[:16] for signature in envelope.signatures) or "nobody"
        raise VerificationError(f"its statement is signed by {named}; expected a key of role {' or '.join(roles)}")
    return next(key for key in keys if key.public == signed[0])


def text(body: Leaf, name: str) -> str:
    """Return a field that must be a text."""
    value: Any = body.get(name)
    if not isinstance(value, str):
        raise VerificationError(f"its {name} is {value!r}, expected a text")
    return value
