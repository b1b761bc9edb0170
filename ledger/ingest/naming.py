"""Map the field names of a platform's rows: rename mapped fields, leave out unknown ones, refuse typing errors.

An unknown field is left out, counted and reported. One that looks like a misspelt field is refused instead: its value
would be missing from the event, and nobody would notice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from ledger import tabular
from ledger.errors import InputError
from ledger.ingest.checks import FIELDS, REQUIRED
from ledger.tabular import LEFT_OUT


@dataclass(slots=True, kw_only=True)
class Naming:
    """How one file's fields are read.

    `ignored` counts, for each unknown field, the rows in which it was left out. `is_windows`: whether the file is a
    table that was assumed to be in Windows-1252.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    ignored: Counter[str] = field(default_factory=Counter)
    is_windows: bool = False

    def record(self, document: Any) -> Any:
        """Return a row with the fields of an event; InputError names an unknown field that may not be left out."""
        if not isinstance(document, dict) or FIELDS_SET.issuperset(document):
            return document
        fields: dict[str, Any] = {}
        unknown = []
        for name, value in document.items():
            field = self.renamed.get(name, name)
            if field == LEFT_OUT:
                unknown.append(name)
            elif field not in FIELDS_SET:
                self.refuse(field)
                unknown.append(field)
            elif field in fields or (field != name and field in document):
                raise InputError(f"{field!r} occurs twice, once as {name!r}")
            else:
                fields[field] = value
        self.ignored.update(unknown)
        return fields

    def columns(self, columns: Sequence[str], name: str) -> list[str | None]:
        """Return the event field of each column, None for a column that is left out.

        Refuses a table without a required column before its first row is read.
        """
        fields = [self.renamed.get(column, _spelled(column)) for column in columns]
        if missing := [column for column in REQUIRED if column not in fields]:
            raise InputError(f"{name}: missing column {', '.join(missing)}; it has {', '.join(columns)}")
        for column in fields:
            if column not in FIELDS_SET and column != LEFT_OUT:
                try:
                    self.refuse(column)
                except InputError as problem:
                    raise InputError(f"{name}: {problem}") from None
        named = [column for column in fields if column != LEFT_OUT]
        if len(set(named)) != len(named):
            twice = next(column for column in named if named.count(column) > 1)
            raise InputError(f"{name}: column {twice!r} occurs twice")
        return [column if column in FIELDS_SET else None for column in fields]

    def refuse(self, name: str) -> None:
        """Raise InputError for an unknown field that looks like a known one, or for every unknown field if `strict`."""
        if (near := nearest(name)) is not None:
            raise InputError(f"unknown field {name!r}, which looks like {near!r}; known are {', '.join(FIELDS)}")
        if self.strict:
            raise InputError(f"unknown field {name!r}; known are {', '.join(FIELDS)}")


def _spelled(column: str) -> str:
    """Return the field that a column names in another spelling (`Event ID`), else the column's name unchanged."""
    field = tabular.spelled(column)
    return field if field in FIELDS_SET else column


FIELDS_SET: Final = frozenset(FIELDS)


def renaming(pairs: Iterable[str]) -> dict[str, str]:
    """Parse `THEIRS=OURS` from a command line; InputError if OURS is not a field of an event."""
    return tabular.renaming(pairs, FIELDS)


@lru_cache(maxsize=1024)
def nearest(name: str) -> str | None:
    """Return the known field that this name resembles, or None."""
    return tabular.nearest(name, FIELDS)
