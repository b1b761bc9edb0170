"""The registry's commands: who signs, what is asked of the registry, what is kept of the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger import canon
from ledger.errors import ConflictError, InputError, StateError
from ledger.registry import acts, papers, payees, personal, quarantine, release, tables
from ledger.registry import manifest as manifests
from ledger.registry.compare import Author
from ledger.registry.decide import Question
from ledger.registry.importing import Imported, import_files, import_rows, notices
from ledger.registry.importing import replay as replay_quarantine
from ledger.registry.intake import Planned
from ledger.registry.model import USES, WORLD, Decision, Instant, Use
from ledger.registry.readers import RawRow
from ledger.registry.rows import PayeeRow, instant, parse
from ledger.registry.statement import Signer
from ledger.registry.view import View
from ledger.types import Digest, InfluenceVector, Role, format_time
from ledger.vector import open_statement
from service.log import enrolling, keys
from service.log.enrolling import Enrolled
from service.registry import audio_roots

if TYPE_CHECKING:
    from service.workspace import Workspace

HOLDER: Final[Role] = "holder"
Progress = Callable[[int, int | None], None]


# --- who acts -------------------------------------------------------------------------------------


def signer(ws: Workspace, party: str | None = None) -> Signer:
    """The operator, or a party enrolled here with a holder's key, or the approver by the name `approver`.

    StateError unless the log and trust.json know the key as that party's in that role: what anybody else
    signs would stand in the log for good, and only an audit would say that nobody was entitled to it.
    """
    if party is None or party == ws.operator:
        who = Signer(ws.signer("operator"), ws.operator, "operator")
    elif party == "approver":
        who = Signer(ws.signer("approver"), "approver", "approver")
    elif ws.key_path(f"{HOLDER}-{party}").is_file():
        who = Signer(ws.key(f"{HOLDER}-{party}"), party, "holder")
    else:
        raise StateError(f"{party} has no key here; make one with `settle registry enrol {party}`")
    counting = keys.ring(ws).at(ws.log.head().size + 1, who.role, party=who.party)
    if not any(key.public == who.key.public for key in counting):
        raise StateError(
            f"key {who.key.public.id[:16]} is no {who.role} key of {who.party} that counts; see `settle key show`, "
            "and workspace.operator if the operator's name was changed"
        )
    return who


def author(ws: Workspace, who: Signer) -> Author:
    return Author(party=who.party, role=who.role, at=format_time(ws.clock()))


def enrol(ws: Workspace, party: str) -> Enrolled:
    """Give a registered party a holder's key, with which it signs for itself from then on."""
    ws.registry.view().party(party)
    return enrolling.enrol(ws, party, HOLDER, name=f"{HOLDER}-{party}", by="operator")


# --- registering ----------------------------------------------------------------------------------


def load(
    ws: Workspace, paths: Sequence[Path], *, by: str | None, dry_run: bool, on_progress: Progress | None
) -> Imported:
    """`settle registry import`."""
    done = import_files(ws.registry, paths, signer(ws, by), dry_run=dry_run, on_progress=on_progress)
    if not dry_run:
        audio_roots.remember(ws, [path.parent for path in paths])  # audio paths are relative to these files
    return done


def replay(ws: Workspace, by: str | None) -> Imported:
    """`settle registry replay`: what the signer handed in and lies in quarantine, once more."""
    return replay_quarantine(ws.registry, signer(ws, by))


