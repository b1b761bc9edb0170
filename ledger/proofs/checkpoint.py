"""Checkpoints: a log's name, size and root, signed (c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.errors import VerificationError
from ledger.proofs import note
from ledger.proofs.keys import PrivateKey
from ledger.proofs.note import Vkey
from ledger.proofs.tree import HASH_SIZE
from ledger.text import format_base64, parse_base64, parse_decimal


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's commitment. `extensions` are opaque lines; our checkpoints have none, those of others are kept."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text: the bytes that are signed."""
        return "\n".join([self.origin, str(self.size), format_base64(self.root), *self.extensions, ""])


def sign(origin: str, size: int, root: bytes, *keys: PrivateKey) -> bytes:
    """Sign a checkpoint. The caller must ensure that a log never signs two inconsistent checkpoints."""
    checkpoint = Checkpoint(note.check_name(origin), size, root)
    return note.sign(checkpoint.text(), origin, *keys).encode()


def parse(text: str) -> Checkpoint:
    """The checkpoint of a note's text."""
    origin, *lines = text.removesuffix("\n").split("\n")
    if not text.endswith("\n") or len(lines) < 2 or not origin or not all(lines):
        raise VerificationError("checkpoint: expected three or more lines, none empty: origin, size, root")
    return Checkpoint(
        origin,
        parse_decimal(lines[0], "checkpoint size"),
        parse_base64(lines[1], "checkpoint root", HASH_SIZE),
        tuple(lines[2:]),
    )


def open(data: bytes, origin: str, vkeys: Iterable[Vkey]) -> Checkpoint:  # noqa: A001  the note format's own word
    """The checkpoint in these bytes, if it is of this log and signed by one of these keys of that name."""
    signed = note.parse(data)
    checkpoint = parse(signed.text)
    if checkpoint.origin != origin:
        raise VerificationError(f"checkpoint is of log {checkpoint.origin!r}; expected {origin!r}")
    try:
        note.verify(signed, [vkey for vkey in vkeys if vkey.name == origin])
    except VerificationError as problem:
        raise VerificationError(f"checkpoint of {origin} at size {checkpoint.size}: {problem}") from None
    return checkpoint
