"""The exit code of commands that read rows: 5 where too few of them were accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cli.exits import EXIT_CODES, OK
from cli.shell import say
from ledger.errors import ConflictError, InputError
from ledger.units import share

Allowance = Callable[[int], int]
"""How many of so many rows may be quarantined."""


class RowCounts(Protocol):
    """read = accepted + duplicates + conflicts + quarantined."""

    @property
    def read(self) -> int: ...
    @property
    def accepted(self) -> int: ...
    @property
    def duplicates(self) -> int: ...
    @property
    def conflicts(self) -> int: ...
    @property
    def quarantined(self) -> int: ...


def quarantine_allowance(text: str = "") -> Allowance:
    """Return how many rows may be quarantined without exit code 5: by default ten or 1 %, whichever is more."""
    if not text:
        return lambda rows: max(10, rows // 100)
    if text.isdecimal() and text.isascii():
        return lambda rows: int(text)  # noqa: ARG005  the same of any number
    part = share(text)
    if part is None or part > 1:
        raise InputError(f"--max-quarantine {text!r}: expected a number of rows, or a share such as 5%")
    return lambda rows: int(rows * part)


def rows_code(counts: RowCounts, *, conflicts: str, allowance: Allowance) -> int:
    """Say why rows were not accepted, and return the exit code; `conflicts` are described by the command."""
    if counts.conflicts:
        say(f"settle: {conflicts}")
        return EXIT_CODES[ConflictError]
    if counts.quarantined > (allowed := allowance(counts.read)):
        say(f"settle: {counts.quarantined:,} rows in quarantine are more than the {allowed:,} that are allowed")
        return EXIT_CODES[ConflictError]
    return replay_code(counts)


def replay_code(counts: RowCounts) -> int:
    """Return the exit code of rows that waited already: 5 only if none was accepted, for the others wait on."""
    if counts.read and not counts.accepted + counts.duplicates:
        say("settle: no row was accepted")
        return EXIT_CODES[ConflictError]
    return OK
