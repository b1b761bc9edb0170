"""Verify a bundle offline, in numbered steps, against a trust file from a separate channel.

Standard library and cryptography only. The bundle is believed in nothing but its hashes: sizes and
roots come from the signed checkpoint, keys from trust and from key leaves proven to follow from it,
hash functions and directions from this program. Steps:

(1) the bundle is one canonical document of a known kind;
(2) its checkpoint is of a log that is trusted;
(3) its key leaves follow from the trusted keys, one from the other;
(4) the checkpoint is signed by a log key that counts at its size, and by one that has retired only if it is shown to
    be a part of the log;
(5) enough witnesses cosigned it, where trust asks for witnesses;
(6) the key leaves are in the checkpoint's tree; then the steps of the bundle's kind (`KINDS`).

Any failure ends the examination: later steps would rest on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ledger.errors import InputError, VerificationError
from ledger.proofs import batch, bundle, canon, checkpoint, cosign, dsse, keyring, leaf, note, tree, vector
from ledger.proofs import source as sourcing
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.form import SIGNED_FOR
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.note import Note
from ledger.proofs.retired import LogCopy, check_signer
from ledger.proofs.trust import Trust, TrustedLog
from ledger.shown import counted
from ledger.types import ROLES, Digest, Role, format_time


@dataclass(slots=True)
class Step:
    """One thing that was checked. `explain` holds its hash steps, to be redone with sha256sum."""

    n: int
    name: str
    ok: bool
    detail: str = ""
    explain: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """The steps in order, and what was not checked; `ok` only if every step is.

    `platform`, of an event alone: `signed by PARTY` where that was shown, else `unsigned`. `cautions` are what
    the verdict's own line must say beside OK, because a reader would take OK for more than was checked. `proved`
    says in plain words what holds, of whom and how much.
    """

    ok: bool
    kind: str | None
    steps: tuple[Step, ...]
    unchecked: tuple[str, ...]
    platform: str | None = None
    cautions: tuple[str, ...] = ()
    proved: tuple[str, ...] = ()


class _EndedError(Exception):
    """A step failed and is recorded; there is nothing more to check."""


class Examination:
    """The bundle being verified; the argument of each kind's function."""

    trust: Trust
    checkpoint: Checkpoint
    ring: KeyRing
    platform: str | None = None

    def __init__(self, copy: LogCopy | None = None) -> None:
        self.copy = copy
        self.steps: list[Step] = []
        self.unchecked: list[str] = []
        self.cautions: list[str] = []
        self.proved: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Check one thing; a VerificationError inside is its failure and ends the examination."""
        step = Step(len(self.steps) + 1, name, ok=False)
        self.steps.append(step)
        try:
            yield step
        except (VerificationError, InputError) as problem:
            step.detail = str(problem)
            raise _EndedError from None
        step.ok = True

    def included(self, step: Step, item: PlacedLeaf) -> dict[str, Any]:
        """Return the leaf after proving its index in the checkpoint's tree (RFC 9162 section 2.1.3.2)."""
        size, root = self.checkpoint.size, self.checkpoint.root
        start = tree.leaf_hash(item.body)
        step.explain.append(_shell("00", item.body.hex(), start))
        for left, right, result in tree.inclusion_steps(item.index, size, start, item.hashes):
            step.explain.append(_shell("01", f"{left.hex()} {right.hex()}", result))
        tree.check_inclusion(item.index, size, start, item.hashes, root)
        step.explain.append(f"# the last result is the root of the checkpoint: {root.hex()}")
        return leaf.decode(item.body)

    def statement(
        self, step: Step, document: Any, digest: Digest, payload_type: str, size: int, *roles: Role
    ) -> tuple[bytes, Key]:
        """The payload of an envelope with this digest, signed by a key of these roles that counts at this size.

        A platform's signature must stand to this day, so that a stolen key can be shut out from when it was stolen.
        """
        if not isinstance(document, dict):
            raise VerificationError(f"the statement {digest[:16]} is missing from the bundle")
        data = canon.encode(document)
        step.explain.append(_shell("", data.hex(), bytes.fromhex(canon.digest(data))))
        if canon.digest(data) != digest:
            raise VerificationError(f"the statement has digest {canon.digest(data)}; the leaf names {digest}")
        envelope = dsse.parse(data)
        keys = self.ring.of(*roles)
        signers = dsse.signers(envelope, [key.public for key in keys])
        counting = [key for key in keys if key.public in signers and _counts(key, size)]
        if envelope.payload_type != payload_type:
            raise VerificationError(f"the statement is a {envelope.payload_type!r}, expected {payload_type!r}")
        if not counting:
            expired = [str(key) for key in keys if key.public in signers]
            named = ", ".join(expired or [signature.keyid[:16] for signature in envelope.signatures])
            raise VerificationError(
                f"the statement is signed by {named}; no {' or '.join(roles)} key that counts at {size}"
            )
        return envelope.payload, counting[0]

    def author(self, index: int, body: dict[str, Any], *roles: Role) -> Key:
        """Return the key that signed the leaf at this index; it must have one of these roles and be valid there."""
        key = self.ring.find(body.get("key"))
        if key is None or key.role not in roles or not key.counts_for(index):
            named = key or f"key {str(body.get('key'))[:16]}"
            raise VerificationError(
                f"signed by {named}; expected a key of role {' or '.join(roles)} that counts at {index + 1}"
            )
        leaf.check_signature(body, key.public)
        self.ring.check_form(index, body)
        return key

    def author_since_form_2(self, index: int, body: dict[str, Any], *roles: Role) -> None:
        """The same for leaf types that release 0.1 did not sign: an unsigned leaf is valid only before the line."""
        line = self.ring.line
        if "sig" in body or (line is not None and line.index is not None and index >= line.index):
            self.author(index, body, *roles)


