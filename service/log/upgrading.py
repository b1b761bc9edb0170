"""`settle db upgrade`: upgrade a workspace of release 0.1 to 0.2; this cannot be undone.

One transaction makes two changes: the operator draws the line of form 2 in the log, and the schema's version rises, so
that no program of release 0.1 appends a leaf of the old form after it. A crash leaves both or neither. trust.json is
written afterwards; after a crash in between, the next call writes it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from ledger.errors import ConflictError, StateError
from ledger.files import make_folder, write_whole
from ledger.log.append import batch_of
from ledger.proofs import form
from ledger.types import Head
from service.log import keys
from service.workspace import TRUST, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """The changes of the upgrade in words, and the entry from which the rules of form 2 hold.

    No changes: it was done before.
    """

    origin: str
    line: int
    size: int
    backup: str | None
    changes: list[str]


def is_due(ws: Workspace) -> bool:
    """Return whether release 0.1 can still append to this log, or the operator has drawn no line in it."""
    with ws.log.store.reading() as connection:
        return ws.log.store.opens_in_0_1(connection) or _line(ws) is None


def upgrade(ws: Workspace, *, backup: bool = True) -> Upgraded:
    """Draw the line of form 2, and close the database to release 0.1. A repetition changes nothing."""
    log, changes, copy = ws.log, list[str](), None
    if is_due(ws):
        if backup:
            copy = _back_up(ws)
            changes.append(f"copied the database, the anchor and trust.json as they were to {copy}")
        drew = _draw(ws)
        if drew:
            changes.append(f"entry {_line(ws)}: from here on signed leaves name their log, and old ones are void")
        changes.append("the database: programs of release 0.1 refuse to open it")
    line, trusted = _line(ws), ws.trust.log(log.origin)
    if line is None:
        raise StateError(f"log {log.origin} has no line of form 2; run settle db upgrade again")
    if trusted is None or trusted.form != line:
        keys.publish(ws, keys.ring(ws))
        ws.reopen()
        changes.append(f"{TRUST}: names entry {line} as the first of form 2; publish it again")
    return Upgraded(
        origin=log.origin,
        line=line,
        size=ws.log.head().size,
        backup=None if copy is None else str(copy),
        changes=changes,
    )


def _line(ws: Workspace) -> int | None:
    drawn = keys.ring(ws).line
    return None if drawn is None else drawn.index


def _draw(ws: Workspace) -> bool:
    """Draw the line, if it is missing, and raise the schema's version, together; return whether the line was drawn."""
    log = ws.log

    def shut(tx: Connection, head: Head) -> None:
        if head.size != at.size:
            raise ConflictError(f"log {log.origin} moved meanwhile")
        if log.store.opens_in_0_1(tx):
            log.store.shut_to_0_1(tx)

    while _line(ws) is None:
        at = log.head()
        with suppress(ConflictError):  # another writer was faster: the leaf states the tree just before it
            log.commit(batch_of([form.draw(ws.clock(), at, ws.signer("operator"))]), shut)
            return True
    with log.store.writing() as tx:
        log.store.shut_to_0_1(tx)
    return False


def _back_up(ws: Workspace) -> Path:
    """Copy everything that the upgrade changes into a folder named by the size of the log."""
    folder = ws.home / f"before-upgrade-{ws.log.head().size}"
    make_folder(folder)
    anchored = ws.log.anchor.read()  # before the database, which may only be ahead of it
    ws.log.store.back_up(folder)
    if anchored is not None:
        write_whole(folder / "settle.anchor", anchored)
    write_whole(folder / TRUST, (ws.home / TRUST).read_bytes())
    return folder
