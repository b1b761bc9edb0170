"""What banks answer: pain.002 (accepted or rejected), camt.053 and camt.054 (booked or returned), read into outcomes.

Pure, and careful: a file comes from outside, so entities and external references are refused (defusedxml). Every answer
names a payment by its end-to-end reference; whose it is, and whether it may count, is for the caller to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from ledger import units
from ledger.errors import InputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SIZE_MAX: Final = 256 * 1024 * 1024
"""Bytes. A month of a million payments fits."""

Outcome = Literal["settled", "failed", "returned", "pending"]

_KINDS: Final = re.compile(
    r"\{urn:iso:std:iso:20022:tech:xsd:(pain\.002|camt\.053|camt\.054)\.\d{3}\.\d{2}\}Document\Z"
)
_STATUS: Final[dict[str, Outcome]] = {"ACSC": "settled", "ACCC": "settled", "RJCT": "failed", "CANC": "failed"}
"""What a status says for good; every other one says that the payment is on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAnswer:
    """What a bank said of one payment. `micros` and `currency` are absent where a rejection does not repeat them."""

    reference: str
    outcome: Outcome
    currency: str = ""
    micros: int | None = None
    reason: str = ""
    day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankFile:
    """A file's kind, its own id, and its answers in order.

    `rejected`: the message that a bank rejected as a whole, without an answer for each payment; empty otherwise.
    `unnamed`: entries without an end-to-end reference, such as fees and other people's payments.
    """

    kind: str
    name: str
    answers: tuple[BankAnswer, ...]
    rejected: str = ""
    unnamed: int = 0


def read(data: bytes) -> BankFile:
    """The answers in a bank's file."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    if len(data) > SIZE_MAX:
        raise InputError(f"bank file of {len(data):,} bytes: expected at most {SIZE_MAX:,}")
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as problem:
        raise InputError(f"bank file: not XML that can be read safely: {problem}") from None
    kind = _KINDS.match(root.tag)
    if kind is None:
        raise InputError(f"bank file: {root.tag[:120]}; expected pain.002, camt.053 or camt.054")
    if kind[1] == "pain.002":
        return _status_report(root)
    answers = [answer for entry in _all(root, "Ntry") for answer in _entry(entry)]
    named = tuple(one for one in answers if one.reference)
    return BankFile(kind=kind[1], name=_text(root, "MsgId"), answers=named, unnamed=len(answers) - len(named))


def _status_report(root: Element) -> BankFile:
    answers = []
    for payment in _all(root, "TxInfAndSts"):
        status = _text(payment, "TxSts")
        answers.append(
            BankAnswer(
                reference=_text(payment, "OrgnlEndToEndId"),
                outcome=_STATUS.get(status, "pending"),
                reason=_text(payment, "StsRsnInf", "Rsn", "Cd"),
                day=_text(payment, "AccptncDtTm")[:10],
            )
        )
    whole = _first(root, "OrgnlGrpInfAndSts")
    rejected = whole is not None and _text(whole, "GrpSts") == "RJCT" and not answers
    named = tuple(one for one in answers if one.reference)
    return BankFile(
        kind="pain.002",
        name=_text(root, "MsgId"),
        answers=named,
        unnamed=len(answers) - len(named),
        rejected=_text(whole, "OrgnlMsgId") if rejected and whole is not None else "",
    )


def _entry(entry: Element) -> Iterator[BankAnswer]:
    """The payments of one entry of a statement: a batch is booked as one entry with its payments below."""
    status = _text(entry, "Sts", "Cd") or _text(entry, "Sts")
    is_booked = status == "BOOK"
    day = _text(entry, "BookgDt", "Dt") or _text(entry, "BookgDt", "DtTm")[:10]
    details = list(_all(entry, "TxDtls")) or [entry]
    for one in details:
        direction = _text(one, "CdtDbtInd") or _text(entry, "CdtDbtInd")
        came_back = _first(one, "RtrInf") is not None or _text(entry, "RvslInd") == "true"
        reference = _text(one, "Refs", "EndToEndId")
        amount = _amount(one)
        if amount is None and len(details) == 1:
            amount = _amount(entry)
        if not is_booked:
            outcome: Outcome = "pending"
        elif direction == "DBIT":
            outcome = "settled"
        elif came_back:
            outcome = "returned"
        else:
            # Money that came in and is no return is nobody's payout, whatever reference its sender gave it.
            reference, outcome = "", "pending"
        yield BankAnswer(
            reference="" if reference == "NOTPROVIDED" else reference,
            outcome=outcome,
            currency="" if amount is None else amount[0],
            micros=None if amount is None else amount[1],
            reason=_text(one, "RtrInf", "Rsn", "Cd"),
            day=day,
        )


def _amount(parent: Element) -> tuple[str, int] | None:
    element = next((child for child in parent if _name(child) == "Amt"), None)
    if element is None or not (element.text or "").strip():
        return None
    return element.get("Ccy", ""), units.micros((element.text or "").strip())


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _all(parent: Element, name: str) -> Iterator[Element]:
    return (element for element in parent.iter() if _name(element) == name)


def _first(parent: Element, name: str) -> Element | None:
    return next(_all(parent, name), None)


def _text(parent: Element, first: str, *further: str) -> str:
    """The text at a path whose first name may stand at any depth; empty where there is none."""
    element = _first(parent, first)
    for name in further:
        element = None if element is None else next((child for child in element if _name(child) == name), None)
    return "" if element is None else (element.text or "").strip()
