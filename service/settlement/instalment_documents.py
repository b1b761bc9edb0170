"""Check the document of every instalment in the log: the payments, which its leaf does not list.

An operator may write one with another program. A wrong document makes the instalment void, before anything counts,
books or sends its payments.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from weakref import WeakKeyDictionary

from ledger.errors import InputError, SettleError, VerificationError
from ledger.log.append import Log
from ledger.proofs.rings import Rings
from payouts.life.mandates import Instalment, InstalmentCheck, Mandate
from payouts.live.instalments import read_document

_ANSWERS: MutableMapping[Log, dict[tuple[int, Instalment], str]] = WeakKeyDictionary()
"""Why the document of each instalment of a log is refused; empty if it is good. That never changes."""


def document_check(log: Log, rings: Rings) -> InstalmentCheck:
    """Return the check of documents that the book of this log makes."""
    answers = _ANSWERS.setdefault(log, {})

    def check(index: int, record: Instalment, mandate: Mandate) -> None:
        if (index, record) not in answers:
            try:
                data = log.blob(record.statement)
            except (InputError, VerificationError):
                return  # lost in this copy alone: its money may have left, so whoever needs the payments is refused
            answers[index, record] = _refusal(data, record, mandate, rings, index)
        if refusal := answers[index, record]:
            raise VerificationError(refusal)

    return check


def _refusal(data: bytes, record: Instalment, mandate: Mandate, rings: Rings, index: int) -> str:
    key = rings.at(index).find(record.key)
    if key is None:
        return f"instalment {record.number} of {mandate.id} is signed by a key that the log does not name"
    try:
        read_document(data, record, mandate, key.public)
    except SettleError as problem:
        return str(problem)
    return ""
