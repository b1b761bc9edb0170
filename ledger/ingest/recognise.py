"""Decide whether a file contains events: bad rows go to quarantine, but a file without any event is refused.

Otherwise a person who hands in the wrong file would see no error, and find all of its lines in quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from ledger.errors import InputError
from ledger.ingest.checks import REQUIRED
from ledger.ingest.rows import RowRefusal, Rows

Reader = Callable[[BinaryIO, str], Iterator[Rows]]

ROWS_MAX: Final = 100_000
"""Rows held back while none of them is an event; whoever has sent so many will not send one any more."""
ENOUGH: Final = len(REQUIRED) // 2
"""A row that names so many of an event's fields is meant as one, however damaged it is."""
_NAMES: Final = tuple(f'"{name}"'.encode() for name in REQUIRED)

_OTHERS: Final = {
    b'"sources"': "declared vectors: settle attribute --declared",
    b'"recordings"': "a registry document: settle registry import",
    b'"parties"': "a registry document: settle registry import",
}
"""Names that a file of something else holds, and where it is handed in."""
_LOOKED_AT: Final = 1000
"""Rows, which here are lines, in which such a name is looked for."""


def of_events(read: Reader) -> Reader:
    """Return a reader that yields nothing before the first event; InputError if there is no event."""

    def recognised(file: BinaryIO, name: str) -> Iterator[Rows]:
        batches = read(file, name)
        blocks: list[Rows] = []
        count = 0
        for rows in batches:
            blocks.append(rows)
            if rows.events or any(map(_meant, rows.refused)):
                yield from blocks
                yield from batches
                return
            count += len(rows.refused)
            if count > ROWS_MAX:
                break
        if count:
            refused = [refusal for rows in blocks for refusal in rows.refused]
            raise InputError(_another(name, refused) or _no_events(name, count, refused[0]))

    return recognised


def _meant(row: RowRefusal) -> bool:
    return row.raw.lstrip().startswith(b"{") and sum(name in row.raw for name in _NAMES) >= ENOUGH


def _another(name: str, refused: list[RowRefusal]) -> str:
    """Return what the file is instead, if another command accepts it."""
    text = b"\n".join(refusal.raw for refusal in refused[:_LOOKED_AT])
    for key, what in _OTHERS.items():
        if key in text:
            return f"{name} is no file of stream events; it looks like {what} {name}. Nothing was written."
    return ""


def _no_events(name: str, count: int, first: RowRefusal) -> str:
    seen = f"none of its {count:,} rows is" if count > 1 else "its only row is not"
    return (
        f"{name} is no file of stream events: {seen} one (line {first.line}: {first.reason}). Expected one JSON object "
        f"a line with {', '.join(REQUIRED)}, or a CSV or Parquet file with these columns, named so or with --format; "
        "`settle template events` prints an example. Nothing was written."
    )