def grant(ws: Workspace, row: Mapping[str, Any], by: str | None) -> Imported:
    """One grant, typed rather than filed; InputError with the reason if it is refused."""
    given = {name: value for name, value in row.items() if value is not None}
    done = import_rows(ws.registry, [RawRow(list="grants", file="-", line=1, value=given)], signer(ws, by))
    if done.refused:
        kind = ConflictError if done.conflicts else InputError
        raise kind(done.refused[0].reason)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an act registered; nothing when it stood already."""

    leaves: int
    size: int
    registered: tuple[dict[str, Any], ...]
    notices: tuple[str, ...] = ()


def act(ws: Workspace, by: str | None, plan: Callable[[View, Author], list[Planned]]) -> Done:
    """Plan an act against the registry as it stands, sign it and register it."""
    who = signer(ws, by)
    view = ws.registry.view()
    acting = author(ws, who)
    planned = plan(view, acting)
    if not planned:
        return Done(leaves=0, size=view.size, registered=())
    done = ws.registry.register(planned, who, known=view.size, at=acting.at)
    return Done(
        leaves=done.leaves,
        size=done.size,
        registered=tuple(one.fact.fields() for one in planned),
        notices=tuple(one.text for one in notices(ws.registry.view(), [one.fact for one in planned])),
    )


def confirm(ws: Workspace, ids: Sequence[str], by: str | None, parties: Sequence[str] = ()) -> Done:
    """Confirm shares, links and recordings by id; for a subject, the shares that wait in it, of these parties."""

    def plan(view: View, acting: Author) -> list[Planned]:
        wanted: list[str] = []
        for one in ids:
            is_subject = one in view.all_recordings or one in view.works
            wanted += (acts.waiting(view, one, parties) if is_subject else []) or [one]
        return acts.confirm(view, acting, wanted)

    return act(ws, by, plan)


# --- deciding -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision as commands answer it. `receipt`: the digest of the signed receipt, if one was asked for."""

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
) -> Decided:
    """`settle registry decide`: from the few leaves that speak of the subject, not from all of them.

    What is signed (`keep`) comes from all of them: which leaves speak of a subject says an index, and
    whoever can delete a row of it would hide a revocation.
    """
    chosen = use_named(use)
    size = None if known_at is None else size_named(ws, known_at)
    view = ws.registry.view(size) if keep else ws.registry.view_of(subject, size=size)
    moment = format_time(ws.clock()) if at is None else instant(at)
    question = Question(subject=subject, use=chosen, territory=territory, at=moment, licensee=licensee, model=model)
    decision = view.answer(question)
    digest = _issue(ws, question, chosen, decision, view.size) if keep else None
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


def _issue(ws: Workspace, question: Question, use: Use, decision: Decision, size: int) -> Digest:
    """Sign the answer, keep it, and let the log say when."""
    who = signer(ws)
    now = format_time(ws.clock())
    if question.at > now:
        raise InputError(f"a receipt cannot speak of {question.at}; it is {now}")
    envelope = papers.receipt(question, decision, origin=ws.log.origin, size=size, at=now, key=who.key)
    fact = papers.receipt_fact(envelope, question, decision.decision, use)
    known = ws.registry.view().size
    ws.registry.register([Planned(fact)], who, known=known, at=now, blobs=[envelope.encode()])
    return envelope.digest


def use_named(text: str) -> Use:
    for use in USES:
        if use == text:
            return use
    raise InputError(f"use {text!r}: expected one of {', '.join(USES)}")


def size_named(ws: Workspace, text: str) -> int:
    """What was known: a size of the log, or an instant."""
    return int(text) if text.isdecimal() else ws.registry.size_at(instant(text))


# --- releasing ------------------------------------------------------------------------------------


def clear(ws: Workspace, track: str, *, limit_ppm: int | None, territory: str = WORLD) -> dict[str, Any]:
    """`settle registry clear`: the verdict, and a signed certificate when it is clear."""
    view = ws.registry.view()
    assigned = ws.log.assignments().get(track)
    vector = None if assigned is None else _vector(ws, assigned[0])
    limit = ws.settings.number("registry.clear_ppm") if limit_ppm is None else limit_ppm
    verdict = release.assess(
        view, track, None if assigned is None else assigned[0], vector, limit_ppm=limit, territory=territory
    )
    certificate: Digest | None = None
    if verdict.clear:
        who, now = signer(ws), format_time(ws.clock())
        envelope = papers.certificate(verdict, origin=ws.log.origin, size=view.size, at=now, key=who.key)
        fact = papers.certificate_fact(envelope, verdict)
        ws.registry.register([Planned(fact)], who, known=view.size, at=now, blobs=[envelope.encode()])
        certificate = envelope.digest
    return {
        "track": track, "clear": verdict.clear, "reasons": verdict.reasons, "vector": verdict.vector,
        "unlicensed_ppm": verdict.unlicensed_ppm, "unattributed_ppm": verdict.unattributed_ppm,
        "limit_ppm": verdict.limit_ppm, "sources": verdict.sources, "certificate": certificate,
    }  # fmt: skip


