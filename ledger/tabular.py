"""Read tables as spreadsheets write them: detect separator and encoding, map columns to fields.

Excel separates cells by `;` where the decimal sign is a comma, writes Windows-1252 by default, and its users name
columns freely.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ledger.errors import InputError

SEPARATORS: Final = (",", ";", "\t")
LEFT_OUT: Final = ""
"""What a column is mapped to that shall not be read: `--map NOTES=`."""
ASSUMED: Final = "not UTF-8, so it was read as Windows-1252; compare its accented letters"
"""What to tell of a file whose `Lettering.is_windows`."""
SLIP: Final = 2
"""Letters added, dropped, changed or swapped: so few make another word of a known name."""

_QUOTED: Final = re.compile(r'"[^"]*"')
_BLANKS: Final = re.compile(r"[\s\-]+")


def separator(header: str) -> str:
    """Returns what separates the cells of a table, by its header line."""
    unquoted = _QUOTED.sub("", header)
    return max(SEPARATORS, key=unquoted.count)


def cells(line: str, sign: str) -> list[str]:
    """Split one record on one line into cells; an unclosed quote damages only its own line."""
    try:
        return next(csv.reader([line], strict=True, delimiter=sign)) if '"' in line else line.split(sign)
    except csv.Error as problem:
        raise InputError(f"not CSV: {problem}") from None


def spelled(column: str) -> str:
    """Return a column's name as a field name: `Track ID` becomes `track_id`."""
    return _BLANKS.sub("_", column.strip()).lower()


class Lettering:
    """Detects whether a file is written in UTF-8 or Windows-1252.

    A line in the other encoding than the rest of the file is refused: names in it would be wrong, and ids decide who is
    paid.
    """

    def __init__(self) -> None:
        self._is_utf8: bool | None = None

    def learn(self, lines: Iterable[bytes]) -> None:
        """Look at more lines until the encoding is clear: Windows-1252 if none of their non-ASCII letters is UTF-8."""
        if self._is_utf8 is None and (foreign := [line for line in lines if not line.isascii()]):
            self._is_utf8 = any(map(_is_utf8, foreign))

    @property
    def is_windows(self) -> bool:
        """Return whether Windows-1252 was assumed: the file does not say so, and another alphabet would be misread."""
        return self._is_utf8 is False

    def text(self, line: bytes) -> str:
        """Decode a line; InputError for a line in another encoding than its file."""
        if self._is_utf8 is False and not line.isascii():
            if _is_utf8(line):
                raise InputError("the line is UTF-8, and the lines before it are Windows-1252")
            return _windows(line)
        try:
            return line.decode()
        except UnicodeDecodeError as problem:
            raise InputError(f"not UTF-8: byte 0x{line[problem.start]:02X} at column {problem.start + 1}") from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _windows(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError as problem:
        byte = line[problem.start]
        raise InputError(f"neither UTF-8 nor Windows-1252: byte 0x{byte:02X} at column {problem.start + 1}") from None


def renaming(pairs: Iterable[str], fields: Sequence[str]) -> dict[str, str]:
    """Parse `COLUMN=FIELD`, or `COLUMN=` for a column to leave out; InputError for an unknown field."""
    renamed: dict[str, str] = {}
    for pair in pairs:
        column, equals, field = pair.rpartition("=")
        if not equals or not column or field not in (LEFT_OUT, *fields):
            raise InputError(
                f"{pair!r}: expected COLUMN=FIELD, or COLUMN= to leave it out, where FIELD is one of "
                f"{', '.join(fields)}"
            )
        if column in fields and field != LEFT_OUT:
            raise InputError(f"{pair!r}: {column!r} is a field itself")
        if column in renamed:
            raise InputError(f"{column!r} is mapped twice: to {renamed[column]} and to {field}")
        renamed[column] = field
    return renamed


def mapping_lines(text: str) -> list[str]:
    """Parse a saved mapping, one pair a line; blank lines and lines that start with # are skipped."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def fields_of(header: Sequence[str], fields: Sequence[str], renamed: Mapping[str, str], name: str) -> list[str | None]:
    """Return the field of each column of a table, None for one that is left out; InputError names unknown columns."""
    if absent := sorted(set(renamed) - set(header)):
        raise InputError(f"{name}: no column {absent[0]!r}, which is mapped; it has {', '.join(filter(None, header))}")
    meaning: list[str | None] = []
    unknown = []
    for column in header:
        field = renamed.get(column, spelled(column))
        if field in fields:
            meaning.append(field)
        else:
            meaning.append(None)
            if column not in renamed and column:
                unknown.append(column)
    if unknown:
        listed = ", ".join(map(repr, unknown))
        meant = nearest(spelled(unknown[0]), fields) or "FIELD"
        raise InputError(
            f"{name}: column {listed} not understood; known are {', '.join(fields)}. Say --map "
            f"'{unknown[0]}={meant}', or --map '{unknown[0]}=' to leave it out"
        )
    twice = [field for field in fields if meaning.count(field) > 1]
    if twice:
        raise InputError(f"{name}: column {twice[0]!r} occurs twice")
    return meaning


def nearest(name: str, fields: Iterable[str]) -> str | None:
    """Return the field that a name resembles, or None."""
    near = [(distance(name.lower(), field), field) for field in fields if abs(len(name) - len(field)) <= SLIP]
    best = min(near, default=(SLIP + 1, ""))
    return best[1] if best[0] <= SLIP else None


def distance(left: str, right: str) -> int:
    """Return how many letters must be added, dropped, changed or swapped to turn one word into the other."""
    above, row = list[int](), list(range(len(right) + 1))
    for i, letter in enumerate(left):
        previous, above, row = above, row, [i + 1]
        for j, sign in enumerate(right):
            cost = min(above[j + 1] + 1, row[j] + 1, above[j] + (letter != sign))
            if i and j and letter == right[j - 1] and left[i - 1] == sign:
                cost = min(cost, previous[j - 1] + 1)
            row.append(cost)
    return row[-1]
