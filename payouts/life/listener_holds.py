"""Holds on the streams of listeners: the list that such a hold names, and the proposal to reject those streams.

A listener is identified by the log's commitment, which changes each month, so a list is of one month. The hold's leaf
names the list by its digest; the streams weigh as `held` and every other stream of the same tracks is paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import canon, dsse
from ledger.types import Digest, Leaf
from payouts.life.fields import author_of, check_signed_fields, read_count, read_list, read_text, unsigned_leaf

LISTENERS_TYPE: Final = "application/vnd.settle.held-listeners+json"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class HeldListener:
    """A listener whose streams are held, with the score and its reasons."""

    source: str
    listener: Digest
    points: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldListeners:
    """The list of one hold, sorted by source and listener, each once."""

    period: str
    scorer: str
    listeners: tuple[HeldListener, ...]

    def payload(self) -> dict[str, Any]:
        return {
            "v": 1,
            "period": self.period,
            "scorer": self.scorer,
            "listeners": [
                {
                    "source": suspect.source,
                    "listener": suspect.listener,
                    "points": suspect.points,
                    "reasons": list(suspect.reasons),
                }
                for suspect in self.listeners
            ],
        }


def read_listeners(data: bytes, statement: Digest) -> HeldListeners:
    """Return the list with this digest; refuse other digests, and content that `payload` would not write."""
    envelope = dsse.parse(data)
    if envelope.payload_type != LISTENERS_TYPE or envelope.digest != statement:
        raise VerificationError(f"statement {statement[:16]} is no list of held listeners, or has another digest")
    payload = canon.decode_object(envelope.payload, "held listeners")
    listeners = HeldListeners(
        period=read_text(payload, "period"),
        scorer=read_text(payload, "scorer"),
        listeners=tuple(_read_listener(row) for row in read_list(payload, "listeners")),
    )
    keys = [(suspect.source, suspect.listener) for suspect in listeners.listeners]
    if keys != sorted(set(keys)) or canon.encode(listeners.payload()) != canon.encode(payload):
        raise VerificationError(f"held listeners {statement[:16]}: out of order, repeated, or written otherwise")
    return listeners


def _read_listener(row: Any) -> HeldListener:
    if not isinstance(row, Mapping):
        raise VerificationError(f"a held listener is {row!r}, expected an object")
    return HeldListener(
        source=read_text(row, "source"),
        listener=read_text(row, "listener"),
        points=read_count(row, "points"),
        reasons=tuple(map(str, read_list(row, "reasons"))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A proposal to leave the streams that a hold on listeners names out of every run calculated from then on."""

    at: str
    by: str
    key: str
    id: str
    hold: str
    note: str

    def leaf(self) -> Leaf:
        return unsigned_leaf("reject", self, id=self.id, hold=self.hold, note=self.note)

    @classmethod
    def read(cls, leaf: Leaf) -> Reject:
        check_signed_fields(leaf, "id", "hold", "note")
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            hold=read_text(leaf, "hold"),
            note=read_text(leaf, "note"),
        )
