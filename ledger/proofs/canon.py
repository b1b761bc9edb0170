"""Canonical JSON: exactly one encoding per value, so that equal values have equal bytes.

A subset of RFC 8785 on which its rules become simple: objects with ASCII keys, arrays, strings,
integers below 2^53 in magnitude, booleans and null. There are no floats, so nothing depends on how
numbers are printed; keys are ASCII, so sorting by code point is sorting by UTF-16 unit. A reader
encodes what it has decoded and compares: whatever would not have been written is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

from ledger.errors import InputError, VerificationError

INT_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8785 section 3.2.2.3)."""

DEPTH_MAX: Final = 24
"""Nesting beyond this is refused: nothing we write comes near, and no recursion may be driven by input."""


def encode(value: Any) -> bytes:
    """The canonical bytes of a value; InputError for anything outside the subset."""
    _check(value, DEPTH_MAX)
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        raise InputError("canonical JSON: a string holds half of a surrogate pair") from None


def encode_again(value: Any) -> bytes:
    """Return the canonical bytes of a value from `decode`, or built from such values, without checking it."""
    return _ENCODER.encode(value).encode()


def decode(data: bytes) -> Any:
    """The value whose canonical bytes these are; VerificationError for any other bytes.

    Duplicate keys, spaces, escapes that need not be, -0 and unsorted keys all fail the same way:
    they do not encode to the bytes they came from.
    """
    try:
        bare = data.replace(b"\\\\", b"").replace(b'\\"', b"")
        _check_depth(bare)
        if not bare.isascii() and _FOREIGN_KEY.search(bare):
            raise InputError("a key is not an ASCII string")
        _check_integers(bare)
        value = _DECODER.decode(data.decode())
        same = encode_again(value) == data
    except (ValueError, RecursionError, InputError) as problem:
        raise VerificationError(f"not canonical JSON: {problem}") from None
    if not same:
        raise VerificationError("not canonical JSON: it does not encode to the same bytes again")
    return value


def decode_object(data: bytes, what: str) -> dict[str, Any]:
    """Like `decode`, for bytes that must contain an object; `what` names them in the error."""
    try:
        value = decode(data)
    except VerificationError as problem:
        raise VerificationError(f"{what}: {problem}") from None
    if type(value) is not dict:
        raise VerificationError(f"{what}: expected a JSON object")
    return value


def digest(data: bytes) -> str:
    """The digest that names content: SHA-256 in lowercase hex."""
    return hashlib.sha256(data).hexdigest()


def _check(value: Any, depth: int) -> None:
    """Refuse values that JSON allows but the subset does not. Types must be exact: a subclass may print differently."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -INT_MAX <= value <= INT_MAX:
            raise InputError(f"canonical JSON: integer {str(value)[:40]} is not below 2^53; write it as a string")
        return
    if depth == 0:
        raise InputError(f"canonical JSON: nested deeper than {DEPTH_MAX}")
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                raise InputError(f"canonical JSON: key {key!r} is not an ASCII string")
            if type(item) is not str:
                _check(item, depth - 1)
        return
    if kind is not list:
        raise InputError(f"canonical JSON: {kind.__name__} {str(value)[:40]!r} is not allowed")
    for item in value:
        _check(item, depth - 1)


def _check_depth(bare: bytes) -> None:
    """Refuse brackets nested deeper than DEPTH_MAX before the parser sees them; `bare` has no escaped quotes.

    The parser recurses in C, and a library elsewhere in the process may have raised the recursion
    limit beyond what the stack holds: such bytes would then end the process, not the parse. Strings
    are taken out, then the innermost pairs, level by level: linear in the input, and in C.
    """
    if bare.count(b"[") + bare.count(b"{") <= DEPTH_MAX:
        return
    brackets = _outside_strings(bare).translate(None, _NOT_BRACKETS)
    for _ in range(DEPTH_MAX):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        raise InputError(f"nested deeper than {DEPTH_MAX}, or brackets that do not match")


def _check_integers(bare: bytes) -> None:
    """Refuse integers of 2^53 and more: few bytes hold that many digits, and a function for each integer costs more."""
    if _LONG not in bare.translate(_DIGITS_ALIKE):
        return
    for digits in re.findall(rb"[0-9]{%d,}" % len(_LONG), _outside_strings(bare)):
        if len(digits) > len(_LONG) or int(digits) > INT_MAX:
            raise InputError(f"canonical JSON: integer {digits[:40].decode()} is not below 2^53; write it as a string")


def _outside_strings(bare: bytes) -> bytes:
    """What stands outside strings, with a quote where each was; `bare` has no escaped quotes."""
    return b'"'.join(bare.split(b'"')[::2])


def _refuse_float(text: str) -> Any:
    raise InputError(f"number {text[:40]} is not an integer")


# From the last letter of a string that is not ASCII to its end: each letter is read once, however long the string.
# An escaped one needs no look, as it would not be written again as it was read.
_FOREIGN_KEY: Final = re.compile(rb'[\x80-\xff][^"\x80-\xff]*":')
_LONG: Final = b"0" * len(str(INT_MAX))
_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789", b"000000000")
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)
_DECODER: Final = json.JSONDecoder(parse_float=_refuse_float, parse_constant=_refuse_float)