def _vector(ws: Workspace, digest: Digest) -> InfluenceVector:
    """The assigned vector, once its signature is by a key that may attribute."""
    roles: tuple[Role, ...] = ("attribution", "platform", "operator")
    return open_statement(ws.log.blob(digest), [key.public for key in keys.ring(ws).of(*roles)])


# --- models ---------------------------------------------------------------------------------------


def training(ws: Workspace, view: View, model: str, version: str) -> list[str]:
    """The recordings in the manifest of a model version."""
    found = view.model(model, version)
    if found.manifest is None:
        raise StateError(f"model {found.key} was registered without a training list; nothing can be proven about it")
    return manifests.decode(ws.log.blob(found.manifest.blob))


def model_named(ws: Workspace, name: str) -> tuple[str, str]:
    """A version named `ID@VERSION`, or the only one there is of a model, or at all."""
    found = [one for one in ws.registry.view().models.values() if name in ("", one.id, one.key)]
    if len(found) != 1:
        known = ", ".join(sorted(one.key for one in found)) or "none"
        raise InputError(f"model {name or '(not named)'}: say which version with --model ID@VERSION; matching: {known}")
    return found[0].id, found[0].version


def check_model(ws: Workspace, model: str, version: str, territory: str = WORLD) -> dict[str, Any]:
    """Which recordings of a training manifest were not permitted when the version was registered, and why."""
    view = ws.registry.view()
    listed = training(ws, view, model, version)
    missing = view.unlicensed(listed, view.model(model, version), territory)
    return {
        "model": f"{model}@{version}",
        "recordings": len(listed),
        "permitted": len(listed) - len(missing),
        "missing": [
            {"recording": one, "decision": decision.decision, "reasons": decision.reasons} for one, decision in missing
        ],
    }


# --- people ---------------------------------------------------------------------------------------


def propose_payee(
    ws: Workspace, party: str, *, method: str, account: str, start: str | None, by: str | None
) -> payees.Payee:
    """A new account of a party: it waits for approval unless it is the party's first and the operator's act."""
    ws.registry.view().party(party)
    given = {"party": party, "method": method, "account": account, "from": start}
    row = parse("payees", {name: value for name, value in given.items() if value is not None})
    who = signer(ws, by)
    if not isinstance(row, PayeeRow) or (who.role != "operator" and who.party != party):
        raise StateError(f"only {party} or the operator may propose an account for {party}")
    with ws.log.projection() as connection:
        first = party not in payees.paid_before(connection)
        found = payees.propose(connection, row, who, format_time(ws.clock()), first=first)
    if found is None:
        raise ConflictError(f"this account of {party} is in the book already; see `settle registry payee list {party}`")
    return found


def approve_payee(ws: Workspace, payee: str, by: str | None) -> payees.Payee:
    """The second pair of eyes on an account."""
    hours = ws.settings.number("registry.cooling_off_hours")
    with ws.log.projection() as connection:
        return payees.approve(connection, payee, signer(ws, by), format_time(ws.clock()), hours)


def list_payees(ws: Workspace, party: str | None) -> list[payees.Payee]:
    with ws.log.store.reading() as connection:
        return payees.listed(connection, party)


def erase(ws: Workspace, party: str) -> dict[str, Any]:
    """Forget a person: names, what they were credited as, accounts and reasons go; what the log proves stays."""
    view = ws.registry.view()
    view.party(party)
    with ws.log.store.reading() as connection:
        held = personal.load(connection)
    name = held["party", party][1].get("name") if ("party", party) in held else None
    credited = [key for key, (_, fields) in held.items() if name is not None and fields.get("artist") == name]
    reasons = [("dispute", one.id) for one in view.disputes.values() if one.claimant == party]
    with ws.log.projection() as connection:
        tables.ensure(connection)
        forgotten = personal.erase(connection, [("party", party), *credited, *reasons])
        accounts = payees.erase(connection, party)
        rows = quarantine.forget(connection, party)
    return {"party": party, "personal": forgotten, "accounts": accounts, "quarantined": rows}


def evidence(path: Path | None) -> Digest | None:
    """The digest of a piece of evidence. The file itself stays with whoever keeps it: it may name people."""
    if path is None:
        return None
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return canon.digest(path.read_bytes())
