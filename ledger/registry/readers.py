"""Readers: from a file to rows with their places. One protocol, so that industry formats plug in as they come.

A reader yields every row, good or bad; a file it cannot read at all is an InputError. Values are JSON
types, or all texts when `from_text` says so (CSV), with `|` between the items of a list.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from ledger.errors import InputError
from ledger.registry.rows import LISTS

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell starts that a spreadsheet would run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """One row as it was read: which list, where it stood, what it said."""

    list: str
    file: str
    line: int
    value: Any
    from_text: bool = False

    @property
    def raw(self) -> bytes:
        """The row as it can be handed in again: one JSON document with one list of one row."""
        return json.dumps({self.list: [self.value]}, ensure_ascii=False, sort_keys=True).encode()


class Reader(Protocol):
    """Turns a file of one format into rows."""

    def accepts(self, path: Path) -> bool:
        """Whether this file looks like its format, by name."""
        ...

    def rows(self, path: Path) -> Iterator[RawRow]:
        """Every row of the file."""
        ...


class JsonReader:
    """The registry document: one JSON object of lists. `line` is the row's number within its list."""

    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() == ".json"

    def rows(self, path: Path) -> Iterator[RawRow]:
        try:
            document = json.loads(path.read_bytes(), object_pairs_hook=_once, parse_constant=_refused)
        except (ValueError, RecursionError) as problem:
            raise InputError(f"{path}: not JSON: {problem}") from None
        if not isinstance(document, dict) or not all(isinstance(rows, list) for rows in document.values()):
            raise InputError(f"{path}: expected an object of lists: {', '.join(LISTS)}")
        if unknown := sorted(set(document) - set(LISTS)):
            raise InputError(f"{path}: unknown list {unknown[0]!r}; known are {', '.join(LISTS)}")
        for name, rows in document.items():
            for number, value in enumerate(rows, 1):
                yield RawRow(list=name, file=str(path), line=number, value=value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object that says each thing once: of two, readers of the file would believe one each (finding L3)."""
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return values


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number")


class CsvReader:
    """One list, in a file named after it (`shares.csv`). `line` is the line of the file; an empty cell is absent."""

    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() == ".csv"

    def rows(self, path: Path) -> Iterator[RawRow]:
        name = path.stem.lower()
        if name not in LISTS:
            raise InputError(
                f"{path}: a CSV is named after its list: {', '.join(f'{list_name}.csv' for list_name in LISTS)}"
            )
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as problem:
            raise InputError(f"{path}: not UTF-8: {problem}") from None
        lists = list_columns(name)
        reader = csv.DictReader(io.StringIO(text, newline=""))
        for record in reader:
            value: dict[str, Any] = {}
            for column, cell in record.items():
                if column is None or cell is None:
                    value[column or "(cells beyond the header)"] = cell
                elif text := _unquoted(cell.strip()):
                    value[column.strip()] = text.split("|") if column.strip() in lists else text
            yield RawRow(list=name, file=str(path), line=reader.line_num, value=value, from_text=True)


def _unquoted(cell: str) -> str:
    """A cell without the quote that kept a spreadsheet from taking it for a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


READERS: Final[tuple[Reader, ...]] = (JsonReader(), CsvReader())


def read(path: Path) -> Iterator[RawRow]:
    """The rows of a file, by whichever reader accepts it."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    for reader in READERS:
        if reader.accepts(path):
            return reader.rows(path)
    raise InputError(f"{path}: expected a .json registry document or a .csv named after its list")


def columns(name: str) -> Mapping[str, Any]:
    """The columns of a list, by the names they have in files, with their types."""
    row = LISTS[name]
    return {field.encode_name: field.type for field in msgspec.structs.fields(row)}


def list_columns(name: str) -> frozenset[str]:
    """The columns that hold several items."""
    return frozenset(column for column, kind in columns(name).items() if "tuple" in str(kind))
