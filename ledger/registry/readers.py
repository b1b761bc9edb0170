"""Read registry files into rows with file and line; one protocol for all formats.

A reader yields every row, valid or not; a file that it cannot read at all is an InputError. Values are JSON types; with
`from_text` (CSV) all are texts, with `|` between the items of a list.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from ledger.errors import InputError
from ledger.registry.rows import LISTS
from ledger.tabular import ASSUMED, Lettering, fields_of, renaming, separator

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell starts that a spreadsheet would run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """One row as read: its list, its place, its content."""

    list: str
    file: str
    line: int
    value: Any
    from_text: bool = False

    @property
    def raw(self) -> bytes:
        """Return the row as a registry document, for another import."""
        return json.dumps({self.list: [self.value]}, ensure_ascii=False, sort_keys=True).encode()


class Reader(Protocol):
    """Reads files of one format into rows."""

    def accepts(self, path: Path) -> bool:
        """Return whether the file's name fits this format."""
        ...

    def rows(self, path: Path) -> Iterator[RawRow]:
        """Yield every row of the file."""
        ...


class JsonReader:
    """The registry document: one JSON object of lists. `line` is the row's number within its list."""

    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() == ".json"

    def rows(self, path: Path) -> Iterator[RawRow]:
        try:
            document = json.loads(path.read_bytes(), object_pairs_hook=unrepeated, parse_constant=_refused)
        except (ValueError, RecursionError) as problem:
            raise InputError(f"{path}: not JSON: {problem}") from None
        if not isinstance(document, dict) or not all(isinstance(rows, list) for rows in document.values()):
            raise InputError(f"{path}: expected an object of lists: {', '.join(LISTS)}")
        if unknown := sorted(set(document) - set(LISTS)):
            raise InputError(f"{path}: unknown list {unknown[0]!r}; known are {', '.join(LISTS)}")
        for name, rows in document.items():
            for number, value in enumerate(rows, 1):
                yield RawRow(list=name, file=str(path), line=number, value=value)


def unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object without repeated keys: of two values, readers of the file could take either (finding L3)."""
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return values


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReader:
    """One list as CSV or TSV, in the forms that common programs write. `line` is the line of the file.

    `list` says which list it is, else the file's name does (`shares.csv`). `renamed` maps its columns to our fields. An
    empty cell is absent.
    """

    assumed: list[str] = field(default_factory=list)
    """What was assumed of the files, a sentence each, to tell whoever hands them in."""
    list: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)

    def accepts(self, path: Path) -> bool:
        return path.suffix.lower() in (".csv", ".tsv", ".txt")

    def rows(self, path: Path) -> Iterator[RawRow]:
        name = self.list or path.stem.lower()
        if name not in LISTS:
            raise InputError(
                f"{path}: a table is named after its list, such as shares.csv, or --list says which it is: "
                f"{', '.join(LISTS)}"
            )
        lists = list_columns(name)
        for line, record in _records(path, name, self.renamed, self.assumed):
            value: dict[str, Any] = {
                column: cell.split("|") if column in lists else cell for column, cell in record.items()
            }
            yield RawRow(list=name, file=str(path), line=line, value=value, from_text=True)


def table_reader(name: str, pairs: Sequence[str]) -> TableReader:
    """Return the reader of tables of a list ("": the file's name says which); the pairs are COLUMN=FIELD."""
    if name and name not in LISTS:
        raise InputError(f"list {name!r}: expected one of {', '.join(LISTS)}")
    lists = (name,) if name else tuple(LISTS)
    fields = dict.fromkeys(field for list_name in lists for field in table_fields(list_name))
    return TableReader(list=name, renamed=renaming(pairs, tuple(fields)))


PERCENT: Final = "percent"
"""A column of tables alone: a share by its number of percent, with or without the sign. It is read as `ppm`."""


def table_fields(name: str) -> tuple[str, ...]:
    """Return the fields that the columns of a list's table may have."""
    own = tuple(columns(name))
    return (*own, PERCENT) if "ppm" in own else own


def _records(
    path: Path, name: str, renamed: Mapping[str, str], assumed: list[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a table with their lines, by field; InputError for a table that cannot be read."""
    text = _text(path, assumed)
    header, _, _ = text.lstrip("\r\n").partition("\n")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator(header))
    named: Sequence[str] | None = None
    meaning: list[str | None] = []
    while True:
        try:
            row = [unquoted(cell.strip()) for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as problem:
            raise InputError(f"{path}: line {reader.line_num}: not CSV: {problem}") from None
        if not any(row):
            continue
        if named is None:
            named = row
            meaning = fields_of(named, table_fields(name), renamed, str(path))
            _check_required(path, name, meaning)
            continue
        record = {column: cell for column, cell in zip(meaning, row, strict=False) if cell and column is not None}
        # A row with more cells than columns is misaligned: the extra cells are stored with the rejected row.
        record |= {f"(cell {n} beyond the header)": cell for n, cell in enumerate(row[len(named) :], len(named) + 1)}
        record |= {
            f"(cell {n}, whose column has no name)": cell
            for n, (column, cell) in enumerate(zip(named, row, strict=False), 1)
            if cell and not column
        }
        if (part := record.pop(PERCENT, None)) is not None:
            record["ppm"] = part if part.endswith("%") or "/" in part else f"{part}%"
        yield reader.line_num, record


def _check_required(path: Path, name: str, meaning: Sequence[str | None]) -> None:
    fields = {"ppm" if column == PERCENT else column for column in meaning}
    if len(fields) < len(set(meaning)):
        raise InputError(f"{path}: ppm and {PERCENT} say the same; expected one of them")
    required = [item.encode_name for item in msgspec.structs.fields(LISTS[name]) if item.required]
    if missing := [column for column in required if column not in fields]:
        raise InputError(
            f"{path}: no column for {', '.join(missing)}, which every row of {name} needs; say which it is with "
            f"--map COLUMN={missing[0]}"
        )


def _text(path: Path, assumed: list[str]) -> str:
    """Decode a table: UTF-8 with or without a byte order mark, UTF-16 with one, or Windows-1252."""
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as problem:
            raise InputError(f"{path}: not UTF-16 as its first bytes say: {problem}") from None
    if data.startswith(b"PK\x03\x04"):
        raise InputError(f"{path} is a workbook or a zip archive: save the sheet as CSV first")
    lettering = Lettering()
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    lettering.learn(lines)
    if lettering.is_windows:
        assumed.append(f"{path}: {ASSUMED}")
    texts = []
    for number, line in enumerate(lines, 1):
        try:
            texts.append(lettering.text(line))
        except InputError as problem:
            raise InputError(f"{path}: line {number}: {problem}") from None
    return "\n".join(texts)


def unquoted(cell: str) -> str:
    """Return a cell without the quote that kept a spreadsheet from running it as a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


READERS: Final[tuple[Reader, ...]] = (JsonReader(), TableReader())


def read(path: Path, readers: Sequence[Reader] = READERS) -> Iterator[RawRow]:
    """Yield the rows of a file, by the first reader that accepts it."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    for reader in readers:
        if reader.accepts(path):
            return reader.rows(path)
    advice = ": save the sheet as CSV first" if path.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
    raise InputError(f"{path}: expected a .json registry document, or a .csv or .tsv table of one list{advice}")


def columns(name: str) -> Mapping[str, Any]:
    """Return the columns of a list, by their names in files, with their types."""
    row = LISTS[name]
    return {field.encode_name: field.type for field in msgspec.structs.fields(row)}


def list_columns(name: str) -> frozenset[str]:
    """Return the columns that hold several items."""
    return frozenset(column for column, kind in columns(name).items() if "tuple" in str(kind))
