"""Ask the witnesses of trust.json to cosign, and store their answers.

Cosignatures are stored in a side table: they are about checkpoints and not part of them. A witness with a larger tree
than ours, or another tree, shows that this log was rolled back or forked; that is reported, and never hidden by a
retry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from sqlalchemy import inspect, text

from ledger.errors import InputError, StateError, TransientError, VerificationError
from ledger.log.append import Log
from ledger.proofs import checkpoint, cosign, keyring, leaf, note, tree
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.form import FormLine
from ledger.proofs.note import Note, NoteSignature, Vkey
from ledger.proofs.policy import Policy, PolicyWitness
from ledger.proofs.witness import (
    CONFLICT,
    INCONSISTENT,
    OK,
    CosignAnswer,
    CosignRequest,
    parse_cosignatures,
    parse_size,
)
from payouts.life import ends

Send = Callable[[str, bytes], CosignAnswer]
"""POST these bytes to a witness's submission prefix; TransientError if it does not answer."""

_TIMEOUT_SECONDS: Final = 10
_ANSWER_MAX: Final = 64 * 1024
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS witness_cosignature "
    "(size BIGINT NOT NULL, witness TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (size, witness))"
)
_PUT: Final = (
    "INSERT INTO witness_cosignature (size, witness, line) VALUES (:size, :witness, :line) "
    "ON CONFLICT (size, witness) DO UPDATE SET line = excluded.line"
)

ASK_FIRST: Final = "run `settle ledger witness ask`"

