"""Erase a listener: delete the salts that link the person to the commitments in the log.

Rows in quarantine and conflicts hold what a platform sent, listener included; there the id itself is
struck out. What was struck out is not needed to append the row later: a listener is optional.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, select, update
from sqlmodel import col

from ledger.errors import InputError
from ledger.ingest.ndjson import parse_json
from ledger.ingest.quarantine import row_digest
from ledger.ingest.rows import as_line
from ledger.log.store.schema import QuarantineRow, SaltRow
from ledger.log.store.store import Store
from ledger.lookalikes import skeleton

_STRUCK: Final = "[erased]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """The number of periods whose salt was deleted, and of quarantined rows from which the listener was removed."""

    source: str
    salts: int
    rows: int


def erase(store: Store, source: str, listener: str) -> Erased:
    """Erase this listener of this source; a repetition changes nothing."""
    with store.writing() as tx:
        salted = select(col(SaltRow.source)).where(col(SaltRow.listener) == listener).distinct()
        spelled = [name for name in tx.execute(salted).scalars() if _is_named(name, source)]
        gone = tx.execute(delete(SaltRow).where(col(SaltRow.source).in_(spelled), col(SaltRow.listener) == listener))
        rows = 0
        columns = (col(QuarantineRow.id), col(QuarantineRow.raw), col(QuarantineRow.reason))
        for number, raw, reason in tx.execute(select(*columns)).all():
            if (struck := strike(bytes(raw), reason, source, listener)) is not None:
                tx.execute(
                    update(QuarantineRow)
                    .where(col(QuarantineRow.id) == number)
                    .values(
                        raw=struck.raw,
                        reason=struck.reason,
                        digest=row_digest(f"{number} erased ".encode() + struck.raw),
                    )
                )
                rows += 1
    store.scrub()
    return Erased(source=source, salts=gone.rowcount, rows=rows)


class StruckRow(NamedTuple):
    """A quarantined row and its reason, without the listener."""

    raw: bytes
    reason: str


def strike(raw: bytes, reason: str, source: str, listener: str) -> StruckRow | None:
    """Return the row and its reason without the listener's id; None if neither contains it.

    A readable row of another source is not changed: there the same id is another person.
    """
    pattern = _pattern(listener)
    try:
        document = parse_json(raw)
    except InputError:
        struck = re.sub(pattern.encode(), _STRUCK.encode(), raw)
    else:
        if not _is_of(document, source):
            return None
        without = _struck(document, listener, pattern)
        struck = raw if without == document else as_line(without)
    reworded = re.sub(pattern, _STRUCK, reason)
    return None if (struck, reworded) == (raw, reason) else StruckRow(struck, reworded)


def _is_of(document: Any, source: str) -> bool:
    named = document.get("source") if isinstance(document, dict) else None
    return not isinstance(named, str) or _is_named(named, source)


def _is_named(name: str, source: str) -> bool:
    """Return whether a row, refused because of how its source is spelled, belongs to this source."""
    return skeleton(name.strip(), fold=True) == skeleton(source, fold=True)


def _struck(value: Any, listener: str, pattern: str) -> Any:
    """Return the value without the listener's field, and with the id removed from every text."""
    match value:
        case dict():
            fields = {key: item for key, item in value.items() if (key, item) != ("listener", listener)}
            return {re.sub(pattern, _STRUCK, key): _struck(item, listener, pattern) for key, item in fields.items()}
        case list():
            return [_struck(item, listener, pattern) for item in value]
        case str():
            return re.sub(pattern, _STRUCK, value)
    return value


def _pattern(listener: str) -> str:
    """Return the pattern that matches the id as a whole word, in every JSON spelling."""
    spellings = {listener, json.dumps(listener)[1:-1], json.dumps(listener, ensure_ascii=False)[1:-1]}
    return "|".join(rf"(?<![\w-]){re.escape(spelling)}(?![\w-])" for spelling in sorted(spellings))
