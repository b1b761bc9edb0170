"""The witness protocol: requests of a log and answers of a witness (c2sp.org/tlog-witness).

A witness remembers, for each log it knows, the largest tree it has cosigned, and cosigns only what
extends it. `decide` is that rule and nothing else: it must be applied and its outcome stored as one
atomic step, or two requests at once could take the witness back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import VerificationError
from ledger.proofs import checkpoint, note, tree
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.note import Note, NoteSignature, Vkey
from ledger.proofs.tree import EMPTY_ROOT, HASH_SIZE
from ledger.text import format_base64, parse_base64, parse_decimal

PROOF_MAX: Final = 63
REQUEST_MAX: Final = note.SIZE_MAX

OK: Final = 200
MALFORMED: Final = 400
NOT_SIGNED: Final = 403
UNKNOWN_LOG: Final = 404
CONFLICT: Final = 409
INCONSISTENT: Final = 422

TEXT: Final = "text/plain; charset=utf-8"
SIZE: Final = "text/x.tlog.size"
"""The content type of an answer that is the size the witness holds."""


# --- the request --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignRequest:
    """A request to cosign this checkpoint, with the proof that the witness's tree of `old` leaves is its prefix."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        lines = [f"old {self.old}", *map(format_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


def parse_request(data: bytes) -> CosignRequest:
    """The body of an add-checkpoint request; its checkpoint is not opened."""
    if len(data) > REQUEST_MAX:
        raise VerificationError(f"add-checkpoint: {len(data)} bytes, at most {REQUEST_MAX}")
    head, separator, signed = data.partition(b"\n\n")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise VerificationError("add-checkpoint: not ASCII before its checkpoint") from None
    if not separator or not first.startswith("old "):
        raise VerificationError("add-checkpoint: expected an old size, proof lines, a blank line and a checkpoint")
    if len(hashes) > PROOF_MAX:
        raise VerificationError(f"add-checkpoint: {len(hashes)} proof lines, at most {PROOF_MAX}")
    old = parse_decimal(first.removeprefix("old "), "add-checkpoint old size")
    proof = tuple(parse_base64(line, "add-checkpoint proof", HASH_SIZE) for line in hashes)
    return CosignRequest(old=old, proof=proof, checkpoint=signed)


# --- the witness --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CosignedHead:
    """The largest tree of a log that the witness has cosigned; at first the empty one."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class CosignDecision:
    """The witness's decision: a status, its reason, and the checkpoint to store and cosign if the status is 200.

    `evidence` is set when the log signed two trees of one size, or a larger tree that the proof shows to
    begin otherwise. A proof that does not hold shows nothing: whoever asks chooses it, and need not be the log.
    """

    status: int
    reason: str = ""
    checkpoint: Checkpoint | None = None
    evidence: bool = False


def origin_of(request: CosignRequest) -> str:
    """Return the origin in the request; not verified."""
    return checkpoint.parse(note.parse(request.checkpoint).text).origin


def stripped(signed: Note, vkeys: Iterable[Vkey]) -> Note:
    """Return the note with only the signatures by these keys; the sender can put anything into other lines."""
    keys = {(vkey.name, vkey.id) for vkey in vkeys}
    return Note(signed.text, tuple(line for line in signed.signatures if (line.name, line.id) in keys))


def decide(request: CosignRequest, held: CosignedHead, vkeys: Iterable[Vkey]) -> CosignDecision:
    """Decide whether to cosign, from the stored tree and keys of this log; `vkeys` empty means an unknown log.

    (1) known log, (2) signed by it, (3) old size at most the new, (4) old size as held, (5) the new
    tree extends the held one. The order is the specification's, and so are the statuses.
    """
    trusted = tuple(vkeys)
    signed = note.parse(request.checkpoint)
    new = checkpoint.parse(signed.text)
    if not trusted:
        return CosignDecision(UNKNOWN_LOG, f"log {new.origin} is not known here")
    try:
        note.verify(signed, trusted)
    except VerificationError as problem:
        return CosignDecision(NOT_SIGNED, str(problem))
    if request.old > new.size:
        return CosignDecision(MALFORMED, f"old size {request.old} is above the checkpoint's size {new.size}")
    if request.old != held.size:
        return CosignDecision(CONFLICT, f"{held.size}", evidence=new.size == held.size and new.root != held.root)
    try:
        _check_extends(request, held, new)
    except VerificationError as problem:
        return CosignDecision(INCONSISTENT, str(problem), evidence=_forked(request, held, new))
    return CosignDecision(OK, checkpoint=new)


def _check_extends(request: CosignRequest, held: CosignedHead, new: Checkpoint) -> None:
    """Check that the stored tree is a prefix of the new one; the empty tree needs no proof."""
    if held.size > 0:
        tree.check_consistency(held.size, new.size, request.proof, held.root, new.root)
    elif request.proof:
        raise VerificationError("a proof from size 0 has no hashes")
    elif new.size == 0 and new.root != EMPTY_ROOT:
        raise VerificationError(f"the tree of no leaves has root {EMPTY_ROOT.hex()}, not {new.root.hex()}")


def _forked(request: CosignRequest, held: CosignedHead, new: Checkpoint) -> bool:
    """Return whether the request proves that the log signed another tree of the stored size."""
    if new.size == held.size:
        return new.root != held.root
    if held.size == 0:
        return False
    try:
        old_root, new_root = tree.consistency_roots(held.size, new.size, request.proof, held.root)
    except VerificationError:
        return False
    return new_root == new.root and old_root != held.root


# --- the answer ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CosignAnswer:
    """Return the bytes of the request."""

    status: int
    body: bytes
    content_type: str = TEXT


def answer(decision: CosignDecision, cosignatures: Sequence[NoteSignature] = ()) -> CosignAnswer:
    """The HTTP answer to a decision; for 200, the witness's signature lines."""
    if decision.status == OK:
        return CosignAnswer(OK, "".join(map(str, cosignatures)).encode())
    if decision.status == CONFLICT:
        return CosignAnswer(CONFLICT, decision.reason.encode() + b"\n", SIZE)
    return CosignAnswer(decision.status, decision.reason.encode() + b"\n")


def parse_cosignatures(text: str, body: bytes) -> Note:
    """The signature lines of a 200 answer as a note over the checkpoint's text, not yet verified."""
    return note.parse(text.encode() + b"\n" + body)


def parse_size(body: bytes) -> int:
    """The size in a 409 answer."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise VerificationError("add-checkpoint answer: expected a size") from None
    if not text.endswith("\n"):
        raise VerificationError("add-checkpoint answer: expected a size and a newline")
    return parse_decimal(text[:-1], "add-checkpoint answer")
