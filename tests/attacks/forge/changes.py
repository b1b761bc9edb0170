"""What a forger changes: one thing in one table, leaf or statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.attacks.forge.history import Body, Change, History
from tests.attacks.forge.judge import published

NUMBERS: Final = frozenset(
    (
        "micros",
        "weight",
        "units",
        "ppm",
        "opening",
        "earned",
        "payable",
        "carried",
        "rounding",
        "count",
        "gross",
        "gross_micros",
        "pool",
        "allocated",
        "unattributed",
        "held",
        "suspense",
        "reserve",
        "weight_unattributed",
        "cap",
        "numerator",
        "denominator",
        "remainder",
        "minimum_micros",
        "carried_micros",
        "registry_size",
        "sequence",
        "price_micros",
        "reserve_ppm",
        "size",
        "batch",
        "number",
        "row",
        "months",
    )
)
NAMES: Final = frozenset(
    (
        "party",
        "group",
        "subject",
        "track",
        "source",
        "vector",
        "run",
        "period",
        "grantor",
        "territory",
        "state",
        "kind",
        "currency",
        "origin",
        "outcome",
        "via",
        "route",
        "follows",
        "hold",
        "line",
        "recording",
        "decision",
        "right",
        "by",
        "rule",
        "aspect",
        "to",
        "rate",
        "due",
        "signed_for",
        "term",
        "model",
        "event_id",
        "id",
        "ref",
        "from",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """One change, the class it belongs to, and whether the approver signed it in good faith."""

    name: str
    change: Change
    approved: bool


Path = tuple[str | int, ...]


def _places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar inside, with the way to it."""
    if isinstance(value, dict):
        for name in sorted(value):
            yield from _places(value[name], (*path, name))
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from _places(item, (*path, n))
    else:
        yield path, value


