"""Decide whether a use is permitted, with the grants and the reasons.

- No record means deny. Deny overrides ask, ask overrides allow, whether specific or general: the
  specific beats the general only where it is more restrictive.
- Every holder of a controlling share must allow. A subject whose confirmed shares fall short of the
  whole has a holder nobody knows, so it is denied.
- Permission for WORLD is permission everywhere: a denial in any territory counts against it.
- A grant for one licensee or one model version speaks of that one only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from ledger.registry.model import SEVERITY, WORLD, Answer, Decision, Grant, Instant, Receipt, Shares, Track
from ledger.types import MILLION, format_time, parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing to decide. `serves_at`: for training, when the trained version is used (sunset clauses)."""

    subject: str
    use: str
    territory: str
    at: Instant
    licensee: str | None = None
    model: str | None = None
    serves_at: Instant | None = None


def applies(grant: Grant, question: Question) -> bool:
    """Return whether a grant is about this use, time, territory and licensee."""
    use = question.use
    if use not in grant.uses or not grant.start <= question.at < (grant.end_of(use) if grant.ends else grant.end):
        return False
    if grant.territory not in (question.territory, WORLD) and (
        question.territory != WORLD or grant.decision == "allow"
    ):
        return False
    if grant.licensee is not None and grant.licensee != question.licensee:
        return False
    if grant.model is not None and not _same_model(grant.model, question.model):
        return False
    return grant.sunset is None or (question.serves_at or question.at) < grant.sunset or grant.decision != "allow"


def _same_model(granted: str, asked: str | None) -> bool:
    """Compare models: `mdl-1` covers every version, `mdl-1@2` only that one."""
    return asked is not None and (granted == asked or ("@" not in granted and asked.partition("@")[0] == granted))


def holder_answer(party: str, grants: Iterable[Grant], question: Question) -> tuple[Answer, list[Grant], str]:
    """Return one holder's answer: the most restrictive of the grants that apply, deny without any."""
    answer: Answer | None = None
    counting: list[Grant] = []
    for grant in grants:
        if applies(grant, question):
            counting.append(grant)
            if answer is None or SEVERITY[grant.decision] > SEVERITY[answer]:
                answer = grant.decision
    if answer is None:
        return (
            "deny",
            counting,
            f"{party} has no grant that covers {question.use} in {question.territory} at {question.at}",
        )
    decisive = [grant for grant in counting if grant.decision == answer]
    names = ", ".join(sorted(grant.id for grant in decisive))
    verb = {"allow": "allows", "ask": "wants to be asked about", "deny": "denies"}[answer]
    return answer, decisive, f"{party} {verb} {question.use} by {names}"


def combine(
    shares: Shares, right: str, answers: Sequence[tuple[Answer, list[Grant], str]], question: Question
) -> Decision:
    """Return the decision over all controlling holders: the most restrictive of their answers."""
    reasons = [reason for _, _, reason in answers]
    worst: Answer = "allow"
    for answer, _, _ in answers:
        if SEVERITY[answer] > SEVERITY[worst]:
            worst = answer
    if shares.state == "short":
        total = sum(ppm for _, ppm in shares.parts)
        worst = "deny"
        reasons.append(
            f"confirmed {right} shares of {question.subject} sum to {total:,} of {MILLION:,} ppm: a holder is unknown"
            if total
            else f"{question.subject} has no confirmed {right} shares at {question.at}"
        )
    elif shares.state == "conflict":
        reasons.append(f"more than the whole of the {right} right is claimed: every claimant was asked")
    elif shares.state == "disputed":
        reasons.append(f"ownership of {', '.join(shares.disputed)} is disputed: money is held until it is resolved")
    elif shares.state == "contested":
        reasons.append(
            f"whether {question.subject} or a copy of it was there first is disputed: nobody is paid for what they "
            "have in common until then"
        )
    grants = {grant.id: grant for _, granted, _ in answers for grant in granted}
    if worst != "allow":
        return Decision(worst, tuple(sorted(grants)), tuple(reasons))
    caps = [grant.cap_ppm for grant in grants.values() if grant.cap_ppm is not None]
    return Decision(worst, tuple(sorted(grants)), tuple(reasons), min(caps) if caps else None, _floors(grants.values()))


def _floors(grants: Iterable[Grant]) -> tuple[tuple[str, int], ...]:
    """Return the highest price floor per currency."""
    floors: dict[str, int] = {}
    for grant in grants:
        if grant.floor_micros is not None and grant.currency is not None:
            floors[grant.currency] = max(floors.get(grant.currency, 0), grant.floor_micros)
    return tuple(sorted(floors.items()))


FaultKind = Literal["refused", "expired", "replayed", "altered"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a receipt that a declaration names."""

    kind: FaultKind
    text: str


RECEIPT_HOURS: Final = 24
"""How long a receipt that names no track serves; a generator asks again the next day."""


def proves(receipt: Receipt, question: Question, track: Track) -> bool:
    """Return whether a decision in the log allowed this use, to the same licensee, for this track."""
    if track.form == 1:
        return _proved(receipt, question, before=track.at)
    return fault_of(receipt, question, track) is None


def fault_of(receipt: Receipt, question: Question, track: Track) -> Fault | None:
    """Return why a decision in the log does not permit this use; None if it does.

    Anybody can read digests in the log, so a receipt is valid only for its licensee, version and time (C2).
    """
    ends = format_time(parse_time(receipt.at) + timedelta(hours=RECEIPT_HOURS)) if receipt.at else receipt.at
    about = (receipt.subject, receipt.use) == (question.subject, question.use)
    ours = receipt.licensee is not None and receipt.licensee == question.licensee
    same_model = receipt.model is not None and receipt.model == question.model
    checks: tuple[tuple[bool, FaultKind, str], ...] = (
        (about, "replayed", f"it is about {receipt.use} of {receipt.subject}"),
        (receipt.decision == "allow", "refused", f"the answer was {receipt.decision}"),
        (ours, "replayed", f"it was given to {receipt.licensee or 'nobody in particular'}"),
        (same_model, "replayed", f"it is for model {receipt.model or 'nothing in particular'}"),
        (receipt.track in (None, track.id), "replayed", f"it is for track {receipt.track}"),
        (receipt.territory in (question.territory, WORLD), "replayed", f"it is for {receipt.territory}"),
        (receipt.at <= track.at, "expired", f"it was given at {receipt.at}, after the track was registered"),
        (
            receipt.track is not None or track.at < ends,
            "expired",
            f"it was given at {receipt.at} and served tracks of {RECEIPT_HOURS} hours",
        ),
    )
    return next((Fault(kind, text) for holds, kind, text in checks if not holds), None)


def _proved(receipt: Receipt, question: Question, *, before: Instant) -> bool:
    """Apply the rule of release 0.1: an earlier answer is valid without limit for everybody it is about."""
    return (
        receipt.decision == "allow"
        and (receipt.subject, receipt.use) == (question.subject, question.use)
        and receipt.territory in (question.territory, WORLD)
        and receipt.at <= before
        and (receipt.licensee is None or receipt.licensee == question.licensee)
        and (receipt.model is None or _same_model(receipt.model, question.model))
    )
