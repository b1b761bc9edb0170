"""Read banks' answers into outcomes: pain.002 (accepted or rejected), camt.053 and camt.054 (booked or returned).

Pure, and careful: a file comes from outside, so entities and external references are refused (defusedxml). Every answer
names a payment by its end-to-end reference, or a batch by its message's id; whose it is, and whether it may count, is
for the caller to judge.
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

Status = Literal["settled", "failed", "returned", "pending"]

_KINDS: Final = re.compile(
    r"\{urn:iso:std:iso:20022:tech:xsd:(pain\.002|camt\.053|camt\.054)\.\d{3}\.\d{2}\}Document\Z"
)
_STATUS: Final[dict[str, Status]] = {"ACSC": "settled", "ACCC": "settled", "RJCT": "failed", "CANC": "failed"}
"""What a status says for good; every other one says that the payment is on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAnswer:
    """What a bank said of one payment, named by its `reference`, or of a whole `batch`, named by its message's id.

    `micros` and `currency` are absent where a rejection does not repeat them. `entry`: the bank's own reference.
    """

    reference: str
    outcome: Status
    batch: str = ""
    currency: str = ""
    micros: int | None = None
    reason: str = ""
    day: str = ""
    entry: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankFile:
    """A file's kind, its own id, and its answers in order.

    `unnamed`: entries that name neither a payment nor a batch, such as fees and other people's payments.
    """

    kind: str
    name: str
    answers: tuple[BankAnswer, ...]
    unnamed: int = 0


EXPECTED: Final = "expected a bank's pain.002, camt.053 or camt.054 file"


def read(data: bytes) -> BankFile:
    """Returns the answers in a bank's file."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    if len(data) > SIZE_MAX:
        raise InputError(f"a bank's file of {len(data):,} bytes: expected at most {SIZE_MAX:,}")
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as problem:
        raise InputError(f"{EXPECTED}; this is not XML that can be read safely: {problem}") from None
    kind = _KINDS.match(root.tag)
    if kind is None:
        raise InputError(f"{EXPECTED}; this is {root.tag[:120]}")
    name = _text(root, "MsgId")
    if kind[1] == "pain.002":
        answers = list(_status_report(root))
    else:
        answers = [answer for entry in _all(root, "Ntry") for answer in _entry(entry, name)]
    named = tuple(answer for answer in answers if answer.reference or answer.batch)
    return BankFile(kind=kind[1], name=name, answers=named, unnamed=len(answers) - len(named))


def _status_report(root: Element) -> Iterator[BankAnswer]:
    """A rejection stands at the message, at a batch, or at a payment."""
    message = _first(root, "OrgnlGrpInfAndSts")
    if message is not None and _text(message, "GrpSts") == "RJCT":
        yield BankAnswer(
            reference="", batch=_text(message, "OrgnlMsgId"), outcome="failed", reason=_text(message, "Rsn", "Cd")
        )
    for batch in _all(root, "OrgnlPmtInfAndSts"):
        payments = list(_all(batch, "TxInfAndSts"))
        if not payments and _text(batch, "PmtInfSts") == "RJCT":
            yield BankAnswer(
                reference="", batch=_text(batch, "OrgnlPmtInfId"), outcome="failed", reason=_text(batch, "Rsn", "Cd")
            )
        for payment in payments:
            yield BankAnswer(
                reference=_text(payment, "OrgnlEndToEndId"),
                outcome=_STATUS.get(_text(payment, "TxSts"), "pending"),
                reason=_text(payment, "StsRsnInf", "Rsn", "Cd"),
                day=_text(payment, "AccptncDtTm")[:10],
                entry=_text(payment, "AcctSvcrRef"),
            )


def _entry(entry: Element, message: str) -> Iterator[BankAnswer]:
    """The payments of one entry of a statement: a batch is booked as one entry, with or without its payments below."""
    is_booked = (_text(entry, "Sts", "Cd") or _text(entry, "Sts")) == "BOOK"
    day = _text(entry, "BookgDt", "Dt") or _text(entry, "BookgDt", "DtTm")[:10]
    own = _child_text(entry, "AcctSvcrRef") or _child_text(entry, "NtryRef") or message
    details = list(_all(entry, "TxDtls"))
    batch = "" if details else _text(entry, "Btch", "PmtInfId") or _text(entry, "Btch", "MsgId")
    for payment in details or [entry]:
        reference = _text(payment, "Refs", "EndToEndId")
        outcome = _booked(entry, payment) if is_booked else "pending"
        if outcome is None:
            # Money that came in and is no return is nobody's payout, whatever reference its sender gave it.
            reference, batch, outcome = "", "", "pending"
        amount = _amount(payment)
        if amount is None and len(details) == 1:
            amount = _amount(entry)
        yield BankAnswer(
            reference="" if reference == "NOTPROVIDED" else reference,
            batch=batch,
            outcome=outcome,
            currency="" if amount is None else amount[0],
            micros=None if amount is None else amount[1],
            reason=_text(payment, "RtrInf", "Rsn", "Cd"),
            day=day,
            entry=_text(payment, "Refs", "AcctSvcrRef") or own,
        )


def _booked(entry: Element, payment: Element) -> Status | None:
    """What a booked movement says of a payment of ours; None where it is no payment of ours."""
    direction = _text(payment, "CdtDbtInd") or _child_text(entry, "CdtDbtInd")
    if direction == "DBIT":
        return "settled"
    came_back = (
        _first(payment, "RtrInf") is not None
        or _child_text(entry, "RvslInd") == "true"
        or _text(payment, "BkTxCd", "Domn", "Fmly", "SubFmlyCd") == "RRTN"
        or _text(entry, "BkTxCd", "Domn", "Fmly", "SubFmlyCd") == "RRTN"
    )
    return "returned" if came_back else None


def _amount(parent: Element) -> tuple[str, int] | None:
    """Currency and micro-units: as the payment was ordered, else as the account was moved."""
    ordered = _first(parent, "InstdAmt")
    element = None if ordered is None else _first(ordered, "Amt")
    if element is None:
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


def _child_text(parent: Element, name: str) -> str:
    """The text of a direct child; what stands below another element is about something else."""
    element = next((child for child in parent if _name(child) == name), None)
    return "" if element is None else (element.text or "").strip()
