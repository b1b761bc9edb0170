"""Restatements: a past month divided again with today's data, proposed by one person to another.

The leaf names the run that it corrects, the month that books the differences, and the size of the log whose data it
uses. The amounts are in a document signed by the operator, which anybody with the log can derive again
(`payouts.restating`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import canon, dsse
from ledger.types import Digest, Leaf
from payouts.life.fields import author_of, check_signed_fields, read_count, read_micros, read_text, unsigned_leaf

DOCUMENT_TYPE: Final = "application/vnd.settle.restatement+json"
OTHER_PARTS: Final = ("unattributed", "suspense", "reserve")
"""Parts of the pool that no holder has; what is held and allocated follows from the holders' lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restate:
    """A proposal to book in a later period the differences of a published run with today's data."""

    at: str
    by: str
    key: str
    id: str
    run: Digest
    period: str
    """The later period that books the differences."""
    pool: str
    currency: str
    size: int
    """How much of the log was known."""
    statement: Digest

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            "restate",
            self,
            id=self.id,
            run=self.run,
            period=self.period,
            pool=self.pool,
            currency=self.currency,
            size=self.size,
            statement=self.statement,
        )

    @classmethod
    def read(cls, leaf: Leaf) -> Restate:
        check_signed_fields(leaf, "id", "run", "period", "pool", "currency", "size", "statement")
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            run=read_text(leaf, "run"),
            period=read_text(leaf, "period"),
            pool=read_text(leaf, "pool"),
            currency=read_text(leaf, "currency"),
            size=read_count(leaf, "size"),
            statement=read_text(leaf, "statement"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """The withdrawal of an open restatement by the operator who made it."""

    at: str
    by: str
    key: str
    proposal: str
    reason: str

    def leaf(self) -> Leaf:
        return unsigned_leaf("withdraw", self, proposal=self.proposal, reason=self.reason)

    @classmethod
    def read(cls, leaf: Leaf) -> Withdraw:
        check_signed_fields(leaf, "proposal", "reason")
        return cls(**author_of(leaf), proposal=read_text(leaf, "proposal"), reason=read_text(leaf, "reason"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestatedShare:
    """One holder's difference, and its reason. `was` and `now` are before deductions."""

    party: str
    was: int
    now: int
    reason: str

    @property
    def micros(self) -> int:
        return self.now - self.was


@dataclass(frozen=True, slots=True, kw_only=True)
class RestatementDocument:
    """The content of a restatement's signed document. `parts`: the pool's other parts (OTHER_PARTS).

    `awards`: by dispute, the part of its award that counts as received here.
    """

    run: Digest
    period: str
    size: int
    parts: Mapping[str, int]
    awards: Mapping[str, int]
    shares: tuple[RestatedShare, ...]

    def payload(self) -> dict[str, Any]:
        return {
            "v": 1,
            "run": self.run,
            "into": self.period,
            "size": self.size,
            "parts": {name: str(self.parts[name]) for name in OTHER_PARTS},
            **({"awards": {name: str(micros) for name, micros in self.awards.items()}} if self.awards else {}),
            "lines": [
                {
                    "party": share.party,
                    "was": str(share.was),
                    "now": str(share.now),
                    "micros": str(share.micros),
                    "reason": share.reason,
                }
                for share in self.shares
            ],
        }

    def facts(self) -> dict[str, Any]:
        """Return the payload without the reasons, whose wording cannot be derived."""
        payload = self.payload()
        return payload | {"lines": [row | {"reason": ""} for row in payload["lines"]]}


def read_document(data: bytes, record: Restate) -> RestatementDocument:
    """Read a restatement's document from its envelope; refuses another document or another spelling."""
    envelope = dsse.parse(data)
    if envelope.payload_type != DOCUMENT_TYPE or envelope.digest != record.statement:
        raise VerificationError(f"restatement {record.id}: its statement is no restatement, or has another digest")
    payload = canon.decode_object(envelope.payload, "restatement")
    try:
        document = RestatementDocument(
            run=read_text(payload, "run"),
            period=read_text(payload, "into"),
            size=read_count(payload, "size"),
            parts={name: read_micros(payload["parts"][name]) for name in OTHER_PARTS},
            awards={name: read_micros(micros) for name, micros in payload.get("awards", {}).items()},
            shares=tuple(
                RestatedShare(
                    party=read_text(row, "party"),
                    was=read_micros(read_text(row, "was")),
                    now=read_micros(read_text(row, "now")),
                    reason=read_text(row, "reason"),
                )
                for row in payload["lines"]
            ),
        )
    except (LookupError, TypeError, AttributeError) as problem:
        raise VerificationError(
            f"restatement {record.id}: a field is missing or of another type: {problem!r}"
        ) from None
    if canon.encode(document.payload()) != canon.encode(payload):
        raise VerificationError(f"restatement {record.id}: its document is not written as a restatement writes it")
    if (document.run, document.period, document.size) != (record.run, record.period, record.size):
        raise VerificationError(f"restatement {record.id}: its document is of another run, month or log size")
    if any(micros <= 0 for micros in document.awards.values()):
        raise VerificationError(f"restatement {record.id}: an award that counts as received comes to nothing")
    parties = [share.party for share in document.shares]
    if sorted(set(parties)) != parties or not all(share.party and share.micros for share in document.shares):
        raise VerificationError(f"restatement {record.id}: its lines are out of order, repeated, or come to nothing")
    return document
