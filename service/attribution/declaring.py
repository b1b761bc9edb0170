"""A generator declares what a track was conditioned on, as soon as the track exists.

Its party speaks for a source that may declare, and operates the track's model. A declaration without findings pays;
one with findings is recorded as evidence and pays nobody until the operator assigns it.

A declaration registers only a track whose id begins with the name of its source. Otherwise a generator could take the
ids that another platform streams before that platform registers them, and would be paid by its streams.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import ConflictError, InputError, StateError
from ledger.ingest.checks import check_id
from ledger.proofs import vector
from ledger.registry import declared
from ledger.registry.declared import DeclarationFinding
from ledger.registry.importing import import_rows
from ledger.registry.readers import RawRow
from ledger.types import ASPECTS, Digest, InfluenceVector
from service.attribution.vectors import record
from service.log.members import sources_of
from service.registry.signing import signer

if TYPE_CHECKING:
    from service.workspace import Workspace


NAMED_MAX: Final = 1_000
"""Sources, and decisions, of one declaration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A recorded declaration. `digest` is the signed vector's: an event of the track may name it.

    `assigned`: the track pays by it. If not, `findings` say why.
    """

    track: str
    digest: Digest
    assigned: bool
    findings: tuple[DeclarationFinding, ...]


def declare_live(ws: Workspace, source: str, document: Any) -> Declaration:
    """Record a declared vector for the party that speaks for a source; register its track if it is new."""
    declaration = vector.from_declared(document)
    check_id(declaration.track, "track")
    named = max(len(declaration.decisions), sum(len(declaration.aspect(name).sources) for name in ASPECTS))
    if named > NAMED_MAX:  # each is looked up in the registry, while other requests wait
        raise InputError(
            f"declared vector of {declaration.track}: {named:,} sources or decisions, at most {NAMED_MAX:,}"
        )
    party = _declarer(ws, source)
    model, version = declaration.model, declaration.model_version
    if model is None or version is None:
        raise InputError(f"declared vector of {declaration.track}: model and model_version are needed")
    operator = ws.registry.view().model(model, version).operator
    if operator != party:
        raise InputError(f"model {model}@{version} is operated by {operator}; {party} declares for its own models only")
    declared.check_payable(ws.registry.view(), declaration)
    _register(ws, source, declaration.track, model, version)
    findings = (*declared.findings(ws.registry.view(), declaration), *_changed(ws, declaration))
    answer = record(ws, [declaration], assign=not findings, seconds=[0.0])[0]
    return Declaration(track=answer.track, digest=answer.digest, assigned=answer.assigned, findings=findings)


def _declarer(ws: Workspace, source: str) -> str:
    """The party that speaks for a source and may declare vectors."""
    registered = sources_of(ws.log).get(source)
    if registered is None or registered.party is None or not registered.declares:
        raise StateError(
            f"source {source} may not declare vectors; the operator allows it: settle source set {source} --declares"
        )
    return registered.party


def _register(ws: Workspace, source: str, track: str, model: str, version: str) -> None:
    """Register a new track of this source, or complete its draft, with its model; refuse a track of another model."""
    existing = ws.registry.view().tracks.get(track)
    if existing is not None and not existing.draft:
        if (existing.model, existing.version) != (model, version):
            raise ConflictError(
                f"track {track} is registered as one of {existing.model}@{existing.version}, not of {model}@{version}"
            )
        return
    if _source_of(track, sources_of(ws.log)) != source:
        raise InputError(
            f"track {track} is not registered; source {source} may declare new tracks only with ids that begin with "
            f"{source}: (such as {source}:{track}). For another id the operator registers the track with its model "
            "first: settle registry import"
        )
    row: Mapping[str, Any] = {"id": track, "model": model, "version": version}
    done = import_rows(ws.registry, [RawRow(list="tracks", file="-", line=1, value=dict(row))], signer(ws), keep=False)
    if done.refused:
        raise InputError(done.refused[0].reason)


def _source_of(track: str, sources: Collection[str]) -> str | None:
    """The registered source whose name and a colon begin the id; the longest, because a name may contain a colon."""
    return max((name for name in sources if track.startswith(f"{name}:")), key=len, default=None)


def _changed(ws: Workspace, declaration: InfluenceVector) -> tuple[DeclarationFinding, ...]:
    """A finding if the track pays by a vector that says otherwise: a declaration never replaces one."""
    assigned = ws.log.assignments().get(declaration.track)
    if assigned is None or vector.payload(vector.read_statement(ws.log.blob(assigned[0]))) == vector.payload(
        declaration
    ):
        return ()
    text = f"the track pays by vector {assigned[0][:16]}, which says otherwise; the operator decides with settle assign"
    return (DeclarationFinding(kind="altered", about=declaration.track, text=text),)
