"""What the fields of a platform's rows are called: renamed where it calls them otherwise, unknown ones left out.

A field that is left out is counted and told. One that looks like a slip of the keyboard is not: what it says would be
missing from the event, and nobody would know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from ledger.errors import InputError
from ledger.ingest.checks import FIELDS, REQUIRED

SLIP: Final = 2
"""Letters added, dropped, changed or swapped: so few make another word of a known name."""


@dataclass(slots=True, kw_only=True)
class Naming:
    """How one file's fields are read. `ignored` counts the rows in which each unknown field was left out."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    ignored: Counter[str] = field(default_factory=Counter)

    def record(self, document: Any) -> Any:
        """A row with the fields that an event has; InputError names one that may not be left out."""
        if not isinstance(document, dict) or FIELDS_SET.issuperset(document):
            return document
        fields: dict[str, Any] = {}
        unknown = []
        for name, value in document.items():
            field = self.renamed.get(name, name)
            if field not in FIELDS_SET:
                self.refuse(field)
                unknown.append(field)
            elif field in fields or (field != name and field in document):
                raise InputError(f"{field!r} stands there twice, once as {name!r}")
            else:
                fields[field] = value
        self.ignored.update(unknown)
        return fields

    def columns(self, columns: Sequence[str], name: str) -> list[str | None]:
        """A table's columns by the names of an event's fields, None for one that is left out.

        Refuses a table that lacks a column: better before the first row than at the last.
        """
        fields = [self.renamed.get(column, column) for column in columns]
        if missing := [column for column in REQUIRED if column not in fields]:
            raise InputError(f"{name}: missing column {', '.join(missing)}; it has {', '.join(columns)}")
        for column in fields:
            if column not in FIELDS_SET:
                try:
                    self.refuse(column)
                except InputError as problem:
                    raise InputError(f"{name}: {problem}") from None
        if len(set(fields)) != len(fields):
            twice = next(column for column in fields if fields.count(column) > 1)
            raise InputError(f"{name}: column {twice!r} stands there twice")
        return [column if column in FIELDS_SET else None for column in fields]

    def refuse(self, name: str) -> None:
        """InputError for an unknown field that is meant as a known one, or for every one where `strict`."""
        if (near := nearest(name)) is not None:
            raise InputError(f"unknown field {name!r}, which looks like {near!r}; known are {', '.join(FIELDS)}")
        if self.strict:
            raise InputError(f"unknown field {name!r}; known are {', '.join(FIELDS)}")


FIELDS_SET: Final = frozenset(FIELDS)


def renaming(pairs: Iterable[str]) -> dict[str, str]:
    """`THEIRS=OURS` as it stands on a command line; InputError for what is no field of an event."""
    renamed: dict[str, str] = {}
    for pair in pairs:
        column, equals, ours = pair.partition("=")
        if not equals or not column or ours not in FIELDS_SET:
            raise InputError(f"{pair!r}: expected THEIRS=OURS, where OURS is one of {', '.join(FIELDS)}")
        if column in FIELDS_SET:
            raise InputError(f"{pair!r}: {column!r} is a field of an event itself")
        if column in renamed:
            raise InputError(f"{column!r} is mapped twice: to {renamed[column]} and to {ours}")
        renamed[column] = ours
    return renamed


@lru_cache(maxsize=1024)
def nearest(name: str) -> str | None:
    """The known field that this one looks like, if there is one."""
    near = [(distance(name.lower(), field), field) for field in FIELDS if abs(len(name) - len(field)) <= SLIP]
    best = min(near, default=(SLIP + 1, ""))
    return best[1] if best[0] <= SLIP else None


def distance(left: str, right: str) -> int:
    """Letters added, dropped, changed, or swapped with their neighbour, to make one word of the other."""
    above, row = list[int](), list(range(len(right) + 1))
    for i, letter in enumerate(left):
        previous, above, row = above, row, [i + 1]
        for j, sign in enumerate(right):
            cost = min(above[j + 1] + 1, row[j] + 1, above[j] + (letter != sign))
            if i and j and letter == right[j - 1] and left[i - 1] == sign:
                cost = min(cost, previous[j - 1] + 1)
            row.append(cost)
    return row[-1]
