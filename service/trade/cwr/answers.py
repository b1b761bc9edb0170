"""Acknowledgements: what became of each work of a CWR file, as its sender reads it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import InputError
from service.trade.cwr.records import CwrSender, CwrTransaction

ACCEPTED, CHANGED, REJECTED = "RA", "AS", "RJ"
"""Registered whole; registered, and some of its shares wait; not registered."""
_SENDER: Final = re.compile(r"(PB|SO|AA|WR)(\d{9})\Z", re.ASCII)
VERSION: Final = "02.10"


@dataclass(frozen=True, slots=True, kw_only=True)
class CwrAnswer:
    """What became of one transaction, by which id we have it, and why not all of it."""

    transaction: CwrTransaction
    work: str
    status: str
    reason: str = ""


def write(original: CwrSender, answers: Sequence[CwrAnswer], *, sender: str, name: str, at: str) -> bytes:
    """The acknowledgement file of a file; `sender` is who answers, `at` the time as 20261130T154500."""
    match = _SENDER.match(sender)
    if match is None:
        raise InputError(f"sender {sender!r}: expected PB, SO, AA or WR and nine digits, such as AA000000123")
    day, time = at[:8], at[9:15]
    rows = [
        f"HDR{match[1]}{match[2]}{_text(name, 45)}01.10{day}{time}{day}{'':15}",
        f"GRHACK00001{VERSION}{0:010}  ",
    ]
    for number, answer in enumerate(answers):
        head = answer.transaction.records[0]
        rows.append(
            f"ACK{number:08}{0:08}{_text(original.date, 8)}{_text(original.time, 6)}{answer.transaction.group:05}"
            f"{answer.transaction.number:08}{answer.transaction.kind}{_text(head.field('title'), 60)}"
            f"{_text(head.field('number'), 20)}{_text(answer.work, 20)}{day}{answer.status}"
        )
        if answer.reason:
            rows.append(f"MSG{number:08}{1:08}E{0:08}{answer.transaction.kind}T000{_text(answer.reason, 150)}")
    rows.append(f"GRT00001{len(answers):08}{len(rows):08}   {0:010}")
    rows.append(f"TRL00001{len(answers):08}{len(rows) + 1:08}")
    return ("\r\n".join(rows) + "\r\n").encode("ascii")


def _text(text: str, length: int) -> str:
    """A text in the letters that a file without a declared character set may have."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return f"{' '.join(plain.split()).upper()[:length]:{length}}"
