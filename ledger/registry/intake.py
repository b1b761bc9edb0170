"""Plan an import: a pure function of the rows and the current registry.

The order of rows has no effect: two different rows for the same thing are both conflicts, and accepted rows are
registered in a fixed order. A row is accepted, a duplicate (registered already), a conflict (something else is
registered, and stays) or quarantined (invalid, or with an unknown reference).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.errors import ConflictError, InputError
from ledger.registry import facts as f
from ledger.registry import rows as r
from ledger.registry.compare import Author, Comparison, Known, PersonalFields, Wrote, compare
from ledger.registry.model import CATALOGUE
from ledger.registry.readers import RawRow
from ledger.registry.view import View


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was not registered, and the reason."""

    row: RawRow
    reason: str


@dataclass(frozen=True, slots=True)
class Planned:
    """A fact to register, with the personal fields that must not be in it."""

    fact: f.AnyFact
    personal: PersonalFields | None = None


@dataclass(slots=True, kw_only=True)
class ImportPlan:
    """The outcome of an import before anything is written."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    facts: list[Planned] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)
    payees: list[r.PayeeRow] = field(default_factory=list)
    conflicts: list[Problem] = field(default_factory=list)
    quarantined: list[Problem] = field(default_factory=list)


def plan(raw_rows: Iterable[RawRow], view: View, author: Author, known: Known, wrote: Wrote) -> ImportPlan:
    """Return the outcome of importing these rows into this registry."""
    result = ImportPlan()
    lists: dict[str, dict[str, list[tuple[RawRow, r.AnyRow]]]] = {name: {} for name in r.LISTS}
    for raw in raw_rows:
        result.read += 1
        try:
            row = r.parse(raw.list, raw.value, from_text=raw.from_text)
        except InputError as problem:
            result.quarantined.append(Problem(raw, str(problem)))
            continue
        lists[raw.list].setdefault(identity(row), []).append((raw, row))
    names = _Names(view)
    for name in r.LISTS:
        for key in sorted(lists[name]):
            _take(result, lists[name][key], names, _Import(view, author, known, wrote))
    result.facts = _once(result.facts)
    return result


def _once(planned: Sequence[Planned]) -> list[Planned]:
    """Return each link once: a row of `links` has more fields than the `work` column of its recording."""
    last = {item.fact.id: position for position, item in enumerate(planned) if isinstance(item.fact, f.LinkFact)}
    return [
        item
        for position, item in enumerate(planned)
        if not isinstance(item.fact, f.LinkFact) or last[item.fact.id] == position
    ]


def identity(row: r.AnyRow) -> str:
    """Return the key that two rows of one list about the same thing share."""
    match row:
        case r.ShareRow():
            return r.share_id(row)
        case r.LinkRow():
            return r.link_id(row)
        case r.ModelRow():
            return f"{row.id}@{row.version}"
        case r.PayeeRow():
            return f"{row.party}|{row.start or ''}"
        case _:
            return row.id


@dataclass(frozen=True, slots=True)
class _Import:
    view: View
    author: Author
    known: Known
    wrote: Wrote


class _Names:
    """The ids that rows may refer to: those in the registry and those accepted so far."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.new: dict[str, set[str]] = {name: set() for name in r.LISTS}

    def has(self, name: str, one: str) -> bool:
        table: Mapping[str, Any] = getattr(self.view, _TABLES[name])
        return one in table or one in self.new[name]


_TABLES: Final = {
    "parties": "parties",
    "recordings": "all_recordings",
    "works": "works",
    "models": "models",
    "tracks": "tracks",
}


def _take(result: ImportPlan, same: Sequence[tuple[RawRow, r.AnyRow]], names: _Names, importing: _Import) -> None:
    """Decide all rows about one thing."""
    raw, row = same[0]
    if any(other_row != row for _, other_row in same[1:]):
        reason = f"{len(same)} rows of this import speak of {identity(row)} and differ; keep the right one"
        result.conflicts += [Problem(line, reason) for line, _ in same]
        return
    try:
        check_author(row, importing.author, importing.view)
        check_references(row, names.has)
        outcome = compare(row, importing.view, importing.author, importing.known, importing.wrote)
    except ConflictError as problem:
        result.conflicts += [Problem(line, str(problem)) for line, _ in same]
    except InputError as problem:
        result.quarantined += [Problem(line, str(problem)) for line, _ in same]
    else:
        _accept(result, outcome, row, len(same))
        names.new[raw.list].add(identity(row))


def _accept(result: ImportPlan, outcome: Comparison, row: r.AnyRow, rows: int) -> None:
    new = bool(outcome.facts) or isinstance(row, r.PayeeRow)  # whether a payee is new, the payee book knows
    result.accepted += int(new)
    result.duplicates += rows - int(new)
    result.facts += [Planned(fact, personal) for fact, personal in outcome.facts]
    result.blobs += outcome.blobs
    if isinstance(row, r.PayeeRow):
        result.payees.append(row)


def check_author(row: r.AnyRow, author: Author, view: View) -> None:
    """Check that this author may register this row; the operator may register rows that others hand in."""
    if author.role == "operator":
        return
    if author.role != "holder":
        raise InputError(f"a key with the role {author.role} registers nothing; sign as operator or holder")
    owner: str | None = None
    match row:
        case r.PartyRow():
            owner = row.id
        case r.GrantRow():
            owner = row.grantor
        case r.ModelRow():
            owner = row.operator
        case r.PayeeRow():
            owner = row.party
        case r.TrackRow():
            model = view.models.get(f"{row.model}@{row.version}")
            owner = model.operator if model is not None else author.party
        case r.ShareRow() | r.LinkRow() if row.state == "confirmed":
            raise InputError("a holder asserts and someone else confirms; hand it in with state asserted")
        case r.ShareRow():
            owner = row.party
        case _:
            pass
    if owner is not None and owner != author.party:
        raise InputError(f"only {owner} or the operator may register this; it was signed by {author.party}")


def check_references(row: r.AnyRow, has: Callable[[str, str], bool]) -> None:
    """Check that everything a row names is registered."""
    references: list[tuple[str, str]] = []
    match row:
        case r.RecordingRow():
            if has("works", row.id):
                raise ConflictError(f"recording {row.id}: a work has this id")
            references = [] if row.work is None else [("works", row.work)]
        case r.LinkRow():
            references = [("recordings", row.recording), ("works", row.work)]
        case r.ShareRow():
            _check_subject(row.subject, row.right, has)
            references = [("parties", row.party)]
        case r.GrantRow():
            if row.subject != CATALOGUE and not has("recordings", row.subject) and not has("works", row.subject):
                raise InputError(f"subject {row.subject!r} is neither a registered recording nor a work")
            references = [("parties", row.grantor)]
        case r.ModelRow():
            references = [("parties", row.operator)]
        case r.TrackRow():
            references = [
                ("models", f"{row.model}@{row.version}"),
                *(("recordings", recording) for recording in row.conditioning),
            ]
        case r.PayeeRow():
            references = [("parties", row.party)]
        case _:
            pass
    for name, recording in references:
        if not has(name, recording):
            raise InputError(f"{recording!r} is not among the registered {name} nor in this import")


def _check_subject(subject: str, right: str, has: Callable[[str, str], bool]) -> None:
    """Check that a publishing right is about a work, and any other right about a recording."""
    name = "works" if right == "publishing" else "recordings"
    if not has(name, subject):
        raise InputError(f"subject {subject!r}: a {right} share is of one of the {name}, and none has this id")
