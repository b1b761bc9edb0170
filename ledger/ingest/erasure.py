"""Erasing a listener: the salts go, and with them the tie between a person and the commitments in the log.

Rows in quarantine and conflicts hold what a platform sent, listener included; there the id itself is
struck out. What was struck out is not needed to append the row later: a listener is optional.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlmodel import col

from ledger.errors import InputError
from ledger.ingest.ndjson import parse_json
from ledger.ingest.quarantine import row_digest
from ledger.ingest.rows import as_line
from ledger.log.store.schema import QuarantineRow, SaltRow
from ledger.log.store.store import Store

_STRUCK: Final = b"[erased]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many periods' salts and how many quarantined rows forgot the listener."""

    source: str
    salts: int
    rows: int


def erase(store: Store, source: str, listener: str) -> Erased:
    """Forget this listener of this source; doing it again changes nothing."""
    with store.writing() as tx:
        gone = tx.execute(delete(SaltRow).where(col(SaltRow.source) == source, col(SaltRow.listener) == listener))
        rows = 0
        for number, raw in tx.execute(select(col(QuarantineRow.id), col(QuarantineRow.raw))).all():
            struck = strike(bytes(raw), source, listener)
            if struck is not None:
                tx.execute(
                    update(QuarantineRow)
                    .where(col(QuarantineRow.id) == number)
                    .values(raw=struck, digest=row_digest(f"{number} erased ".encode() + struck))
                )
                rows += 1
    store.scrub()
    return Erased(source=source, salts=gone.rowcount, rows=rows)


def strike(raw: bytes, source: str, listener: str) -> bytes | None:
    """The row without the listener; None if it does not speak of them."""
    try:
        document = parse_json(raw)
    except InputError:
        return _strike_bytes(raw, listener)
    if not isinstance(document, dict) or document.get("source") not in (None, source):
        return None
    return as_line(_without(document)) if document.get("listener") == listener else None


def _without(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "listener"}


def _strike_bytes(raw: bytes, listener: str) -> bytes | None:
    """In a row nobody could read, every whole-word occurrence of the id, however it is spelled."""
    spellings = {
        listener.encode(),
        json.dumps(listener)[1:-1].encode(),
        json.dumps(listener, ensure_ascii=False)[1:-1].encode(),
    }
    pattern = b"|".join(rb"(?<![\w-])%b(?![\w-])" % re.escape(spelling) for spelling in sorted(spellings))
    struck, count = re.subn(pattern, _STRUCK, raw)
    return struck if count else None
