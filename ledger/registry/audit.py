"""The registry audited from the log alone: every signature, every authority, every date, and what follows.

`audit` reads leaves and the matter they name, nothing else: no projection, no side table. What breaks
a rule is a *violation*; what a rights manager should know (over-claims, unlicensed training, open
disputes) is a *finding*. Two audits of one log at one size give the same report and the same digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.event import Entry
from ledger.proofs import canon, leaf
from ledger.proofs.keyring import KeyRing
from ledger.registry import facts as f
from ledger.registry import manifest, statement
from ledger.registry.acts import CONFIRMERS
from ledger.registry.fold import State
from ledger.registry.model import FOREVER, Manifest
from ledger.registry.shares import overclaimed
from ledger.registry.statement import Registration
from ledger.registry.view import View
from ledger.types import Digest, Role

Blob = Callable[[Digest], bytes]
SIGNING_ROLES: Final[tuple[Role, ...]] = ("operator", "holder", "approver", "attribution", "platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditNote:
    """One thing the audit has to say about one id."""

    kind: str
    id: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What an audit of a log's registry came to. `digest` is over everything else in it but `index`.

    `index`: where the table that finds a recording's leaves is not what the log gives. It is beside the
    log, so another audit of the same log does not see it.
    """

    ok: bool
    size: int
    leaves: int
    statements: int
    violations: tuple[AuditNote, ...]
    findings: tuple[AuditNote, ...]
    digest: Digest
    index: tuple[AuditNote, ...] = ()