def _counts(key: Key, size: int) -> bool:
    return key.counts_at(size) if key.role == "platform" else key.counts_for(size - 1)


Kind = Callable[[Examination, dict[str, Any]], None]
"""Adds the steps of one kind of bundle, after the common ones have passed."""


def verify_bundle(
    data: bytes, trust: Trust | None, *, kinds: Mapping[str, Kind] | None = None, copy: LogCopy | None = None
) -> Report:
    """Verify a bundle. Never raises for any content of the bundle; `kinds` are the known kinds.

    `copy` is a newer copy of the bundle's log: it is asked where the checkpoint's key has retired since.
    """
    examination = Examination(copy)
    kind = None
    try:
        with examination.step("the bundle is one canonical document of a known kind") as step:
            document = bundle.parse(data)
            kind = document["kind"]
            checkers = KINDS if kinds is None else kinds
            if kind not in checkers:
                raise VerificationError(f"kind {kind!r} is not known here; known are {', '.join(sorted(checkers))}")
            step.detail = f"{kind}, {len(data)} bytes, SHA-256 {canon.digest(data)}"
        _common(examination, document, trust)
        checkers[kind](examination, document)
    except _EndedError:
        examination.unchecked.append("everything after the step that failed")
    ok = all(step.ok for step in examination.steps)
    platform = examination.platform if ok else None
    steps, unchecked = tuple(examination.steps), tuple(examination.unchecked)
    cautions, proved = (examination.cautions, examination.proved) if ok else ((), ())
    return Report(ok, kind, steps, unchecked, platform, tuple(cautions), tuple(proved))


# --- the common steps ---------------------------------------------------------------------------


def _common(examination: Examination, document: dict[str, Any], trust: Trust | None) -> None:
    with examination.step("the checkpoint is of a trusted log") as step:
        signed = note.parse(document["checkpoint"].encode())
        examination.checkpoint = checkpoint.parse(signed.text)
        examination.trust, trusted = _trusted(signed, examination.checkpoint, trust)
        step.detail = f"log {examination.checkpoint.origin}, size {examination.checkpoint.size}"
    with examination.step("later keys follow from the trusted keys") as step:
        items = [bundle.placed(item, f"key leaf {n}") for n, item in enumerate(document["keys"])]
        leaves = [(item.index, leaf.decode(item.body)) for item in items]
        examination.ring = keyring.project(trusted.keys, leaves, trusted.line)
        step.detail = f"{counted(len(trusted.keys), 'trusted key')}, {_leaves(items)}"
    with examination.step("the checkpoint is signed by a log key that counts at its size") as step:
        key = check_signer(signed, examination.checkpoint, examination.ring, trusted.keys, examination.copy)
        step.detail = str(key)
        step.explain.append(f"# the signed text has SHA-256 {canon.digest(signed.text.encode())}")
    with examination.step("enough witnesses cosigned the checkpoint") as step:
        step.detail = _witnesses(signed, examination)
    with examination.step("the key leaves are in the tree") as step:
        for item in items:
            examination.included(step, item)
        step.detail = f"{_leaves(items)} under root {examination.checkpoint.root.hex()}"
    if examination.ring.line is None or examination.ring.line.index is None:
        examination.unchecked.append(
            "for which log its signed leaves were signed: trust.json names no line from which on each must say so"
        )
    examination.unchecked += [
        "whether a key was retired by a leaf that this bundle leaves out: compare trust.json with the newest published",
        "whether what was recorded is true: the log proves what was recorded, in which order and by whom it was signed",
    ]


