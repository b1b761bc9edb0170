"""What is wrong with a declared vector: receipts that do not serve it, and sources that nobody permitted.

It is derived from the registry and the vector alone, so that whoever reads the log later comes to the same.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from ledger.errors import InputError
from ledger.registry.decide import Fault, FaultKind, fault_of
from ledger.registry.model import WORLD
from ledger.registry.release import use_of
from ledger.registry.view import View
from ledger.types import ASPECTS, STYLE_PREFIX, Digest, InfluenceVector


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationFinding:
    """One thing wrong with a declaration. `about` is a receipt's digest, or a source's id."""

    kind: FaultKind
    about: str
    text: str


def findings(view: View, vector: InfluenceVector, territory: str = WORLD) -> tuple[DeclarationFinding, ...]:
    """Name every receipt that does not serve this vector, then every source whose use was not permitted."""
    uses = _uses(vector)
    by_subject: dict[str, list[Digest]] = {}
    for digest in dict.fromkeys(vector.decisions):
        if (receipt := view.receipts.get(digest)) is not None:
            by_subject.setdefault(receipt.subject, []).append(digest)
    receipts = [
        DeclarationFinding(kind=fault.kind, about=digest, text=fault.text)
        for digest in dict.fromkeys(vector.decisions)
        if (fault := _fault(view, vector, digest, uses, territory)) is not None
    ]
    sources = []
    for (subject, use), ppm in uses.items():
        # Only receipts about the subject can prove its permission: a long list is not tried for every source.
        receipts_of = by_subject.get(subject, ())
        decision = view.decide_track(vector.track, subject, use, territory, receipts=receipts_of)
        if decision.decision != "allow":
            text = f"{use}: {decision.decision} ({'; '.join(decision.reasons)})"
            sources.append(DeclarationFinding(kind="refused", about=subject, text=text))
        elif decision.cap_ppm is not None and ppm > decision.cap_ppm:
            text = f"{use}: declared at {ppm:,} ppm; its grant caps that at {decision.cap_ppm:,}"
            sources.append(DeclarationFinding(kind="refused", about=subject, text=text))
    return (*receipts, *sources)


def check_payable(view: View, vector: InfluenceVector) -> None:
    """InputError if a source is the id of a work: a payout looks for the works of a recording, and would pay nobody."""
    for aspect in ASPECTS:
        for source in vector.aspect(aspect).sources:
            if source.id in view.works and source.id not in view.all_recordings:
                raise InputError(
                    f"vector of {vector.track}: {source.id!r} is a work, which no payout can pay; name a registered "
                    'recording of it: {"recording": ID, "aspect": "composition", "ppm": ...}'
                )


def _uses(vector: InfluenceVector) -> dict[tuple[str, str], int]:
    """Every declared source with its use, and the largest part that an aspect gives it; a style group asks nobody."""
    uses: dict[tuple[str, str], int] = {}
    for aspect in ASPECTS:
        for source in vector.aspect(aspect).sources:
            if source.basis == "declared" and not source.id.startswith(STYLE_PREFIX):
                key = (source.id, use_of(source))
                uses[key] = max(uses.get(key, 0), source.ppm)
    return uses


def _fault(
    view: View, vector: InfluenceVector, digest: Digest, uses: Container[tuple[str, str]], territory: str
) -> Fault | None:
    receipt = view.receipts.get(digest)
    if receipt is None:
        return Fault("altered", "the log holds no decision of this digest: it was changed, or never given")
    if (receipt.subject, receipt.use) not in uses:
        return Fault("replayed", f"it is about {receipt.use} of {receipt.subject}, which the vector does not declare")
    record = view.track(vector.track)
    question = view.question_of(record, receipt.subject, receipt.use, territory)
    fault = fault_of(receipt, question, record)
    if fault is None and view.narrowed(question, receipt.at, record.at):
        return Fault(
            "expired", f"the permission of {receipt.at} was revoked or refused before the track was registered"
        )
    return fault
