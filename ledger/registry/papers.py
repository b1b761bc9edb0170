"""Signed documents of the registry: decision receipts and release certificates.

Both are DSSE statements by the operator, kept beside the log; a leaf names each by digest, which
proves when it was issued. A receipt's digest can travel in an influence vector.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.proofs import canon, dsse
from ledger.proofs.keys import PrivateKey
from ledger.registry.decide import Question
from ledger.registry.facts import ClearFact, DecisionFact
from ledger.registry.model import Answer, Decision, Instant, Use
from ledger.registry.release import Verdict

DECISION_TYPE: Final = "application/vnd.settle.decision+json"
CLEARANCE_TYPE: Final = "application/vnd.settle.clearance+json"


def receipt(
    question: Question,
    decision: Decision,
    *,
    origin: str,
    size: int,
    at: Instant,
    key: PrivateKey,
    track: str | None = None,
) -> dsse.Envelope:
    """Sign a receipt: the question, the answer, and the state of the registry (`size`, `at`) behind it."""
    payload: dict[str, Any] = {
        "v": 1,
        "type": "decision",
        "origin": origin,
        "size": size,
        "issued_at": at,
        "subject": question.subject,
        "use": question.use,
        "territory": question.territory,
        "at": question.at,
        "decision": decision.decision,
        "grants": list(decision.grants),
        "reasons": list(decision.reasons),
        "floors": [{"currency": currency, "micros": str(micros)} for currency, micros in decision.floors],
    }
    optional = {"licensee": question.licensee, "model": question.model, "cap_ppm": decision.cap_ppm, "track": track}
    payload |= {name: value for name, value in optional.items() if value is not None}
    return dsse.sign(DECISION_TYPE, canon.encode(payload), [key])


def receipt_fact(
    envelope: dsse.Envelope, question: Question, answer: Answer, use: Use, track: str | None = None
) -> DecisionFact:
    """Return the row that records a receipt in the log."""
    return DecisionFact(
        id=envelope.digest,
        subject=question.subject,
        use=use,
        territory=question.territory,
        decision=answer,
        licensee=question.licensee,
        model=question.model,
        track=track,
    )


def certificate(verdict: Verdict, *, origin: str, size: int, at: Instant, key: PrivateKey) -> dsse.Envelope:
    """Sign a certificate that a track with this vector was clear, by this measure, as known then."""
    payload = {
        "v": 2,
        "type": "clearance",
        "origin": origin,
        "size": size,
        "issued_at": at,
        "track": verdict.track,
        "vector": verdict.vector,
        "limit_ppm": verdict.limit_ppm,
        "unlicensed_ppm": verdict.unlicensed_ppm,
        "unattributed_ppm": verdict.unattributed_ppm,
        "unattributed_limit_ppm": verdict.unattributed_limit_ppm,
        "trained_on": verdict.trained_on,
        "trained_without": verdict.trained_without,
        "territory": verdict.territory,
        "sources": [
            {
                "aspect": source.aspect,
                "id": source.id,
                "ppm": source.ppm,
                "use": source.use,
                "decision": source.decision,
            }
            for source in verdict.sources
        ],
    }
    return dsse.sign(CLEARANCE_TYPE, canon.encode(payload), [key])


def certificate_fact(envelope: dsse.Envelope, verdict: Verdict) -> ClearFact:
    """Return the row that records a certificate in the log."""
    return ClearFact(id=envelope.digest, track=verdict.track, vector=verdict.vector or "")
