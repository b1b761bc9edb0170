"""Write payments as pain.001.001.09, by the SEPA rules of November 2026.

Pure: the same payments give the same bytes, so a file that is made again is the file that was sent. Addresses are
structured (town and country) or absent; names are folded to the letters that every SEPA bank must accept.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from ledger.errors import InputError
from ledger.registry import identifiers
from payouts.money import format_amount, payable

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
NAME_MAX: Final = 70
REFERENCE_MAX: Final = 35
REMITTANCE_MAX: Final = 140

_ALLOWED: Final = re.compile(r"[a-zA-Z0-9/\-?:().,'+ ]")
_LETTERS: Final = {
    "ß": "ss",
    "æ": "ae",
    "Æ": "Ae",
    "œ": "oe",
    "Œ": "Oe",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ð": "d",
    "Ð": "D",
    "þ": "th",
    "Þ": "Th",
    "ı": "i",
    "&": "+",
    "_": "-",
    "’": "'",
    "–": "-",
}
"""Letters that do not come apart into a plain one and a mark."""
_EEA: Final = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"
_SEPA_BEYOND_EEA: Final = "AD AL CH GB GI MC MD ME MK RS SM VA"
"""Countries of SEPA whose IBANs need the payee's town and country beside them."""
_BIC: Final = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?\Z", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Z]{2}\Z", re.ASCII)
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}\Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """An account and its holder's name, as the bank has it; it is compared with the name the bank knows."""

    name: str
    number: str
    bic: str = ""
    town: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransfer:
    """One payment. `reference` is what the bank repeats in every answer about it."""

    reference: str
    to: BankAccount
    currency: str
    micros: int
    remittance: str


def message(
    transfers: Iterable[CreditTransfer], *, name: str, created: str, execute_on: str, debtor: BankAccount
) -> bytes:
    """Returns the file: payments in one currency as one batch, with their number and their total.

    `name`: the id of the message and of its batch; `created`: RFC 3339; `execute_on`: a date.
    """
    payments = sorted(transfers, key=lambda transfer: transfer.reference)
    currencies = {transfer.currency for transfer in payments}
    if len(currencies) != 1:
        raise InputError(
            f"payment file {name}: payments in {', '.join(sorted(currencies)) or 'no currency'}; expected one or more "
            "payments in one currency"
        )
    if len({transfer.reference for transfer in payments}) != len(payments):
        raise InputError(f"payment file {name}: a reference occurs twice; a bank could pay it once or twice")
    document = ElementTree.Element("Document", {"xmlns": NAMESPACE})
    root = ElementTree.SubElement(document, "CstmrCdtTrfInitn")
    head = ElementTree.SubElement(root, "GrpHdr")
    _text(head, "MsgId", _reference(name))
    _text(head, "CreDtTm", created)
    _text(head, "NbOfTxs", str(len(payments)))
    _text(head, "CtrlSum", _sum(payments))
    _text(ElementTree.SubElement(head, "InitgPty"), "Nm", folded(debtor.name))
    _batch(root, name, payments, execute_on=execute_on, debtor=debtor)
    ElementTree.indent(document)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + bytes(ElementTree.tostring(document, encoding="utf-8")) + b"\n"


def folded(name: str, limit: int = NAME_MAX) -> str:
    """A name in the letters every SEPA bank accepts; refused where a letter has no such form."""
    letters = unicodedata.normalize("NFKD", "".join(_LETTERS.get(letter, letter) for letter in name))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    if bad := sorted({letter for letter in plain if not _ALLOWED.match(letter)}):
        raise InputError(
            f"name {name!r}: {bad[0]!r} has no form in bank files; give the account holder's name in Latin letters, as "
            "the bank has it"
        )
    text = " ".join(plain.split())
    if not text:
        raise InputError(f"name {name!r}: expected the account holder's name, as the bank has it")
    return text[:limit].rstrip()


def _batch(
    root: ElementTree.Element, name: str, payments: Sequence[CreditTransfer], *, execute_on: str, debtor: BankAccount
) -> None:
    info = ElementTree.SubElement(root, "PmtInf")
    _text(info, "PmtInfId", _reference(name))
    _text(info, "PmtMtd", "TRF")
    _text(info, "BtchBookg", "true")
    _text(info, "NbOfTxs", str(len(payments)))
    _text(info, "CtrlSum", _sum(payments))
    if payments[0].currency == "EUR":
        _text(ElementTree.SubElement(ElementTree.SubElement(info, "PmtTpInf"), "SvcLvl"), "Cd", "SEPA")
    _text(ElementTree.SubElement(info, "ReqdExctnDt"), "Dt", execute_on)
    _party(info, "Dbtr", debtor)
    _account(info, "DbtrAcct", debtor, sepa=True)
    _agent(info, "DbtrAgt", debtor.bic or None, required=True)
    _text(info, "ChrgBr", "SLEV" if payments[0].currency == "EUR" else "SHAR")
    for transfer in payments:
        _transfer(info, transfer)


