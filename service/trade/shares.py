"""What other attribution services answer: one row for each source of a track, as a table or as JSON, both ways.

Pure. A row says `track`, `source` and its `share` (12.5%, 1/8) or `ppm`, and may say `aspect`. Every other column is
mapped or refused, since it may be the one that says what a share is of.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ledger import units
from ledger.errors import InputError
from ledger.registry.readers import FORMULA, unquoted, unrepeated
from ledger.tabular import Lettering, fields_of, separator
from ledger.types import ASPECTS, MILLION, InfluenceVector

FIELDS: Final = ("track", "source", "aspect", "share", "ppm")
_TEXTS: Final = frozenset({"track", "source", "aspect"})
WRITTEN: Final = ("track", "source", "aspect", "ppm")
_SOURCE: Final = {"recording": "recording", "composition": "recording", "style": "style"}
"""By aspect, what a source of it is; a composition is named by a recording that plays it."""


def read(data: bytes, name: str, renamed: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the declared vectors that a service's results come to, one for each track, in the order of the tracks."""
    is_json = data.lstrip()[:1] in (b"[", b"{")
    rows = _json_rows(data, name, renamed) if is_json else _table_rows(data, name, renamed)
    vectors: dict[str, dict[str, Any]] = {}
    for line, row in rows:
        try:
            track, source = _declared(row)
        except InputError as problem:
            raise InputError(f"{name}: {line}: {problem}; nothing was taken") from None
        vectors.setdefault(track, {"track": track, "sources": []})["sources"].append(source)
    if not vectors:
        raise InputError(f"{name} holds no result; expected rows with {', '.join(FIELDS)}")
    return list(vectors.values())


def _declared(row: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """A row's track, and its source as a declared vector says it."""
    if missing := [column for column in ("track", "source") if not row.get(column)]:
        raise InputError(f"missing {', '.join(missing)}")
    if bool(row.get("share")) == bool(row.get("ppm")):
        raise InputError("expected a share, such as 12.5%, or ppm, such as 125000: one of them")
    aspect = row.get("aspect") or "recording"
    if aspect not in ASPECTS:
        raise InputError(f"aspect {aspect!r}: expected one of {', '.join(ASPECTS)}")
    # A bare 12 could be percent or millionths, so that a share has its sign.
    ppm = units.percentage(row["share"]) if row.get("share") else units.ppm(row["ppm"], "ppm")
    if not 0 < ppm <= MILLION:
        raise InputError(f"{row.get('share') or row['ppm']}: expected more than nothing and at most the whole")
    return row["track"], {_SOURCE[aspect]: row["source"], "aspect": aspect, "ppm": ppm}


def _table_rows(data: bytes, name: str, renamed: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    lettering = Lettering()
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    lettering.learn(lines)
    try:
        text = "\n".join(map(lettering.text, lines))
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator(text.partition("\n")[0]))
        rows = [[unquoted(cell.strip()) for cell in row] for row in reader]
    except (InputError, csv.Error) as problem:
        raise InputError(f"{name}: {problem}") from None
    meaning = fields_of(rows[0] if rows else [], FIELDS, renamed, name)
    for number, row in enumerate(rows[1:], 2):
        if len(row) > len(meaning):
            raise InputError(f"{name}: row {number}: {len(row)} cells, the header has {len(meaning)}")
        if any(row):
            yield f"row {number}", {field: cell for field, cell in zip(meaning, row, strict=False) if field}


def _json_rows(data: bytes, name: str, renamed: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        rows = json.loads(data, object_pairs_hook=unrepeated)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{name}: not JSON: {problem}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{name}: expected a list of objects with {', '.join(FIELDS)}")
    for number, row in enumerate(rows, 1):
        used = {column: field for column, field in renamed.items() if column in row}
        meaning = fields_of(list(row), FIELDS, used, f"{name}: object {number}")
        fields = {
            field: value for field, value in zip(meaning, row.values(), strict=True) if field and value is not None
        }
        for field in fields.keys() & _TEXTS:
            if not isinstance(fields[field], str):  # 1 and "1" and 1.0 would be the same id, or three
                raise InputError(f"{name}: object {number}: {field} {fields[field]!r}: expected a text in quotes")
        yield f"object {number}", {field: str(value) for field, value in fields.items()}


def as_csv(vectors: Sequence[InfluenceVector]) -> str:
    """The same table of vectors of ours; what an aspect leaves unattributed is no row."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(WRITTEN)
    for vector in vectors:
        for aspect in ASPECTS:
            for source in vector.aspect(aspect).sources:
                writer.writerow([*map(_cell, (vector.track, source.id, aspect)), source.ppm])
    return out.getvalue()


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; the readers take the quote off again."""
    return f"'{text}" if text.startswith(FORMULA) else text
