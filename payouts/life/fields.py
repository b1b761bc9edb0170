"""Read the fields of a period's leaves strictly; a value that no record writes is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import ledger.proofs.leaf
from ledger.errors import InputError, VerificationError
from ledger.types import Leaf, format_time, parse_time

DIGITS_MAX: Final = 100
"""Of an amount, its sign among them; more than any sum of money, and few enough to be read as a number."""


def read_micros(text: str) -> int:
    """Read an amount as written in leaves: a decimal string in its only spelling."""
    if len(text) > DIGITS_MAX or not text.removeprefix("-").isdecimal() or str(int(text)) != text:
        raise VerificationError(f"amount {text!r}: expected whole micro-units as a decimal string")
    return int(text)


def unsigned_leaf(kind: str, record: Any, **fields: Any) -> Leaf:
    return ledger.proofs.leaf.make(kind, parse_time(record.at), by=record.by, **fields)


def author_of(leaf: Leaf) -> dict[str, str]:
    return {"at": read_text(leaf, "at"), "by": read_text(leaf, "by"), "key": read_text(leaf, "key")}


def check_signed_fields(leaf: Leaf, *names: str) -> None:
    check_fields(leaf, "at", "by", "key", "sig", *names)
    read_text(leaf, "sig")


def check_fields(leaf: Leaf, *names: str) -> None:
    expected = {"v", "type", *names}
    if "sig" in leaf and "signed_for" in leaf:  # form 2, see `ledger.proofs.form`
        expected.add("signed_for")
    if leaf.keys() != expected:
        odd = sorted(leaf.keys() ^ expected)
        raise VerificationError(f"{leaf.get('type')} leaf: fields {odd} are missing or unknown")


def read_text(leaf: Mapping[str, Any], name: str) -> str:
    value = leaf.get(name)
    if not isinstance(value, str):
        raise VerificationError(f"{name} is {value!r}, expected a text")
    return value


def read_instant(leaf: Mapping[str, Any], name: str) -> str:
    """Read a time in its only spelling, so that two times compare as texts."""
    value = read_text(leaf, name)
    try:
        canonical = format_time(parse_time(value))
    except InputError as problem:
        raise VerificationError(f"{name}: {problem}") from None
    if canonical != value:
        raise VerificationError(f"{name} is {value!r}, expected {canonical!r}")
    return value


def read_list(leaf: Leaf, name: str) -> list[Any]:
    value = leaf.get(name)
    if not isinstance(value, list):
        raise VerificationError(f"{name} is {value!r}, expected a list")
    return value


def read_count(leaf: Mapping[str, Any], name: str) -> int:
    value = leaf.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise VerificationError(f"{name} is {value!r}, expected a whole number")
    return value


def read_choice(leaf: Leaf, name: str, known: tuple[Any, ...]) -> Any:
    value = leaf.get(name)
    if not any(value is choice or (type(value) is str and value == choice) for choice in known):
        raise VerificationError(f"{name} is {value!r}, expected one of {', '.join(map(str, known))}")
    return value
