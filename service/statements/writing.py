"""Write statements to files: one party's in a format, or all parties' to a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import InputError
from ledger.files import write_whole
from ledger.ingest.receipts import NAME_MAX
from payouts.statements import pdf as statement_pdf
from payouts.statements import text as statement_text
from payouts.statements.statement import Statement
from service.settlement.usage import Progress
from service.statements.statements import state_all

if TYPE_CHECKING:
    from service.workspace import Workspace

FORMATS = ("json", "csv", "html", "pdf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The statements of a period in a folder, one file a party."""

    period: str
    folder: str
    statements: int
    nil: int


def rendered(found: Statement, form: str) -> bytes:
    """Return a statement in one of the file formats."""
    if form == "json":
        return (json.dumps(dataclasses.asdict(found), ensure_ascii=False, indent=2) + "\n").encode()
    if form == "csv":
        return statement_text.as_csv(found)
    if form == "html":
        return statement_text.as_html(found).encode()
    if form == "pdf":
        return statement_pdf.as_pdf(found)
    raise InputError(f"format {form!r}: expected one of {', '.join(FORMATS)}")


def write_all(ws: Workspace, period: str, folder: Path, form: str, *, on_progress: Progress = None) -> Written:
    """Write everybody's statement; a repetition writes the same files."""
    if form not in FORMATS:
        raise InputError(f"format {form!r}: expected one of {', '.join(FORMATS)}")
    count = nil = 0
    for statement in state_all(ws, period):
        write_whole(folder / f"{period}-{safe(statement.party)}.{form}", rendered(statement, form), mode=0o600)
        count += 1
        nil += statement.nil
        if on_progress is not None:
            on_progress(count, None)
    return Written(period=period, folder=str(folder), statements=count, nil=nil)


def safe(party: str) -> str:
    """Return a party id as part of a file name: characters that could leave the folder or confuse a shell are escaped.

    A longer name than file systems allow is replaced by its SHA-256, so that one id never stops the others (F2).
    """
    name = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_") else f"~{ord(letter):x}~"
        for letter in party
    )
    return name if len(name) <= NAME_MAX else f"sha256-{hashlib.sha256(party.encode()).hexdigest()}"