def _leaves(items: Sequence[PlacedLeaf]) -> str:
    return counted(len(items), "key leaf", "key leaves")


def _trusted(signed: Note, found: Checkpoint, trust: Trust | None) -> tuple[Trust, TrustedLog]:
    """Return the trusted log and its keys for the checkpoint; the error names the signers and the trusted keys."""
    names = ", ".join(f"key {signature.id.hex()} of {signature.name}" for signature in signed.signatures)
    if trust is None:
        raise VerificationError(
            f"the checkpoint is of log {found.origin}, signed by {names}; give a trust file with --trust"
        )
    log = trust.log(found.origin)
    if log is None:
        trusted = ", ".join(f"key {vkey.id.hex()} of {vkey.name}" for log in trust.logs for vkey in log.vkeys())
        raise VerificationError(
            f"the checkpoint is of log {found.origin}, signed by {names}; you trust {trusted}; "
            "another log needs its own operator's trust.json"
        )
    return trust, log


def _witnesses(signed: Note, examination: Examination) -> str:
    """Check the policy (c2sp.org/tlog-policy): a false cosignature by a listed witness makes the checkpoint invalid."""
    policy = examination.trust.policy
    cosigned = cosign.cosigners(signed, [witness.vkey for witness in policy.witnesses])
    named = [
        f"{witness.name} at {_posix(cosigned[witness.vkey])}"
        for witness in policy.witnesses
        if witness.vkey in cosigned
    ]
    if not policy.satisfied(cosigned):
        raise VerificationError(f"quorum {policy.quorum!r} is not reached; cosigned by {', '.join(named) or 'nobody'}")
    if policy.quorum == "none":
        examination.unchecked.append("whether others see the same log: trust.json asks for no witnesses")
        return "none asked for"
    return f"quorum {policy.quorum!r} reached by {', '.join(named)}"


def _posix(time: int) -> str:
    """Return a cosignature's time, or the number itself if it is no valid date."""
    try:
        return format_time(datetime.fromtimestamp(time, tz=UTC))
    except (OverflowError, OSError, ValueError):
        return str(time)


def _shell(prefix: str, data: str, result: bytes) -> str:
    """A hash step as a shell line whose output must be its comment."""
    return f"echo {prefix}{' ' if prefix else ''}{data} | xxd -r -p | sha256sum  # {result.hex()}"


# --- kinds --------------------------------------------------------------------------------------


def _event(examination: Examination, document: dict[str, Any]) -> None:
    """Verify that a stream event is in the log, and that its vector was signed, logged and assigned."""
    with examination.step("the event is in the tree") as step:
        event, envelope, evidence, assign, signed = bundle.fields(
            document, "event", "vector", "evidence", "assign", optional="signed"
        )
        item = bundle.placed(event, "event")
        body = examination.included(step, item)
        track, bound = body.get("track"), body.get("vector")
        if body["type"] != "event" or "vector" not in body or not isinstance(track, str):
            raise VerificationError(f"leaf {item.index} is not an event")
        if bound is None and assign is None and (envelope, evidence) != (None, None):
            raise VerificationError("the event has no vector, and the bundle brings one")
        step.detail = f"leaf {item.index}: event {body.get('event_id')} of {body.get('source')}, track {track}"
        examination.proved.append(
            f"{counted(int(body['units']), 'unit')} of track {track}, reported by {body.get('source')} for "
            f"{body.get('occurred_at')} as {body.get('event_id')}, {'is' if body['units'] == 1 else 'are'} in the log"
        )
    _platform(examination, body, signed)
    if assign is not None:
        bound, size = _assigned(examination, assign, track, bound, event=item.index)
    elif bound is not None:
        size = item.index + 1
        examination.unchecked.append("who assigned the vector: the event names it, and no assignment is in the bundle")
    else:
        examination.unchecked.append("which vector the event pays by: it has none here")
        return
    _vector(examination, envelope, evidence, track=track, digest=bound, size=size)


