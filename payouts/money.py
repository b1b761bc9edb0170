"""Currencies and amounts: every amount is an int of micro-units (six decimals) of one currency.

A currency's own scale (ISO 4217's minor unit) matters only for payments by a bank.
"""

from __future__ import annotations

import re
from typing import Final

from ledger import units
from ledger.errors import InputError
from payouts.errors import TermsError

MICROS: Final = 1_000_000
"""Micro-units in one unit of any currency."""

_CODE = re.compile(r"[A-Z]{3}\Z", re.ASCII)

# ISO 4217 list one (active codes with a minor unit); two decimals unless said otherwise. Codes without
# a minor unit (XAU, XDR, XXX ...) have no scale: a share of such a pool could not be paid exactly.
_CODES: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK
DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD
KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP
PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
""",
    3: "BHD IQD JOD KWD LYD OMR TND",
}

SCALES: Final = {code: decimals for decimals, codes in _CODES.items() for code in codes.split()}
"""Decimals of each currency's smallest payable unit."""


def scale(currency: str) -> int:
    """Return the decimals of the currency's minor unit; refuses a code without one in ISO 4217."""
    if currency not in SCALES:
        raise TermsError(
            f"currency {currency!r}: expected an active ISO 4217 code with a minor unit; {_instead(currency)}"
        )
    return SCALES[currency]


def _instead(currency: str) -> str:
    """Return a suggestion for an invalid amount."""
    if currency.upper() in SCALES:
        return f"write {currency.upper()}"
    if not _CODE.match(currency):
        return "a code has three capital letters, such as EUR"
    return "convert the pool to one, such as EUR, before the run"


def parse_amount(text: str) -> int:
    """`"1000000.00"` -> micro-units; at most six decimals, no exponent, no grouping."""
    try:
        return units.micros(text)
    except InputError as problem:
        raise TermsError(str(problem)) from None


def format_amount(micros: int, currency: str) -> str:
    """Format micro-units as a decimal text: the currency's own decimals, and more only if they are not zero."""
    digits = f"{abs(micros) % MICROS:06d}"
    decimals = digits.rstrip("0").ljust(scale(currency), "0")
    text = f"{abs(micros) // MICROS}" + (f".{decimals}" if decimals else "")
    return f"-{text}" if micros < 0 else text


def payable(micros: int, currency: str) -> tuple[int, int]:
    """Return the payable part in micros of whole minor units, and the remainder that stays in the balance.

    It is rounded down, and the remainder is carried: no money is lost or created.
    """
    if micros < 0:
        raise ValueError(f"payable: {micros} micros; expected zero or more")
    unit = MICROS // 10 ** scale(currency)
    return micros - micros % unit, micros % unit
