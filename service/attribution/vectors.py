"""Sign vectors, append them as evidence, and assign them; also vectors that a generator declares."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from attribution.assemble import fill
from ledger.errors import InputError, StateError
from ledger.log.append import Check, HandedOverError, batch_of
from ledger.proofs import canon, leaf, vector
from ledger.proofs.keys import PrivateKey
from ledger.registry.declared import check_payable
from ledger.registry.facts import TrackFact
from ledger.registry.intake import Planned
from ledger.registry.statement import Signer
from ledger.types import ASPECTS, Digest, Head, InfluenceVector
from service.log.keys import ring
from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """One track's vector in the ledger.

    `digest` is the signed statement's, `assigned` whether it is the assigned one.
    """

    track: str
    method: str
    vector: dict[str, Any]
    digest: Digest
    assigned: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedVector:
    """From `index` on, the track pays by the vector of this digest."""

    track: str
    digest: Digest
    index: int
    reason: str


def shape(found: InfluenceVector) -> dict[str, Any]:
    """Return a vector for a command's output: sources and the unattributed part, by aspect."""
    document = vector.payload(found)
    return {name: document[name] for name in ASPECTS}


def declare(workspace: Workspace, path: Path, *, assign: bool = True) -> list[Attributed]:
    """Sign and record every declared vector in a file: all of them, or none if one is malformed."""
    started = time.perf_counter()
    vectors = [vector.from_declared(document) for document in read_declared(path)]
    view = workspace.registry.view()
    for declaration in vectors:
        check_payable(view, declaration)
    return record(workspace, vectors, assign=assign, seconds=[time.perf_counter() - started] * len(vectors))


def read_declared(path: Path) -> list[Any]:
    """Return the documents of a file: one JSON object, a JSON list of them, or one object a line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: cannot be read as text ({problem})") from None
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        return list(_lines(path, text))
    except RecursionError:
        raise InputError(f"{path}: nested far deeper than a declared vector is") from None
    return whole if isinstance(whole, list) else [whole]


def _lines(path: Path, text: str) -> Iterable[Any]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as problem:
                raise InputError(f"{path}, line {number}: not JSON ({problem.msg})") from None


def record(
    workspace: Workspace,
    vectors: Sequence[InfluenceVector],
    *,
    assign: bool,
    seconds: Sequence[float],
    keep_declared: bool = False,
) -> list[Attributed]:
    """Sign vectors with the attribution key and append them in one step; unknown tracks become drafts.

    A vector that is assigned to its track already is not appended again, so that a step can be repeated.
    """
    if len({candidate.track for candidate in vectors}) != len(vectors):
        raise InputError("two vectors for one track in one go; attribute them one after the other")
    if not vectors:
        return []
    key = workspace.signer("attribution")
    now = workspace.clock()
    _draft(workspace, [candidate.track for candidate in vectors])
    leaves, blobs, answers = [], [], []
    paying = workspace.log.assignments()
    if keep_declared:
        vectors = [_beside_declared(workspace, candidate, paying) for candidate in vectors]
    for candidate, spent in zip(vectors, seconds, strict=True):
        envelope = vector.sign(candidate, key)
        paid_by, follows = paying.get(candidate.track, (None, None))
        if not assign or paid_by != envelope.digest:
            blobs.append(envelope.encode())
            leaves.append(leaf.vector(now, track=candidate.track, statement=envelope.digest, method=candidate.method))
            if assign:
                leaves.append(
                    leaf.assign(now, track=candidate.track, vector=envelope.digest, signer=key, follows=follows)
                )
        answers.append(
            Attributed(
                track=candidate.track,
                method=candidate.method,
                vector=shape(candidate),
                digest=envelope.digest,
                assigned=assign,
                seconds=round(spent, 3),
            )
        )
    if leaves:
        workspace.log.commit(batch_of(leaves, blobs), _counting(workspace, key))
    return answers


def _beside_declared(
    workspace: Workspace, estimated: InfluenceVector, paying: Mapping[str, tuple[Digest, int]]
) -> InfluenceVector:
    """Return an estimate of what the track's own declaration leaves; the estimate itself where it declares nothing."""
    if estimated.track not in paying:
        return estimated
    declaration = vector.read_statement(workspace.log.blob(paying[estimated.track][0]))
    declares = any(s.basis == "declared" for name in ASPECTS for s in declaration.aspect(name).sources)
    return fill(declaration, estimated) if declares else estimated


def _counting(workspace: Workspace, key: PrivateKey) -> Check:
    """Refuse, under the log's lock, a key that another process rotated meanwhile.

    Its leaf would be void and stay in the log, and every later fsck would report it.
    """

    def check(_: Connection, head: Head) -> None:
        if not any(
            attribution_key.public == key.public for attribution_key in ring(workspace).at(head.size + 1, "attribution")
        ):
            raise HandedOverError("the attribution key was rotated; nothing was written, open the workspace again")

    return check


def _draft(workspace: Workspace, tracks: Sequence[str]) -> None:
    """Register the tracks that nobody has registered yet, by their ids alone."""
    view = workspace.registry.view()
    unknown = [track for track in tracks if track not in view.tracks]
    if unknown:
        signer = Signer(key=workspace.signer("attribution"), party=workspace.operator, role="attribution")
        drafts = [Planned(TrackFact(id=track, draft=True, form=2)) for track in unknown]
        workspace.registry.register(drafts, signer, known=view.size)


def assign(workspace: Workspace, track: str, digest: Digest, reason: str) -> AssignedVector:
    """Assign another recorded vector to a track from now on; earlier payments do not change."""
    if not reason.strip():
        raise InputError("an assignment needs a --reason; the ledger contains it, and holders can read it")
    statements = vectors_of(workspace, track)
    if digest not in {statement for statement, _ in statements}:
        listed = ", ".join(statement[:16] for statement, _ in statements) or "none"
        raise InputError(f"track {track} has no vector {digest[:16]}; recorded are: {listed}")
    paid_by, follows = workspace.log.assignments().get(track, (None, None))
    if paid_by == digest:
        raise StateError(f"track {track} already pays by vector {digest[:16]}")
    now, key = workspace.clock(), workspace.signer("attribution")
    payable = leaf.assign(now, track=track, vector=digest, signer=key, reason=reason, follows=follows)
    done = workspace.log.commit(batch_of([payable]), _counting(workspace, key))
    return AssignedVector(track=track, digest=digest, index=done.first, reason=reason)


def vectors_of(workspace: Workspace, track: str) -> list[tuple[Digest, int]]:
    """Return every vector recorded for a track, oldest first: statement digest and ledger index."""
    statements = []
    for entry in workspace.log.entries(types=("vector",)):
        body = canon.decode(entry.body)
        if body["track"] == track:
            statements.append((body["statement"], entry.index))
    return statements


def logged_vectors(workspace: Workspace, tracks: Collection[str]) -> dict[str, dict[Digest, InfluenceVector]]:
    """Return the vectors recorded for each of these tracks, oldest first, by their statements' digests."""
    recorded: dict[str, dict[Digest, InfluenceVector]] = {track: {} for track in tracks}
    for entry in workspace.log.entries(types=("vector",)):
        body = canon.decode(entry.body)
        if body["track"] in recorded:
            statement = body["statement"]
            recorded[body["track"]][statement] = vector.read_statement(workspace.log.blob(statement))
    return recorded