def _platform(examination: Examination, event: dict[str, Any], signed: Any) -> None:
    """Check who vouches for the event: its platform, by a signed batch that contains it, or only the operator."""
    examination.platform = batch.UNSIGNED
    if signed is None:
        examination.unchecked.append("whether the platform reported this event: nothing here is signed by it")
        return
    with examination.step("the platform signed the event") as step:
        item, envelope, source, position, hashes = bundle.signed_parts(signed)
        body = examination.included(step, item)
        statement, size = batch.of_leaf(body), item.index + 1
        payload, key = examination.statement(step, envelope, body["statement"], batch.PAYLOAD_TYPE, size, "platform")
        if (batch.parse(payload), key.party, key.public.id) != (statement, body["party"], body["signer"]):
            raise VerificationError(f"batch leaf {item.index} says otherwise than the statement that it names")
        if statement.source != event.get("source"):
            raise VerificationError(
                f"batch leaf {item.index} is of source {statement.source}, not {event.get('source')}"
            )
        batch.check_log(statement, examination.checkpoint.origin)
        named = {} if statement.log is None else {SIGNED_FOR: statement.log}
        examination.ring.check_form(item.index, named)
        data = batch.body(event)
        start = tree.leaf_hash(data)
        step.explain.append(_shell("00", data.hex(), start))
        for left, right, result in tree.inclusion_steps(position, statement.count, start, hashes):
            step.explain.append(_shell("01", f"{left.hex()} {right.hex()}", result))
        tree.check_inclusion(position, statement.count, start, hashes, statement.root)
        examination.author(source.index, _speaks(examination, step, source, statement.source, key.party), "operator")
        if source.index >= item.index:
            raise VerificationError(
                f"leaf {source.index} lets {key.party} speak for {statement.source} after the batch came"
            )
        step.detail = (
            f"event {position} of batch {statement.number} of {statement.source}, leaf {item.index}, signed by {key}"
        )
    examination.platform = batch.label(key.party)
    if statement.log is None:
        examination.unchecked.append(f"whether {key.party} signed the batch for this log alone: it names none")
    examination.unchecked += [
        f"whether key {key.public.id[:16]} is {key.party}'s own: the operator, or trust.json, says so; ask {key.party}",
        f"whether another party spoke for {statement.source} by then: the last leaf before the batch counts",
        "whether the platform signed for the vector that the event pays by; for the listener it did not",
    ]


def _speaks(examination: Examination, step: Step, item: PlacedLeaf, source: str, party: str) -> dict[str, Any]:
    """Verify the leaf that assigns a party to a source."""
    body = examination.included(step, item)
    stated = sourcing.parse(item.index, body)
    if (stated.source, stated.party) != (source, party):
        raise VerificationError(f"leaf {item.index} does not let {party} speak for source {source}")
    return body


def _influence(examination: Examination, document: dict[str, Any]) -> None:
    """Verify that an influence vector was signed, logged and, if the bundle says so, assigned to its track."""
    with examination.step("the vector's leaf is in the tree") as step:
        envelope, evidence, assign = bundle.fields(document, "vector", "evidence", "assign")
        item = bundle.placed(evidence, "evidence")
        body = examination.included(step, item)
        track, digest = body.get("track"), body.get("statement")
        if body["type"] != "vector" or not isinstance(track, str) or not isinstance(digest, str):
            raise VerificationError(f"leaf {item.index} does not log a vector")
        step.detail = f"leaf {item.index}: track {track}"
    if assign is not None:
        _assigned(examination, assign, track, digest, event=None)
        examination.unchecked.append("whether a later leaf assigns another vector to the track")
    else:
        examination.unchecked.append("whether the vector was ever assigned: until then it pays nobody")
    _vector(examination, envelope, None, track=track, digest=digest, size=item.index + 1)


