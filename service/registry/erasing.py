"""Erase a person's data, and list the files that Settle wrote about the person."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.registry import payees, personal, quarantine, tables
from service.registry.people import list_payees
from service.statements.writing import safe

if TYPE_CHECKING:
    from service.workspace import Workspace

_DATABASE: Final = re.compile(r"\.db(-wal|-shm)?\Z|\.parquet\Z")
"""Where the program itself erases; and segments, which hold no names."""


def erase(ws: Workspace, party: str) -> dict[str, Any]:
    """Erase a person's names, credits, accounts and reasons; proofs stay valid.

    Written files are not deleted, because those sent to a bank are accounting records; `files` lists them.
    """
    view = ws.registry.view()
    view.party(party)
    with ws.log.store.reading() as connection:
        fields_by_id = personal.load(connection)
    name = fields_by_id["party", party][1].get("name") if ("party", party) in fields_by_id else None
    credited = [key for key, (_, fields) in fields_by_id.items() if name is not None and fields.get("artist") == name]
    reasons = [("dispute", dispute.id) for dispute in view.disputes.values() if dispute.claimant == party]
    spellings = {text for payee in list_payees(ws, party) for text in (payee.account, payee.holder) if text}
    with ws.log.projection() as connection:
        tables.ensure(connection)
        forgotten = personal.erase(connection, [("party", party), *credited, *reasons])
        accounts = payees.erase(connection, view, party)
        rows = quarantine.forget(connection, party)
    ws.log.store.scrub()
    files = _files_about(ws.home, party, filter(None, (name, *spellings)))
    return {"party": party, "personal": forgotten, "accounts": accounts, "quarantined": rows, "files": files}


def _files_about(home: Path, party: str, texts: Iterable[str]) -> list[str]:
    """Return the files of a workspace that are named after a party or contain one of these texts; no databases."""
    needles = [text.encode() for text in texts]
    named = re.compile(rf"(?<![\w-]){re.escape(safe(party))}(?![\w-])")
    files = (path for path in sorted(home.rglob("*")) if path.is_file() and not _DATABASE.search(path.name))
    return [
        str(path.relative_to(home))
        for path in files
        if named.search(path.name) or any(needle in path.read_bytes() for needle in needles)
    ]
