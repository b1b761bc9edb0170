"""Map the field names of a platform's rows: rename mapped fields, leave out unknown ones, refuse typing errors.

A field that is left out is counted and told. One that looks like a slip of the keyboard is not: what it says would be
missing from the event, and nobody would know.
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
    """How one file's fields are read. `ignored` counts the rows in which each unknown field was left out.

    `is_windows`: whether it is a table for which Windows-1252 was assumed.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    ignored: Counter[str] = field(default_factory=Counter)
    is_windows: bool = False

    def record(self, document: Any) -> Any:
        """A row with the fields that an event has; InputError names one that may not be left out."""
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
        """A table's columns by the names of an event's fields, None for one that is left out.

        Refuses a table that lacks a column: better before the first row than at the last.
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
        """InputError for an unknown field that is meant as a known one, or for every one where `strict`."""
        if (near := nearest(name)) is not None:
            raise InputError(f"unknown field {name!r}, which looks like {near!r}; known are {', '.join(FIELDS)}")
        if self.strict:
            raise InputError(f"unknown field {name!r}; known are {', '.join(FIELDS)}")


def _spelled(column: str) -> str:
    """A column by the field that it names in other letters (`Event ID`), else as it stands."""
    field = tabular.spelled(column)
    return field if field in FIELDS_SET else column


FIELDS_SET: Final = frozenset(FIELDS)


def renaming(pairs: Iterable[str]) -> dict[str, str]:
    """`THEIRS=OURS` as it stands on a command line; InputError for what is no field of an event."""
    return tabular.renaming(pairs, FIELDS)


@lru_cache(maxsize=1024)
def nearest(name: str) -> str | None:
    """The known field that this one looks like, if there is one."""
    return tabular.nearest(name, FIELDS)