def _assigned(
    examination: Examination, assign: Any, track: str, bound: Digest | None, *, event: int | None
) -> tuple[Digest, int]:
    """The vector that this leaf assigns to the track, and the size at which it does.

    An event binds at append to the vector assigned before it; one that had none is bound by the
    first assignment after it.
    """
    with examination.step("the vector was assigned to the track") as step:
        item = bundle.placed(assign, "assign")
        body = examination.included(step, item)
        digest = body.get("vector")
        if body["type"] != "assign" or body.get("track") != track or not isinstance(digest, str):
            raise VerificationError(f"leaf {item.index} does not assign a vector to track {track}")
        if bound not in (None, digest):
            raise VerificationError(f"leaf {item.index} assigns vector {digest}; expected {bound}")
        if event is not None and (item.index < event) != (bound is not None):
            raise VerificationError(f"event {event} cannot have been bound by an assignment at {item.index}")
        key = examination.author(item.index, body, "attribution")
        step.detail = f"leaf {item.index}, signed by {key}"
    if bound is None:
        examination.unchecked.append("whether this is the first assignment after the event: the first one counts")
    return digest, item.index + 1


def _vector(examination: Examination, envelope: Any, evidence: Any, *, track: str, digest: Digest, size: int) -> None:
    """Verify that the statement with this digest is a vector of this track, signed by a key that was valid then."""
    if evidence is not None:
        with examination.step("the vector was logged") as step:
            item = bundle.placed(evidence, "evidence")
            body = examination.included(step, item)
            if (body["type"], body.get("track"), body.get("statement")) != ("vector", track, digest):
                raise VerificationError(f"leaf {item.index} does not log vector {digest} of track {track}")
            size = min(size, item.index + 1)
            step.detail = f"leaf {item.index}"
    with examination.step("the vector is signed and is of this track") as step:
        payload, key = examination.statement(step, envelope, digest, vector.PAYLOAD_TYPE, size, *SIGNS_VECTORS)
        parsed = vector.parse(payload)
        if parsed.track != track:
            raise VerificationError(f"the vector is of track {parsed.track}, not {track}")
        step.detail = f"vector {digest} by method {parsed.method} {parsed.version}, signed by {key}"
    examination.unchecked.append("whether the vector is right: it carries its method's measured error, not a proof")


SIGNED_BY: Final[Mapping[str, Role]] = {"assign": "attribution", "approve": "approver"}
"""The role that signs a leaf of this type within itself; an operator signs all others."""


def _entry_author(examination: Examination, index: int, body: dict[str, Any]) -> None:
    """Verify the leaf's own signature, if its type has one."""
    kind = body["type"]
    if "sig" not in body and kind not in ("close", "follow"):
        examination.unchecked.append(f"who wrote the {kind} leaf: its author does not sign it within itself")
        return
    with examination.step("the leaf's author signed it") as step:
        if kind in keyring.TYPES:
            examination.ring.apply(index, body)  # raises if the leaf is void
        else:
            examination.author_since_form_2(index, body, SIGNED_BY.get(kind, "operator"))
        key = examination.ring.find(body.get("key"))
        step.detail = "not signed, before the line" if key is None else str(key)


def _entry(examination: Examination, document: dict[str, Any]) -> None:
    """Verify that a leaf is in the log, and that its statement is in the bundle, signed by a key valid then."""
    with examination.step("the leaf is in the tree") as step:
        entry, envelope = bundle.fields(document, "entry", "statement")
        item = bundle.placed(entry, "entry")
        body = examination.included(step, item)
        step.detail = f"leaf {item.index}: {body['type']}"
        examination.proved.append(f"entry {item.index} of log {examination.checkpoint.origin} is this {body['type']}")
    _entry_author(examination, item.index, body)
    if body["type"] == "event":
        examination.unchecked.append("whether the platform signed this event: `settle ledger prove` bundles say so")
    if remark := leaf.remark(item.index, body):
        examination.unchecked.append(remark)
    if envelope is None:
        if body.get("statement") is not None:
            examination.unchecked.append(f"the statement that the leaf names, {body['statement']}: it is not here")
        return
    with examination.step("the statement is the one that the leaf names") as step:
        named = body.get("statement")
        if not isinstance(named, str) or not isinstance(envelope, dict):
            raise VerificationError("the leaf names no statement, and the bundle brings one")
        kind = str(envelope.get("payloadType"))
        _, key = examination.statement(step, envelope, named, kind, item.index + 1, *ROLES)
        step.detail = f"{kind}, signed by {key}"


SIGNS_VECTORS: Final[tuple[Role, ...]] = ("attribution", "platform", "operator")
"""Who may say what influenced a track; only the attribution role makes it payable, by assignment."""

KINDS: Final[Mapping[str, Kind]] = {"event": _event, "vector": _influence, "entry": _entry}
"""The kinds that need nothing but the log; other rooms add theirs in `service.bundles`."""
