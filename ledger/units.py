"""Shares and amounts as people write them: "15.825%", "1/3", "20.00". Such texts are read only here.

The programs count shares in ppm and money in micro-units, both whole numbers. A text that is not exactly such a number
is refused: nothing is rounded here.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from ledger.errors import InputError
from ledger.types import MILLION

_PERCENT: Final = re.compile(r"(\d{1,3})(?:[.,](\d{1,12}))?[ \u00a0\u202f]?%\Z", re.ASCII)
"""A comma is a decimal sign here: no share is of a thousand percent, so nobody groups its digits."""
_FRACTION: Final = re.compile(r"(\d{1,9})/(\d{1,9})\Z", re.ASCII)
_PPM: Final = re.compile(r"\d{1,18}\Z", re.ASCII)
_AMOUNT: Final = re.compile(r"(-?)(\d{1,30})(?:\.(\d{1,6}))?\Z", re.ASCII)


def share(text: str) -> Fraction | None:
    """Parse a percentage or a fraction as a part of one; None for any other text."""
    word = text.strip()
    if match := _PERCENT.match(word):
        whole, decimals = match.groups()
        return Fraction(f"{whole}.{decimals or 0}") / 100
    if (match := _FRACTION.match(word)) and int(match[2]):
        return Fraction(int(match[1]), int(match[2]))
    return None


def ppm(text: str, name: str = "share") -> int:
    """Parse a share as ppm: a percentage, a fraction, or a whole number of ppm."""
    part = share(text)
    if part is None:
        if _PPM.match(text.strip()):
            return int(text)
        raise InputError(f"{name} {text!r}: expected a percentage such as 15.825%, or whole ppm such as 158250")
    if (exact := part * MILLION).denominator != 1:
        raise InputError(f"{name} {text!r}: finer than a millionth; expected at most four decimals, such as 33.3333%")
    return int(exact)


def percentage(text: str, name: str = "share") -> int:
    """Parse a share as ppm from a percentage or a fraction only: a bare number would be ambiguous here."""
    if share(text) is None:
        raise InputError(f"{name} {text!r}: expected a percentage, such as 15.825%")
    return ppm(text, name)


def micros(text: str) -> int:
    """Parse an amount as micro-units; no exponent, no grouping, no decimal comma."""
    match = _AMOUNT.match(text)
    if match is None:
        raise InputError(f"amount {text!r}: expected digits with at most six decimals, such as 1000000.00")
    sign, whole, part = match.groups()
    value = int(whole) * MILLION + int((part or "").ljust(6, "0"))
    return -value if sign else value
