"""Industry identifiers: one canonical spelling each, with the check digits of their schemes.

Every function takes an identifier as people write it (hyphens, dots, spaces, lower case) and
returns the compact upper-case form, or raises InputError naming what is wrong with it.

- ISRC (ISO 3901): a recording. No check digit.
- ISWC (ISO 15707): a musical work. Weighted sum modulo 10; not Luhn, whatever the web says.
- IPI name number and IPI base number: an interested party (CISAC).
- ISNI (ISO 27729): a public identity. ISO 7064 MOD 11-2.
- DPID: a DDEX party. ISO 7064 MOD 37,36 over the whole string.
- IBAN (ISO 13616): a bank account. MOD 97-10.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ledger.errors import InputError

_PUNCTUATION: Final = str.maketrans("", "", "-. \u00a0")
_ALPHANUMERIC: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}\Z", re.ASCII)
_ISWC = re.compile(r"T[0-9]{10}\Z", re.ASCII)
_IPI_BASE = re.compile(r"I[0-9]{10}\Z", re.ASCII)
_IPI_NAME = re.compile(r"[0-9]{1,11}\Z", re.ASCII)
_ISNI = re.compile(r"[0-9]{15}[0-9X]\Z", re.ASCII)
_DPID = re.compile(r"PADPIDA[0-9]{10}[0-9A-Z]\Z", re.ASCII)
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}\Z", re.ASCII)
_EVM = re.compile(r"0x[0-9a-fA-F]{40}\Z", re.ASCII)


def isrc(text: str) -> str:
    """`SE-A01-26-00001` -> `SEA012600001`."""
    return _shaped(text, "ISRC", _ISRC, "two letters, three letters or digits, seven digits, such as SEA012600001")


def iswc(text: str) -> str:
    """`T-034.524.680-1` -> `T0345246801`."""
    code = _shaped(text, "ISWC", _ISWC, "T, nine digits and a check digit, such as T-034.524.680-1")
    return _checked(text, "ISWC", code, _weighted_mod_10(1, code[1:10]))


def ipi_base(text: str) -> str:
    """`I-001068130-6` -> `I0010681306`."""
    code = _shaped(text, "IPI base number", _IPI_BASE, "I, nine digits and a check digit, such as I-001068130-6")
    return _checked(text, "IPI base number", code, _weighted_mod_10(2, code[1:10]))


def ipi_name(text: str) -> str:
    """`14107338` -> `00014107338`: eleven digits, of which the last two check the others."""
    code = _shaped(text, "IPI name number", _IPI_NAME, "up to eleven digits, such as 00014107338").zfill(11)
    total = sum(int(digit) * (10 - position) for position, digit in enumerate(code[:9])) % 101
    return _checked(text, "IPI name number", code, f"{(101 - total) % 101 % 100:02d}")


def ipi(text: str) -> str:
    """Check either kind of IPI number, chosen by its first letter."""
    return ipi_base(text) if text.strip().upper().startswith("I") else ipi_name(text)


def isni(text: str) -> str:
    """`0000 0001 2150 090X` -> `000000012150090X`."""
    code = _shaped(text, "ISNI", _ISNI, "fifteen digits and a digit or X, such as 0000 0001 2150 090X")
    total = 0
    for digit in code[:15]:
        total = (total + int(digit)) * 2
    return _checked(text, "ISNI", code, "0123456789X"[(12 - total % 11) % 11])


def dpid(text: str) -> str:
    """`PADPIDA2013020802I` with its check character confirmed."""
    code = _shaped(text, "DPID", _DPID, "PADPIDA, ten digits and a check character, such as PADPIDA2013020802I")
    product = 36
    for letter in code[:-1]:
        product = (product + _ALPHANUMERIC.index(letter)) % 36 or 36
        product = product * 2 % 37
    return _checked(text, "DPID", code, _ALPHANUMERIC[(37 - product) % 36])


def iban(text: str) -> str:
    """`SE45 5000 0000 0583 9825 7466` -> without spaces, when its two check digits agree."""
    code = _shaped(text, "IBAN", _IBAN, "a country, two check digits and the account number")
    number = int("".join(str(_ALPHANUMERIC.index(letter)) for letter in code[4:] + code[:4]))
    if number % 97 != 1:
        raise InputError(f"IBAN {text!r}: its check digits do not agree with the rest; compare it with the original")
    return code


def bank_account(text: str) -> str:
    """Return a checked IBAN; an account number of a country without IBANs is returned unchanged."""
    looks_like_iban = _IBAN.match(text.translate(_PUNCTUATION).upper())
    return iban(text) if looks_like_iban else text.strip()


def evm_address(text: str) -> str:
    """`0x` and forty hex digits, as written: the letters' case may carry a checksum."""
    if not _EVM.match(text.strip()):
        raise InputError(f"account {text!r}: expected 0x and forty hex digits")
    return text.strip()


def spelled(spell: Callable[[str], str], text: str) -> str:
    """An identifier in its one spelling; one that is wrong as it stands, so that its row is refused with the reason."""
    try:
        return spell(text) if text else ""
    except InputError:
        return text


def _weighted_mod_10(start: int, digits: str) -> str:
    total = start + sum(position * int(digit) for position, digit in enumerate(digits, 1))
    return str((10 - total % 10) % 10)


def _shaped(text: str, name: str, shape: re.Pattern[str], expected: str) -> str:
    code = text.translate(_PUNCTUATION).upper()
    if not shape.match(code):
        raise InputError(f"{name} {text!r}: expected {expected}")
    return code


def _checked(text: str, name: str, code: str, check: str) -> str:
    if not code.endswith(check):
        raise InputError(f"{name} {text!r}: check digit {check!r} expected; compare it with the original")
    return code