Outcome = Literal["cosigned", "unreachable", "refused", "fork", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The answer of one witness."""

    witness: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """A checkpoint, the witnesses' answers about it, and whether trust.json's quorum is reached."""

    size: int
    root: str
    quorum: bool
    witnesses: tuple[Asked, ...]

    @property
    def alarming(self) -> bool:
        """Return whether a witness contradicts this log."""
        return any(asked.outcome in ("fork", "rollback") for asked in self.witnesses)


# --- asking -------------------------------------------------------------------------------------


def ask(log: Log, policy: Policy, *, send: Send | None = None) -> Witnessed:
    """Ask every witness of the policy with a URL to cosign the newest checkpoint."""
    reachable = [witness for witness in policy.witnesses if witness.url is not None]
    if not reachable:
        raise StateError(
            "trust.json names no witness with a URL; set a policy with `settle ledger witness policy FILE`"
        )
    signed = log.checkpoint()
    head = checkpoint.parse(note.parse(signed).text)
    last_sizes = _last_sizes(log)
    answers = []
    for witness in reachable:
        asked, line = _ask_one(
            log, witness, signed=signed, found=head, old=last_sizes.get(str(witness.vkey), 0), send=send or post
        )
        answers.append(asked)
        if line is not None:
            _keep(log, head.size, witness.vkey, line)
    cosigned = cosign.cosigners(
        note.parse(checkpoint_with(log, head.size)), [trusted.vkey for trusted in policy.witnesses]
    )
    return Witnessed(size=head.size, root=head.root.hex(), quorum=policy.satisfied(cosigned), witnesses=tuple(answers))


def outstanding(log: Log, policy: Policy) -> list[PolicyWitness]:
    """Return the witnesses with a URL that have not cosigned the newest checkpoint."""
    cosigned = cosign.cosigners(note.parse(checkpoint_with(log)), [witness.vkey for witness in policy.witnesses])
    return [witness for witness in policy.witnesses if witness.url is not None and witness.vkey not in cosigned]


def _ask_one(
    log: Log, witness: PolicyWitness, *, signed: bytes, found: Checkpoint, old: int, send: Send
) -> tuple[Asked, NoteSignature | None]:
    """Ask one witness. A 409 states the size that it has; then it is asked once more, from that size."""
    name, url = witness.name, witness.url or ""
    try:
        answer = send(url, _request(log, min(old, found.size), found.size, signed))
        if answer.status == CONFLICT:
            witnessed = parse_size(answer.body)
            if witnessed > found.size:
                return Asked(
                    witness=name,
                    outcome="rollback",
                    detail=f"it holds a tree of {witnessed} leaves, this log has {found.size}: entries were lost here; "
                    "run `settle ledger fsck`",
                ), None
            answer = send(url, _request(log, witnessed, found.size, signed))
        if answer.status == OK:
            line = _cosignature(witness, found, answer.body)
            return Asked(
                witness=name, outcome="cosigned", detail=f"at {cosign.verify(found.text(), line, witness.vkey)}"
            ), line
    except TransientError as problem:
        return Asked(witness=name, outcome="unreachable", detail=str(problem)), None
    except VerificationError as problem:
        return Asked(witness=name, outcome="refused", detail=f"its answer is not what it should be: {problem}"), None
    text = answer.body.decode(errors="replace").strip()[:300]
    if answer.status == INCONSISTENT:
        return Asked(witness=name, outcome="fork", detail=f"it has cosigned another tree of this log: {text}"), None
    return Asked(witness=name, outcome="refused", detail=f"status {answer.status}: {text}"), None


def _request(log: Log, old: int, new: int, signed: bytes) -> bytes:
    proof = tree.prove_consistency(old, new, log.read) if 0 < old < new else []
    return CosignRequest(old=old, proof=tuple(proof), checkpoint=signed).encode()


def _cosignature(witness: PolicyWitness, found: Checkpoint, body: bytes) -> NoteSignature:
    """Return the witness's own signature line of its answer; lines by other keys are ignored."""
    for line in parse_cosignatures(found.text(), body).signatures:
        if (line.name, line.id) == (witness.vkey.name, witness.vkey.id):
            cosign.verify(found.text(), line, witness.vkey)
            return line
    raise VerificationError(f"no cosignature by key {witness.vkey.id.hex()} of {witness.vkey.name}")


def post(url: str, body: bytes) -> CosignAnswer:
    """Send one add-checkpoint request over HTTP."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"witness URL {url!r}: expected http:// or https://")
    request = HttpRequest(url.rstrip("/") + "/add-checkpoint", data=body, method="POST")  # noqa: S310  checked above
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  checked above
            return CosignAnswer(response.status, response.read(_ANSWER_MAX), response.headers.get("Content-Type", ""))
    except HTTPError as refusal:
        with refusal:
            return CosignAnswer(refusal.code, refusal.read(_ANSWER_MAX), refusal.headers.get("Content-Type", ""))
    except (URLError, OSError) as failure:
        raise TransientError(f"witness {url} does not answer: {getattr(failure, 'reason', failure)}") from None


# --- what was answered --------------------------------------------------------------------------


def checkpoint_with(log: Log, size: int | None = None) -> bytes:
    """Return the log's checkpoint of this size, by default the newest, with its cosignatures."""
    signed = note.parse(log.checkpoint(size))
    lines = _lines(log, checkpoint.parse(signed.text).size)
    return Note(signed.text, (*signed.signatures, *lines)).encode()


@dataclass(frozen=True, slots=True)
class Base:
    """The basis of a proof: a signed checkpoint, and its size."""

    log: Log
    size: int
    checkpoint: bytes

    def placed(self, index: int) -> PlacedLeaf:
        """Return an entry with its path to the root of this checkpoint."""
        if index >= self.size:
            raise StateError(
                f"entry {index} is newer than the last witnessed checkpoint, size {self.size}: {ASK_FIRST}"
            )
        hashes = tree.prove_inclusion(index, self.size, self.log.read)
        return PlacedLeaf(index, self.log.entry(index).body, tuple(hashes))

    def keys(self) -> list[PlacedLeaf]:
        """Return every valid key leaf: they prove the keys valid at this size from the trusted ones."""
        leaves = [
            (entry.index, leaf.decode(entry.body)) for entry in self.log.entries(types=keyring.TYPES, stop=self.size)
        ]
        if self.log.trusted is None:
            return [self.placed(index) for index, _ in leaves]
        shown = [(index, body) for index, body in leaves if body["type"] != "log"]  # trust.json says where a log begins
        trusted = keyring.dated(self.log.trusted, leaves)
        return [self.placed(index) for index in keyring.valid(trusted, shown, FormLine(self.log.origin))]


def base(log: Log, policy: Policy) -> Base:
    """Return the newest checkpoint that satisfies the policy, the basis of proofs for people who trust the policy."""
    if policy.satisfied(()):
        signed = checkpoint_with(log)
        return Base(log, checkpoint.parse(note.parse(signed).text).size, signed)
    vkeys = [witness.vkey for witness in policy.witnesses]
    for (size,) in _rows(log, "SELECT DISTINCT size FROM witness_cosignature ORDER BY size DESC"):
        signed = checkpoint_with(log, size)
        if policy.satisfied(cosign.cosigners(note.parse(signed), vkeys)) and not log.has_retired(signed):
            return Base(log, size, signed)
    raise StateError(f"no checkpoint of {log.origin} has quorum {policy.quorum!r} under the log's key yet: {ASK_FIRST}")


def seen_at(log: Log, quorum: Policy, until: str) -> bytes | None:
    """Return the newest checkpoint that enough of these witnesses cosigned at this time or later, or None."""
    for (size,) in _rows(log, "SELECT DISTINCT size FROM witness_cosignature ORDER BY size DESC"):
        signed = checkpoint_with(log, size)
        if ends.seen(quorum, until, signed):
            return signed
    return None


def _keep(log: Log, size: int, vkey: Vkey, line: NoteSignature) -> None:
    with log.projection() as connection:
        if not inspect(connection).has_table("witness_cosignature"):
            connection.execute(text(_TABLE))
        connection.execute(text(_PUT), {"size": size, "witness": str(vkey), "line": str(line)})


def _lines(log: Log, size: int) -> Iterable[NoteSignature]:
    rows = _rows(log, "SELECT line FROM witness_cosignature WHERE size = :size ORDER BY witness", size=size)
    return [note.parse_signature(line.removesuffix("\n")) for (line,) in rows]


def _last_sizes(log: Log) -> dict[str, int]:
    """Return the largest size that each witness has cosigned for us, from which it is asked next."""
    rows = _rows(log, "SELECT witness, MAX(size) FROM witness_cosignature GROUP BY witness")
    return {witness: int(size) for witness, size in rows}


def _rows(log: Log, query: str, **values: Any) -> Sequence[Any]:
    """Return the rows of a query on the side table, which does not exist before the first cosignature."""
    with log.store.reading() as connection:
        if not inspect(connection).has_table("witness_cosignature"):
            return ()
        return connection.execute(text(query), values).all()
