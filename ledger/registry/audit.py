"""Audit the registry from the log alone: every signature, authority and date, and their effects.

`audit` reads leaves and the matter they name, nothing else: no projection, no side table. A broken rule is a
*violation*; a fact that a rights manager should know (over-claims, unlicensed training, open disputes) is a *finding*.
Two audits of one log at one size give the same report and the same digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ledger.errors import InputError, VerificationError
from ledger.event import Entry
from ledger.proofs import canon
from ledger.proofs.keyring import KeyRing
from ledger.registry import facts as f
from ledger.registry import manifest
from ledger.registry.duplicates import duplicates
from ledger.registry.model import FOREVER, Manifest
from ledger.registry.reading import AuditNote, Blob, RegistryReading
from ledger.registry.shares import overclaimed
from ledger.registry.view import View
from ledger.types import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The result of an audit of a log's registry.

    `digest` covers all fields except `index` and `duplicates`. `index`: where the table that finds a recording's leaves
    differs from the log. The table is not part of the log, so another audit of the same log does not see it.
    `duplicates`: what is registered twice, or probably is; the field came with release 0.2, and earlier audits keep
    their digest.
    """

    ok: bool
    size: int
    leaves: int
    statements: int
    violations: tuple[AuditNote, ...]
    findings: tuple[AuditNote, ...]
    digest: Digest
    index: tuple[AuditNote, ...] = ()
    duplicates: tuple[AuditNote, ...] = ()


def audit(
    entries: Iterable[Entry],
    *,
    origin: str,
    size: int,
    ring: KeyRing,
    blob: Blob,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> AuditReport:
    """Replay the registry's leaves in log order."""
    reading = RegistryReading(origin, blob)
    for stated in reading.take(ring, entries):
        for index, fact in zip(stated.places, stated.facts, strict=True):
            if index not in reading.void_leaves and (wrong := _unproven(fact, blob)):
                reading.voids.append(AuditNote(kind=fact.type, id=f"leaf {index}", detail=wrong))
        if on_progress is not None:
            on_progress(reading.leaves, None)
    leaves, violations = reading.leaves, reading.voids
    view = reading.state.view(size)
    findings = tuple(_findings(view, blob))
    matter = {"size": size, "leaves": leaves, "violations": _plain(violations), "findings": _plain(findings)}
    return AuditReport(
        ok=not violations,
        size=size,
        leaves=leaves,
        statements=reading.statements,
        violations=tuple(violations),
        findings=findings,
        digest=canon.digest(canon.encode(matter)),
        duplicates=tuple(doubled.note() for doubled in duplicates(view)),
    )


def _plain(notes: Sequence[AuditNote]) -> list[list[str]]:
    return [[note.kind, note.id, note.detail] for note in notes]


def _unproven(fact: f.AnyFact, blob: Blob) -> str | None:
    """Return whether a model's leaf commits to another training list than the stored one (V4)."""
    if not isinstance(fact, f.ModelFact) or fact.manifest is None:
        return None
    try:
        manifest.prover(fact.manifest, manifest.decode(blob(fact.manifest.blob)))
    except (VerificationError, InputError) as problem:
        return str(problem)
    return None


def _training(blob: Blob, listed: Manifest) -> list[str]:
    """Return the ids of a training list; none if it cannot be read, which is reported as a violation."""
    try:
        return manifest.decode(blob(listed.blob))
    except (VerificationError, InputError):
        return []


# --- findings -------------------------------------------------------------------------------------


def _findings(view: View, blob: Blob) -> Iterator[AuditNote]:
    """Return the findings that follow from the state, in a fixed order."""
    for (subject, right), lines in sorted(view.shares_of.items()):
        if over := overclaimed(lines):
            parties = sorted({line.party for line in lines if line.id in over})
            yield AuditNote(
                kind="over-claim", id=subject, detail=f"{right}: {', '.join(parties)} claim more than the whole"
            )
    for _, dispute in sorted(view.disputes.items()):
        if dispute.resolved_at is None:
            yield AuditNote(
                kind="open-dispute",
                id=dispute.id,
                detail=f"{dispute.subject}, by {dispute.claimant} since {dispute.at}",
            )
    for key, model in sorted(view.models.items()):
        if model.manifest is None:
            yield AuditNote(kind="no-training-list", id=key, detail="registered without a training manifest")
            continue
        for recording, decision in view.unlicensed(_training(blob, model.manifest), model):
            yield AuditNote(kind="unlicensed-training", id=key, detail=f"{recording}: {'; '.join(decision.reasons)}")
    for name, track in sorted(view.tracks.items()):
        for recording in track.conditioning:
            decision = view.decide_track(name, recording, "condition")
            if decision.decision != "allow":
                reasons = "; ".join(decision.reasons)
                yield AuditNote(
                    kind="unlicensed-conditioning", id=name, detail=f"{recording}: {decision.decision}: {reasons}"
                )
    for name, grant in sorted(view.grants.items()):
        if grant.decision == "allow" and grant.end != FOREVER and grant.end <= grant.at:
            yield AuditNote(kind="expired-grant", id=name, detail=f"ended at {grant.end}, before its registration")
