"""Receipts: an index, an inclusion proof and a checkpoint in one text file (c2sp.org/tlog-proof).

The file extension is `.tlog-proof`; the checkpoint stands in it byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.errors import VerificationError
from ledger.proofs.tree import HASH_SIZE
from ledger.text import format_base64, parse_base64, parse_decimal

HEADER: Final = "c2sp.org/tlog-proof@v1"
HASHES_MAX: Final = 63
"""The longest path in a tree whose size is below 2^63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An inclusion proof, leaf side first, for a leaf in the tree of a checkpoint. `extra` is not authenticated."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        extra = [] if self.extra is None else [f"extra {format_base64(self.extra)}"]
        lines = [HEADER, *extra, f"index {self.index}", *map(format_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


def parse(data: bytes) -> Proof:
    """The proof in these bytes; its checkpoint is not opened."""
    head, separator, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise VerificationError("proof: not ASCII before its checkpoint") from None
    if not separator or lines[0] != HEADER:
        raise VerificationError(f"proof: expected {HEADER!r}, lines, a blank line and a checkpoint")
    remaining = lines[1:]
    extra = None
    if remaining and remaining[0].startswith("extra "):
        extra = parse_base64(remaining.pop(0).removeprefix("extra "), "proof extra")
    if not remaining or not remaining[0].startswith("index "):
        raise VerificationError("proof: no index line")
    index = parse_decimal(remaining.pop(0).removeprefix("index "), "proof index")
    if len(remaining) > HASHES_MAX:
        raise VerificationError(f"proof: {len(remaining)} hashes, at most {HASHES_MAX}")
    hashes = tuple(parse_base64(line, "proof hash", HASH_SIZE) for line in remaining)
    return Proof(index=index, hashes=hashes, checkpoint=checkpoint, extra=extra)
