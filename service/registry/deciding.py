"""Decide whether a use is permitted, and whether a track may be released; sign a receipt of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import InputError
from ledger.proofs.vector import open_statement
from ledger.registry import papers, release
from ledger.registry.decide import Question
from ledger.registry.intake import Planned
from ledger.registry.model import USES, WORLD, Decision, Instant, Use
from ledger.registry.rows import check_receipt, instant
from ledger.registry.view import View
from ledger.types import Digest, InfluenceVector, Role, format_time
from service.log import keys
from service.registry.signing import signer
from service.registry.training import training

if TYPE_CHECKING:
    from service.workspace import Workspace

SIZE_DIGITS: Final = 15
"""Of a log's size, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision for a command's output. `receipt`: the digest of the signed receipt, if one was requested."""

    decision: str
    grants: tuple[str, ...]
    reasons: tuple[str, ...]
    cap_ppm: int | None
    floors: tuple[dict[str, Any], ...]
    at: Instant
    known_at: int
    receipt: Digest | None = None


def decide(
    ws: Workspace,
    subject: str,
    use: str,
    *,
    at: str | None,
    known_at: str | None,
    territory: str,
    licensee: str | None,
    model: str | None,
    keep: bool = False,
    track: str | None = None,
) -> Decided:
    """`settle registry decide`: reads only the leaves of the subject, not all of them.

    A signed answer (`keep`) reads all leaves, because the subject's leaves are found by an index, and a deleted row of
    it could hide a revocation.
    """
    chosen = use_named(use)
    if keep and (licensee is None or "@" not in (model or "")):
        raise InputError("a receipt is for one licensee and one model version; give --licensee and --model ID@VERSION")
    if track is not None and not keep:
        raise InputError("a track is named for a receipt; give --receipt too")
    if keep:  # before anything is signed: the log keeps what it was asked for ever
        check_receipt(subject, territory, licensee, model, track)
    size = None if known_at is None else size_named(ws, known_at)
    view = ws.registry.view(size) if keep else ws.registry.view_of(subject, size=size)
    moment = format_time(ws.clock()) if at is None else instant(at)
    question = Question(subject=subject, use=chosen, territory=territory, at=moment, licensee=licensee, model=model)
    decision = view.answer(question)
    digest = _issue(ws, question, chosen, decision, size=view.size, track=track) if keep else None
    return Decided(
        decision=decision.decision,
        grants=decision.grants,
        reasons=decision.reasons,
        cap_ppm=decision.cap_ppm,
        floors=tuple({"currency": currency, "micros": micros} for currency, micros in decision.floors),
        at=moment,
        known_at=view.size,
        receipt=digest,
    )


def _issue(ws: Workspace, question: Question, use: Use, decision: Decision, *, size: int, track: str | None) -> Digest:
    """Sign the answer, store it, and record its time in the log."""
    who = signer(ws)
    now = format_time(ws.clock())
    if question.at > now:
        raise InputError(f"a receipt cannot speak of {question.at}; it is {now}")
    envelope = papers.receipt(question, decision, origin=ws.log.origin, size=size, at=now, key=who.key, track=track)
    fact = papers.receipt_fact(envelope, question, decision.decision, use, track)
    view_size = ws.registry.view().size
    ws.registry.register([Planned(fact)], who, known=view_size, at=now, blobs=[envelope.encode()])
    return envelope.digest


def use_named(text: str) -> Use:
    for use in USES:
        if use == text:
            return use
    raise InputError(f"use {text!r}: expected one of {', '.join(USES)}")


def size_named(ws: Workspace, text: str) -> int:
    """Return the size of the log for a size or a time."""
    if not text.isdecimal():
        return ws.registry.size_at(instant(text))
    if not text.isascii() or len(text) > SIZE_DIGITS:  # a larger number is none of the database's
        raise InputError(f"known at {text[:40]!r}: expected a date, a time, or a size of the log such as 1200")
    return int(text)


# --- releasing ------------------------------------------------------------------------------------


def clear(
    ws: Workspace,
    track: str,
    *,
    limit_ppm: int | None,
    unattributed_limit_ppm: int | None = None,
    territory: str = WORLD,
) -> dict[str, Any]:
    """`settle registry clear`: the verdict, and a signed certificate when it is clear."""
    view = ws.registry.view()
    verdict = judge(
        ws, view, track, limit_ppm=limit_ppm, unattributed_limit_ppm=unattributed_limit_ppm, territory=territory
    )
    certificate: Digest | None = None
    if verdict.clear:
        who, now = signer(ws), format_time(ws.clock())
        envelope = papers.certificate(verdict, origin=ws.log.origin, size=view.size, at=now, key=who.key)
        fact = papers.certificate_fact(envelope, verdict)
        ws.registry.register([Planned(fact)], who, known=view.size, at=now, blobs=[envelope.encode()])
        certificate = envelope.digest
    return {
        "track": track,
        "clear": verdict.clear,
        "reasons": verdict.reasons,
        "vector": verdict.vector,
        "unlicensed_ppm": verdict.unlicensed_ppm,
        "unattributed_ppm": verdict.unattributed_ppm,
        "limit_ppm": verdict.limit_ppm,
        "unattributed_limit_ppm": verdict.unattributed_limit_ppm,
        "trained_on": verdict.trained_on,
        "trained_without": verdict.trained_without,
        "sources": verdict.sources,
        "certificate": certificate,
    }


def judge(
    ws: Workspace,
    view: View,
    track: str,
    *,
    limit_ppm: int | None = None,
    unattributed_limit_ppm: int | None = None,
    territory: str = WORLD,
) -> release.Verdict:
    """Whether a track may be released, by the limits given or those of the settings."""
    assigned = ws.log.assignments().get(track)
    vector = None if assigned is None else _vector(ws, assigned[0])
    settings = ws.settings
    return release.assess(
        view,
        track,
        None if assigned is None else assigned[0],
        vector,
        limit_ppm=settings.number("registry.clear_ppm") if limit_ppm is None else limit_ppm,
        unattributed_limit_ppm=(
            settings.number("registry.clear_unattributed_ppm")
            if unattributed_limit_ppm is None
            else unattributed_limit_ppm
        ),
        listed=_training_list(ws, view, track),
        territory=territory,
    )


def _training_list(ws: Workspace, view: View, track: str) -> list[str] | None:
    """Return the recordings that a track's model was trained on; None if no list was registered."""
    record = view.track(track)
    model = view.models.get(f"{record.model}@{record.version}")
    return None if model is None or model.manifest is None else training(ws, view, model.id, model.version)


def _vector(ws: Workspace, digest: Digest) -> InfluenceVector:
    """Return the assigned vector after checking that an attribution key signed it."""
    roles: tuple[Role, ...] = ("attribution", "platform", "operator")
    return open_statement(ws.log.blob(digest), [key.public for key in keys.ring(ws).of(*roles)])