def audit(
    entries: Iterable[Entry],
    *,
    origin: str,
    size: int,
    ring: KeyRing,
    blob: Blob,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> AuditReport:
    """Replay the registry's leaves, in log order."""
    state = State()
    violations: list[AuditNote] = []
    leaves, statements = 0, 0
    seen: set[Digest] = set()
    readable = _readable(entries, violations)
    for digest, group in groupby(readable, key=lambda item: str(item[1].get("statement"))):
        items = list(group)
        statements += 1
        leaves += len(items)
        try:
            if digest in seen:
                raise VerificationError("its rows stand in the log twice")
            seen.add(digest)
            said = _check_statement(digest, items, origin=origin, ring=ring, blob=blob)
        except VerificationError as problem:
            violations.append(AuditNote(kind="statement", id=digest, detail=f"leaves {items[0][0]} on: {problem}"))
            continue
        for index, body, fact in items:
            problem_found = (
                _unauthorised(fact, said, state)
                or _backdated(fact)
                or _groundless(fact, state)
                or _unproven(fact, blob)
            )
            if problem_found:
                violations.append(AuditNote(kind=body["type"], id=f"leaf {index}", detail=problem_found))
            state.apply(index, fact)
        if on_progress is not None:
            on_progress(leaves, None)
    view = state.view(size)
    found = tuple(_findings(view, blob))
    matter = {"size": size, "leaves": leaves, "violations": _plain(violations), "findings": _plain(found)}
    return AuditReport(
        ok=not violations,
        size=size,
        leaves=leaves,
        statements=statements,
        violations=tuple(violations),
        findings=found,
        digest=canon.digest(canon.encode(matter)),
    )


def _readable(entries: Iterable[Entry], violations: list[AuditNote]) -> Iterator[tuple[int, dict[str, Any], f.AnyFact]]:
    """The leaves that say something the registry understands; the others are violations."""
    for entry in entries:
        try:
            yield entry.index, leaf.decode(entry.body), f.decode(entry.body)
        except VerificationError as problem:
            violations.append(AuditNote(kind="leaf", id=f"leaf {entry.index}", detail=str(problem)))


def _plain(notes: Sequence[AuditNote]) -> list[list[str]]:
    return [[note.kind, note.id, note.detail] for note in notes]


def _check_statement(
    digest: Digest, items: Sequence[tuple[int, dict[str, Any], f.AnyFact]], *, origin: str, ring: KeyRing, blob: Blob
) -> Registration:
    """What the statement says, if a key of the party and role it names signed exactly these rows for this log."""
    keys = ring.at(items[0][0] + 1, *SIGNING_ROLES)
    said, signer = statement.open_statement(blob(digest), [key.public for key in keys])
    if said.origin != origin:
        raise VerificationError(f"signed for log {said.origin}")
    if not any(key.public == signer and (key.party, key.role) == (said.party, said.role) for key in keys):
        raise VerificationError(f"signed by {signer.id[:16]}, which is no {said.role} key of {said.party}")
    statement.check_rows(said, [body for _, body, _ in items])
    return said


def _unauthorised(fact: f.AnyFact, said: Registration, state: State) -> str | None:
    """Why this author may not have registered this fact; None if they may."""
    party: str | None = None
    allowed: tuple[str, ...] = ("operator", "holder")
    match fact:
        case f.ShareFact(state="confirmed") | f.LinkFact(state="confirmed"):
            allowed = ("operator",)
        case f.ConfirmFact() | f.ResolveFact():
            allowed = CONFIRMERS
        case f.PartyFact():
            party = fact.id
        case f.GrantFact() | f.RevokeFact():
            party = fact.grantor
        case f.ModelFact():
            party = fact.operator
        case f.EndFact():
            party = _holder(fact, state)
        case f.DisputeFact():
            party = fact.claimant
        case f.TrackFact() if fact.draft:
            allowed = ("operator", "holder", "attribution", "platform")
        case f.DecisionFact() | f.ClearFact() | f.AuditFact():
            allowed = ("operator",)
        case _:
            pass
    if said.role not in allowed:
        return f"registered by a {said.role} key; it takes {' or '.join(allowed)}"
    if party is not None and said.role != "operator" and said.party != party:
        return f"registered by {said.party}; only {party} or the operator may"
    return None


def _holder(fact: f.EndFact, state: State) -> str:
    for (subject, _), lines in state.shares.items():
        if subject == fact.subject:
            for line in lines:
                if line.id == fact.id:
                    return line.party
    return "nobody"


def _backdated(fact: f.AnyFact) -> str | None:
    """Whether a narrowing reaches behind its own registration."""
    if isinstance(fact, f.RevokeFact) and fact.start < fact.at:
        return f"revokes from {fact.start}, before its own registration at {fact.at}"
    if isinstance(fact, f.EndFact) and fact.end < fact.at:
        return f"ends a share at {fact.end}, before its own registration at {fact.at}"
    return None


def _groundless(fact: f.AnyFact, state: State) -> str | None:
    """Whether an act speaks of something that is not registered, or settled already."""
    if isinstance(fact, f.ModelFact) and f"{fact.id}@{fact.version}" in state.models:
        return f"registers model {fact.id}@{fact.version} again; a registered version never changes"
    if isinstance(fact, f.RevokeFact) and fact.grant not in state.grants:
        return f"revokes grant {fact.grant}, which is not registered"
    if isinstance(fact, f.ResolveFact):
        dispute = state.disputes.get(fact.dispute)
        if dispute is None or dispute.resolved_at is not None:
            return f"resolves dispute {fact.dispute}, which is not open"
    return None


def _unproven(fact: f.AnyFact, blob: Blob) -> str | None:
    """Whether a model's leaf commits to another training list than the one kept beside the log (V4)."""
    if not isinstance(fact, f.ModelFact) or fact.manifest is None:
        return None
    try:
        manifest.prover(fact.manifest, manifest.decode(blob(fact.manifest.blob)))
    except VerificationError as problem:
        return str(problem)
    return None


def _training(blob: Blob, listed: Manifest) -> list[str]:
    """The ids of a training list; none of one that cannot be read, which is a violation of its own."""
    try:
        return manifest.decode(blob(listed.blob))
    except VerificationError:
        return []


# --- findings -------------------------------------------------------------------------------------


def _findings(view: View, blob: Blob) -> Iterator[AuditNote]:
    """What follows from the state for those concerned, in a fixed order."""
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
