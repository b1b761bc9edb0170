"""Receipts and certificates: everything they say, and the rows that place them in the log."""

from __future__ import annotations

from typing import Any

from ledger.proofs import canon, dsse
from ledger.registry import papers
from ledger.registry.decide import Question
from ledger.registry.facts import ClearFact, DecisionFact
from ledger.registry.model import Decision
from ledger.registry.release import TrackSource, Verdict
from tests.ledger.world import seeded

KEY = seeded("operator")
AT = "2026-06-01T00:00:00Z"
ISSUED: dict[str, Any] = {"origin": "example.org/log", "size": 7, "at": "2026-06-02T00:00:00Z", "key": KEY}
HEADER = {"v": 1, "origin": "example.org/log", "size": 7, "issued_at": "2026-06-02T00:00:00Z"}


def payload(envelope: dsse.Envelope, kind: str) -> Any:
    return canon.decode(dsse.verify(envelope, [KEY.public], kind))


def test_a_receipt_says_what_was_asked_and_answered() -> None:
    """If this fails, a receipt proves another question, another answer or other terms than were given."""
    question = Question(subject="rec", use="train", territory="SE", at=AT, licensee="lab", model="m@1")
    decision = Decision("allow", ("g-1", "g-2"), ("ann allows",), 9, (("EUR", 4), ("USD", 5)))
    envelope = papers.receipt(question, decision, **ISSUED)
    asked = {"subject": "rec", "use": "train", "territory": "SE", "at": AT}
    assert payload(envelope, papers.DECISION_TYPE) == {
        **HEADER,
        **asked,
        "type": "decision",
        "decision": "allow",
        "grants": ["g-1", "g-2"],
        "reasons": ["ann allows"],
        "licensee": "lab",
        "model": "m@1",
        "cap_ppm": 9,
        "floors": [{"currency": "EUR", "micros": "4"}, {"currency": "USD", "micros": "5"}],
    }
    assert papers.receipt_fact(envelope, question, "allow", "train") == DecisionFact(
        id=envelope.digest, subject="rec", use="train", territory="SE", decision="allow", licensee="lab", model="m@1"
    )
    plain = papers.receipt(Question(**asked), Decision("deny", (), ("nobody",)), **ISSUED)
    assert payload(plain, papers.DECISION_TYPE) == {
        **HEADER,
        **asked,
        "type": "decision",
        "decision": "deny",
        "grants": [],
        "reasons": ["nobody"],
        "floors": [],
    }


def test_a_certificate_says_by_what_measure_a_track_was_clean() -> None:
    """If this fails, a certificate is shown for another track, vector, limit or place than it was given for."""
    source = TrackSource(aspect="recording", id="rec", ppm=5, use="train", decision="ask", reasons=("r",), cap_ppm=None)
    verdict = Verdict(
        track="t",
        clear=True,
        vector="a" * 64,
        territory="SE",
        limit_ppm=10,
        unlicensed_ppm=5,
        unattributed_ppm=6,
        unattributed_limit_ppm=7,
        trained_on=8,
        trained_without=0,
        sources=(source,),
        reasons=(),
    )
    envelope = papers.certificate(verdict, **ISSUED)
    assert payload(envelope, papers.CLEARANCE_TYPE) == {
        **HEADER,
        "v": 2,
        "type": "clearance",
        "track": "t",
        "vector": "a" * 64,
        "limit_ppm": 10,
        "unlicensed_ppm": 5,
        "unattributed_ppm": 6,
        "unattributed_limit_ppm": 7,
        "trained_on": 8,
        "trained_without": 0,
        "territory": "SE",
        "sources": [{"aspect": "recording", "id": "rec", "ppm": 5, "use": "train", "decision": "ask"}],
    }
    assert papers.certificate_fact(envelope, verdict) == ClearFact(id=envelope.digest, track="t", vector="a" * 64)
