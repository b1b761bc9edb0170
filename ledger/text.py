"""Tokens of the text formats: base64, decimals, hex. Each value has exactly one spelling.

Every parser here refuses what its formatter would not have written. So a format built from them has one spelling too,
and no byte of a proof can be changed unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from ledger.errors import VerificationError

UINT63_MAX: Final = 2**63 - 1
"""The largest size or time: what a signed 64-bit integer holds, as in the Go implementations."""

_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")
_HEX: Final = re.compile(r"[0-9a-f]*\Z")


def format_base64(data: bytes) -> str:
    """RFC 4648 section 4, with padding."""
    return base64.b64encode(data).decode("ascii")


def parse_base64(text: str, what: str, size: int | None = None) -> bytes:
    """Decode a base64 text, of exactly `size` bytes if given; refuses non-zero trailing bits."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise VerificationError(f"{what}: {text[:80]!r} is not base64") from None
    if format_base64(data) != text:
        raise VerificationError(f"{what}: {text[:80]!r} is not base64 as RFC 4648 writes it")
    if size is not None and len(data) != size:
        raise VerificationError(f"{what}: {len(data)} bytes, expected {size}")
    return data


def parse_decimal(text: str, what: str) -> int:
    """Parse a non-negative integer below 2^63, in ASCII digits without leading zeros."""
    if not _DECIMAL.match(text) or int(text) > UINT63_MAX:
        raise VerificationError(f"{what}: {text[:40]!r} is not a decimal below 2^63 without leading zeros")
    return int(text)


def parse_hex(text: Any, what: str, size: int) -> bytes:
    """Parse `size` bytes written as lowercase hex digits."""
    if not isinstance(text, str) or len(text) != 2 * size or not _HEX.match(text):
        raise VerificationError(f"{what}: {str(text)[:80]!r} is not {2 * size} lowercase hex digits")
    return bytes.fromhex(text)
