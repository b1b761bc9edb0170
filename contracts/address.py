"""Account addresses: 20 bytes, written with the capitals of EIP-55 as a check sum."""

from __future__ import annotations

import re
from typing import Final

from contracts.errors import PostingError
from contracts.merkle import keccak

ZERO: Final = "0x" + 40 * "0"
_SHAPE: Final = re.compile(r"0x[0-9a-fA-F]{40}\Z")


def checksum(raw: bytes) -> str:
    """How 20 bytes are written: a letter is a capital where the hash of the lower-case form says so."""
    lower = raw.hex()
    sums = keccak(lower.encode()).hex()
    return "0x" + "".join(c.upper() if int(s, 16) >= 8 else c for c, s in zip(lower, sums[:40], strict=True))


def parse_address(text: str) -> str:
    """An address in its one spelling; refuses the zero address and, in mixed case, a wrong check sum."""
    if not _SHAPE.match(text):
        raise PostingError(f"account {text!r}: expected 0x and 40 hex digits")
    canonical = checksum(bytes.fromhex(text[2:]))
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and text != canonical:
        raise PostingError(f"account {text}: the capitals are a check sum and do not fit; mistyped?")
    if int(digits, 16) == 0:
        raise PostingError("account: the zero address; money sent there is gone")
    return canonical


def same_address(a: str, b: str) -> bool:
    """Whether two spellings mean one account: nodes answer in lower case or with a check sum."""
    return a.lower() == b.lower()