def _field(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _set(value: Any, path: Path, new: Any) -> Any:
    inside = value
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = new
    return value


def _number(value: Any) -> bool:
    return type(value) is int or (isinstance(value, str) and value.lstrip("-").isdigit() and len(value) < 40)


def _like(value: Any, number: int) -> Any:
    return number if type(value) is int else str(number)


@dataclass(frozen=True)
class Domain:
    """What else could stand where a name stands: every value that the same field has anywhere in the history."""

    values: dict[str, list[Any]]

    @classmethod
    def of(cls, history: History) -> Domain:
        values: dict[str, set[Any]] = {}
        for body in history.bodies:
            for path, value in _places(body):
                if isinstance(value, str):
                    values.setdefault(_field(path), set()).add(value)
        for name in ("party", "group", "grantor"):
            values.setdefault(name, set()).update({"ann", "bob", "cy", "dee", "mallory"})
        return cls({name: sorted(some) for name, some in values.items()})

    def other(self, random: Random, name: str, value: Any) -> Any:
        others = [one for one in self.values.get(name, ()) if one != value]
        return random.choice(others) if others else f"{value}x"


def altered(random: Random, domain: Domain, value: Any) -> tuple[str, Path, Any] | None:
    """One scalar inside, and what it becomes: a unit more or less, the negative, or another of its kind."""
    numbers = [(path, old) for path, old in _places(value) if _field(path) in NUMBERS and _number(old)]
    names = [(path, old) for path, old in _places(value) if _field(path) in NAMES and isinstance(old, str)]
    if numbers and (not names or random.random() < 0.6):
        path, old = random.choice(numbers)
        amount = int(old)
        if amount and random.random() < 0.2:
            return "negate", path, _like(old, -amount)
        return "unit", path, _like(old, amount + random.choice((-1, 1)))
    if not names:
        return None
    path, old = random.choice(names)
    return "move", path, domain.other(random, _field(path), old)


class Forger:
    """Draws forgeries of one honest history."""

    def __init__(self, history: History, random: Random) -> None:
        self.history = history
        self.random = random
        self.domain = Domain.of(history)
        self.runs = published(history)
        lists = [body for body in history.bodies if body["type"] == "hold" and "statement" in body]
        self.lists = [body["statement"] for body in lists]
        """The lists of listeners that holds name."""

    def draw(self, *, approved: bool) -> Forgery:
        """One forgery; never one that changes nothing."""
        while True:
            kinds = (*self._KINDS, Forger._listeners) if self.lists else self._KINDS
            made = self.random.choice(kinds)(self)
            if made is not None:
                name, change = made
                return Forgery(name=name, change=change, approved=approved)

    # --- tables and statements of a run -----------------------------------------------------------

    def _document(self) -> tuple[str, Body]:
        digest = self.history.bodies[self.random.choice(self.runs).run]["statement"]
        return digest, self.history.payload(digest)

    def _table(self) -> tuple[str, Change] | None:
        """One change of one table: rows dropped, doubled, out of order, exchanged, or one value in one of them."""
        digest, document = self._document()
        publication = next(
            self.history.payload(self.history.bodies[one.publish]["statement"])
            for one in self.runs
            if self.history.bodies[one.run]["statement"] == digest
        )
        tables = document["tables"] | {"intents": publication["intents"]}
        name = self.random.choice(sorted(tables))
        rows = self.history.rows(tables[name]["sha256"])
        made = self._rows(rows)
        if made is None:
            return None
        how, edit = made
        follows = name in ("lines", "accounts") and self.random.random() < 0.5
        label = f"{how} {name}, derived" if follows else f"{how} {name}"
        return label, Change(kind="rows", place=tables[name]["sha256"], edit=edit, follows=follows)

    def _rows(self, rows: list[Body]) -> tuple[str, Callable[[Any], Any]] | None:
        random = self.random
        how = random.choice(("drop", "double", "reorder", "swap", "alter", "alter", "alter", "add", "respell"))
        if not rows or (how in ("reorder", "swap") and len(rows) < 2):
            return None
        n = random.randrange(len(rows))
        plain: dict[str, Callable[[Any], Any]] = {
            "drop": lambda now: now[:n] + now[n + 1 :],
            "double": lambda now: now[: n + 1] + now[n:],
            "reorder": lambda now: _exchanged(now, n, (n + 1) % len(rows)),
        }
        if how in plain:
            return how, plain[how]
        return self._swapped(rows) if how == "swap" else self._altered(rows[n], n, how)

    def _altered(self, row: Body, n: int, how: str) -> tuple[str, Callable[[Any], Any]] | None:
        """One value of a row changed or spelt otherwise, or the changed row added to the table."""
        if how == "respell":
            return self._respelt(row, n)
        changed = altered(self.random, self.domain, row)
        if changed is None:
            return None
        kind, path, new = changed
        if how == "add":
            return how, lambda now: sorted([*now, _set(deepcopy(now[n]), path, new)], key=str)
        return kind, lambda now: [_set(one, path, new) if at == n else one for at, one in enumerate(now)]

    def _respelt(self, row: Body, n: int) -> tuple[str, Callable[[Any], Any]] | None:
        amounts = [path for path, old in _places(row) if isinstance(old, str) and old.isdigit()]
        if not amounts:
            return None
        path = self.random.choice(amounts)
        spell = self.random.choice(("+{}", "0{}", " {}", "{} ", "{}.0"))

        def edit(now: list[Body]) -> list[Body]:
            inside: Any = now[n]
            for part in path:
                inside = inside[part]
            _set(now[n], path, spell.format(inside))
            return now

        return "respell", edit

    def _swapped(self, rows: list[Body]) -> tuple[str, Callable[[Any], Any]] | None:
        """One column of two rows exchanged: the sums stay what they were."""
        n, m = self.random.sample(range(len(rows)), 2)
        columns = [name for name in rows[n] if name in rows[m] and rows[n][name] != rows[m][name]]
        if not columns:
            return None
        name = self.random.choice(columns)

        def edit(now: list[Body]) -> list[Body]:
            now[n][name], now[m][name] = now[m][name], now[n][name]
            return now

        return "swap", edit

    def _paper(self) -> tuple[str, Change] | None:
        """One value of a run's document or of its publication."""
        digest, document = self._document()
        part = self.random.choice(("result", "inputs"))
        changed = altered(self.random, self.domain, document[part])
        if changed is None:
            return None
        kind, path, new = changed
        follows = self.random.random() < 0.5
        name = f"{kind} {part}.{_field(path)}" + (", derived" if follows else "")
        return name, Change(
            kind="document", place=digest, edit=lambda now: _set(now, (part, *path), new), follows=follows
        )

    def _batch(self) -> tuple[str, Change] | None:
        """One payment of a batch that was handed over."""
        places = self.history.places("pay")
        if not places:
            return None
        digest = self.history.bodies[self.random.choice(places)]["statement"]
        made = self._rows(self.history.payload(digest)["payments"])
        if made is None:
            return None
        how, edit = made
        return f"{how} payments", Change(
            kind="statement", place=digest, edit=lambda now: now | {"payments": edit(now["payments"])}
        )

    def _vector(self) -> tuple[str, Change] | None:
        digest = self.history.bodies[self.random.choice(self.history.places("vector"))]["statement"]
        changed = altered(self.random, self.domain, self.history.payload(digest))
        if changed is None:
            return None
        kind, path, new = changed
        return f"{kind} influence.{_field(path)}", Change(
            kind="statement", place=digest, edit=lambda now: _set(now, path, new)
        )

    def _listeners(self) -> tuple[str, Change] | None:
        """One value of the list of a hold on listeners, or one listener more, less or in another's place."""
        digest = self.random.choice(self.lists)
        payload = self.history.payload(digest)
        if self.random.random() < 0.5:
            changed = altered(self.random, self.domain, payload)
            if changed is None:
                return None
            kind, path, new = changed
            return f"{kind} listeners.{_field(path)}", Change(
                kind="statement", place=digest, edit=lambda now: _set(now, path, new)
            )
        how = self.random.choice(("drop", "add", "swap"))
        stranger = f"{self.random.getrandbits(256):064x}"

        def edit(now: Body) -> Body:
            first, *others = now["listeners"]
            listed = {"drop": others, "swap": [first | {"listener": stranger}, *others]}
            added = sorted([*now["listeners"], first | {"listener": stranger}], key=lambda row: row["listener"])
            return now | {"listeners": listed.get(how, added)}

        return f"{how} listeners", Change(kind="statement", place=digest, edit=edit)

    # --- leaves -----------------------------------------------------------------------------------

    def _leaf(self) -> tuple[str, Change] | None:
        """One leaf dropped, doubled, exchanged with the next, repeated later, or with one value changed."""
        random, bodies = self.random, self.history.bodies
        n = random.randrange(1, len(bodies))
        kind = bodies[n]["type"]
        how = random.choice(("drop", "double", "reorder", "alter", "alter", "alter", "replay"))
        if how == "alter":
            return self._value(n)
        if how == "reorder" and n + 1 == len(bodies):
            return None
        later = random.randrange(n, len(bodies))
        change = {
            "drop": Change(kind="leaves", place=n, edit=lambda _: []),
            "double": Change(kind="leaves", place=n, edit=lambda now: [*now, deepcopy(now[0])]),
            "reorder": Change(kind="leaves", place=n, width=2, edit=lambda now: [*reversed(now)]),
            "replay": Change(kind="leaves", place=later, edit=lambda now: [*now, deepcopy(bodies[n])]),
        }
        return f"{how} leaf {kind}", change[how]

    def _value(self, n: int) -> tuple[str, Change] | None:
        body = self.history.bodies[n]
        changed = altered(self.random, self.domain, {name: value for name, value in body.items() if name != "type"})
        if changed is None:
            return None
        what, path, new = changed
        return f"{what} leaf {body['type']}.{_field(path)}", Change(
            kind="leaves", place=n, edit=lambda now: [_set(now[0], path, new)]
        )

    _KINDS = (_table, _table, _table, _paper, _paper, _batch, _vector, _leaf, _leaf)


def _exchanged(rows: list[Body], n: int, m: int) -> list[Body]:
    rows[n], rows[m] = rows[m], rows[n]
    return rows