def _transfer(info: ElementTree.Element, transfer: CreditTransfer) -> None:
    item = ElementTree.SubElement(info, "CdtTrfTxInf")
    _text(ElementTree.SubElement(item, "PmtId"), "EndToEndId", _reference(transfer.reference))
    amount = _text(ElementTree.SubElement(item, "Amt"), "InstdAmt", _amount(transfer))
    amount.set("Ccy", transfer.currency)
    _agent(item, "CdtrAgt", transfer.to.bic or None, required=False)
    _party(item, "Cdtr", transfer.to)
    _account(item, "CdtrAcct", transfer.to, sepa=transfer.currency == "EUR")
    if transfer.currency == "EUR":
        _check_sepa(transfer.to)
    _text(ElementTree.SubElement(item, "RmtInf"), "Ustrd", folded(transfer.remittance, REMITTANCE_MAX))


def _party(parent: ElementTree.Element, tag: str, account: BankAccount) -> None:
    """Name and, where both are known, town and country: an address without them is refused since November 2026."""
    party = ElementTree.SubElement(parent, tag)
    _text(party, "Nm", folded(account.name))
    if bool(account.town) != bool(account.country):
        raise InputError(f"account of {account.name}: town and country come together or not at all")
    if account.town:
        if not _COUNTRY.match(account.country):
            raise InputError(f"country {account.country!r}: expected an ISO 3166 alpha-2 code, such as SE")
        address = ElementTree.SubElement(party, "PstlAdr")
        _text(address, "TwnNm", folded(account.town, 35))
        _text(address, "Ctry", account.country)


def _account(parent: ElementTree.Element, tag: str, account: BankAccount, *, sepa: bool) -> None:
    number = identifiers.bank_account(account.number)
    item = ElementTree.SubElement(ElementTree.SubElement(parent, tag), "Id")
    if _IBAN.match(number):
        _text(item, "IBAN", number)
    elif sepa:
        raise InputError(f"account of {account.name}: euros are paid within SEPA to an IBAN; ask for it")
    else:
        _text(ElementTree.SubElement(item, "Othr"), "Id", folded(number, 34))


def _check_sepa(account: BankAccount) -> None:
    """Refuse a payee of euros whose bank SEPA does not reach, or reaches only with an address."""
    country = identifiers.bank_account(account.number)[:2]
    beyond = country in _SEPA_BEYOND_EEA.split()
    if not beyond and country not in _EEA.split():
        raise InputError(f"account of {account.name}: IBANs of {country} are outside SEPA; pay it in another currency")
    if beyond and not account.town:
        raise InputError(
            f"account of {account.name}: an IBAN of {country} is beyond the EEA; banks need the town and country of "
            "its holder"
        )


def _agent(parent: ElementTree.Element, tag: str, bic: str | None, *, required: bool) -> None:
    """The bank. A creditor's may be left out; the debtor's must stand there, if only to say that it is not given."""
    if bic is not None and not _BIC.match(bic):
        raise InputError(f"BIC {bic!r}: expected 8 or 11 capital letters and digits, such as DEUTDEFF")
    if bic is None and not required:
        return
    bank = ElementTree.SubElement(ElementTree.SubElement(parent, tag), "FinInstnId")
    if bic is None:
        _text(ElementTree.SubElement(bank, "Othr"), "Id", "NOTPROVIDED")
    else:
        _text(bank, "BICFI", bic)


def _amount(transfer: CreditTransfer) -> str:
    """The amount in whole coins: the schema would take more decimals, and a bank would not."""
    whole, left = payable(transfer.micros, transfer.currency)
    if left or not whole:
        raise InputError(
            f"payment {transfer.reference}: {transfer.micros} micro-units of {transfer.currency}; expected whole "
            "coins, more than none"
        )
    return format_amount(transfer.micros, transfer.currency)


def _sum(payments: Sequence[CreditTransfer]) -> str:
    return format_amount(sum(transfer.micros for transfer in payments), payments[0].currency)


def _reference(text: str) -> str:
    if not 0 < len(text) <= REFERENCE_MAX or not all(map(_ALLOWED.match, text)):
        raise InputError(f"reference {text!r}: expected 1 to {REFERENCE_MAX} letters that banks accept")
    return text


def _text(parent: ElementTree.Element, tag: str, text: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag)
    element.text = text
    return element
