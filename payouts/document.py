"""The run document: what a run was given, what came out, and the roots of the tables behind it.

The run's key is the digest of its inputs alone; the document is a pure function of them, so that the
same key always names the same bytes. Tables are canonical JSON rows, one a line; each is committed by
the Merkle root (RFC 6962) of its rows, so that one row can be proven without showing the others.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from ledger.errors import VerificationError
from ledger.proofs import canon, tree
from ledger.text import parse_hex
from ledger.types import Digest
from payouts.accounts.account import Account
from payouts.accounts.clauses import Agreed, Rate
from payouts.allocate import Cutoff
from payouts.compute import GroupTotal, Line, Outcome
from payouts.division.waterfill import Level
from payouts.protocols import HoldMatch, UsageRow
from payouts.rules.base import Rule
from payouts.rules.catalogue import is_installed, make_rule
from payouts.terms import Terms

AMOUNT_DIGITS: Final = 100
"""Of an amount or a weight: more than any sum of money, and few enough to be read in no time."""
_WHOLE: Final = re.compile(r"(?:0|-?[1-9][0-9]*)\Z")


def whole(text: Any, what: str, low: int | None = 0) -> int:
    """An amount or weight as tables spell it: a decimal string, one way only, at least `low`."""
    if not isinstance(text, str) or len(text) > AMOUNT_DIGITS or not _WHOLE.match(text):
        raise VerificationError(f"{what} is {str(text)[:40]!r}: expected a whole number as a decimal string")
    value = int(text)
    if low is not None and value < low:
        raise VerificationError(f"{what} is {value}: expected {low} or more")
    return value


def same(stated: Any, derived: Any) -> bool:
    """Whether two values are one in canonical JSON, in which `true` is not 1."""
    return canon.encode(stated) == canon.encode(derived)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uninstalled(Rule):
    """A rule that a document names and this program does not have: what it caps at cannot be told."""

    name: ClassVar[str] = "uninstalled"
    stated: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.stated.keys() != {"name", "version", "params"}:
            raise VerificationError(f"rule has the fields {sorted(self.stated)}, expected name, params, version")

    def payload(self) -> dict[str, Any]:
        return self.stated


def read_rule(payload: Mapping[str, Any]) -> Rule:
    """The rule that a document names, where it is installed in that version."""
    if not is_installed(payload["name"]):
        return Uninstalled(stated=dict(payload))
    rule = make_rule(payload["name"], {name: str(value) for name, value in payload["params"].items()})
    return rule if rule.version == payload["version"] else Uninstalled(stated=dict(payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Everything a run depends on; `entries` are the ids of the corrections it books."""

    period_root: bytes
    registry_size: int
    sequence: int
    terms: Terms
    rule: Rule
    holds: tuple[HoldMatch, ...]
    follows: Digest | None
    """The pool's last standing run, whose carried balances are this run's opening balances."""
    entries: tuple[str, ...]
    minimum: int
    carried: int = 0
    """What the run it follows left unattributed to this one, where its terms said so."""
    agreed: tuple[str, ...] = ()
    """Ids of the terms agreed with parties; each is a digest of what they say."""
    fx: tuple[Agreed, ...] = ()
    """The period's rates from the pool's currency to others."""

    def __post_init__(self) -> None:
        for name, value, low in (
            ("registry_size", self.registry_size, 0),
            ("sequence", self.sequence, 1),
            ("minimum", self.minimum, 0),
            ("carried", self.carried, 0),
        ):
            if type(value) is not int or value < low:
                raise VerificationError(f"the run's {name} is {value!r}: expected a whole number from {low} on")
        for name, ids in (
            ("holds", [hold.id for hold in self.holds]),
            ("entries", self.entries),
            ("agreed", self.agreed),
            ("fx", [one.id for one in self.fx]),
        ):
            if len(set(ids)) != len(ids):
                raise VerificationError(f"the run's {name} name something twice")
        terms = self.terms
        if len({one.slot for one in self.fx}) != len(self.fx) or not all(
            isinstance(one.clause, Rate) and one.counts(pool=terms.pool, currency=terms.currency, period=terms.period)
            for one in self.fx
        ):
            raise VerificationError("the run's fx are not one rate a currency, from the pool's and of its month")
        if self.follows is None and self.carried:
            raise VerificationError(f"the run follows none, and {self.carried} micros are carried into it")

    @classmethod
    def from_payload(cls, inputs: Mapping[str, Any]) -> Given:
        """The inverse of `payload`: whatever it would not have written is refused."""
        given = cls(
            period_root=parse_hex(inputs["period_root"], "period_root", tree.HASH_SIZE),
            registry_size=inputs["registry_size"],
            sequence=inputs["sequence"],
            terms=Terms.from_payload(inputs["terms"]),
            rule=read_rule(inputs["rule"]),
            holds=tuple(HoldMatch(**hold) for hold in inputs["holds"]),
            follows=inputs["follows"],
            entries=tuple(inputs["entries"]),
            minimum=whole(inputs["minimum_micros"], "minimum_micros"),
            carried=whole(inputs["carried_micros"], "carried_micros"),
            agreed=tuple(inputs.get("agreed", ())),
            fx=tuple(map(Agreed.from_payload, inputs["fx"] or ())),
        )
        if given.follows is not None:
            parse_hex(given.follows, "follows", tree.HASH_SIZE)
        _check_texts([*given.entries, *given.agreed, *(value for hold in inputs["holds"] for value in hold.values())])
        if not same(given.payload(), inputs):
            raise VerificationError("the run's inputs are not written as a run writes them: fields, order, spelling")
        return given

    def payload(self) -> dict[str, Any]:
        return {
            "period_root": self.period_root.hex(),
            "registry_size": self.registry_size,
            "sequence": self.sequence,
            "terms": self.terms.payload(),
            "rule": self.rule.payload(),
            "holds": [
                {
                    "id": hold.id,
                    "reason": hold.reason,
                    "party": hold.party,
                    "subject": hold.subject,
                    "track": hold.track,
                    "source": hold.source,
                }
                for hold in sorted(self.holds, key=lambda hold: hold.id)
            ],
            "follows": self.follows,
            "entries": sorted(self.entries),
            "minimum_micros": str(self.minimum),
            "carried_micros": str(self.carried),
            "fx": [one.payload() for one in self.fx] or None,
        } | ({"agreed": sorted(self.agreed)} if self.agreed else {})

    @property
    def key(self) -> Digest:
        """The run's name: equal inputs, equal key."""
        return canon.digest(canon.encode({"settle": "run", "v": 1, "inputs": self.payload()}))


def _check_texts(values: Iterable[Any]) -> None:
    for value in values:
        if value is not None and type(value) is not str:
            raise VerificationError(f"the run's inputs name {value!r}: expected a text")


@dataclass(frozen=True, slots=True)
class SealedTable:
    """Rows as bytes, with the root that commits them. `data` is what is stored and exported."""

    data: bytes
    count: int
    root: bytes

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> SealedTable:
        lines = [canon.encode(dict(row)) for row in rows]
        root = tree.root_of([tree.leaf_hash(line) for line in lines])
        return cls(b"".join(line + b"\n" for line in lines), len(lines), root)

    def payload(self) -> dict[str, Any]:
        return {"rows": self.count, "root": self.root.hex(), "sha256": canon.digest(self.data)}

    def rows(self) -> list[dict[str, Any]]:
        return decode_rows(self.data)


def decode_rows(data: bytes) -> list[dict[str, Any]]:
    """The rows of a stored table as values."""
    return [canon.decode_object(row, "table row") for row in rows_of(data)]


def rows_of(data: bytes) -> list[bytes]:
    """The rows of a stored table, as the bytes whose hashes its root commits."""
    if data and not data.endswith(b"\n"):
        raise VerificationError("table: its last row has no end; it was cut short")
    return data.split(b"\n")[:-1]


@dataclass(frozen=True, slots=True)
class Document:
    """A run's document and its tables, ready to be signed and stored."""

    run: Digest
    payload: dict[str, Any]
    tables: dict[str, SealedTable]

    @property
    def blobs(self) -> list[bytes]:
        """The tables as they are stored, each named by its digest in the document."""
        return [table.data for table in self.tables.values()]


def draw_up(given: Given, usage: Iterable[UsageRow], outcome: Outcome, booked: Iterable[Account]) -> Document:
    """The document of a run. Everything in it follows from `given` and what the log held at the close."""
    tables = {
        "usage": SealedTable.of(map(usage_payload, usage)),
        "groups": SealedTable.of(map(group_payload, outcome.groups)),
        "lines": SealedTable.of(map(line_payload, outcome.lines)),
        "accounts": SealedTable.of(account.payload() for account in booked),
    }
    payload = {
        "v": 1,
        "run": given.key,
        "inputs": given.payload(),
        "result": result_payload(outcome),
        "tables": {name: table.payload() for name, table in tables.items()},
    }
    return Document(given.key, payload, tables)


def result_payload(outcome: Outcome) -> dict[str, Any]:
    """What came of the pool, as the document says it."""
    level = outcome.level
    return {
        "pool": str(outcome.pool),
        "allocated": str(outcome.allocated),
        "unattributed": str(outcome.unattributed),
        "held": str(outcome.held),
        "suspense": str(outcome.suspense),
        "reserve": str(outcome.reserve),
        "units": str(outcome.units),
        "weight": str(outcome.weight),
        "weight_unattributed": str(outcome.weight_unattributed),
        "level": {
            "cap": None if level.cap is None else str(level.cap),
            "numerator": str(level.numerator),
            "denominator": str(level.denominator),
            "unattributed": str(level.unattributed),
            "reserve": str(level.reserve),
        },
        "cutoff": None
        if outcome.cutoff is None
        else {"remainder": str(outcome.cutoff.remainder), "tie": outcome.cutoff.tie.hex()},
    }


def group_payload(total: GroupTotal) -> dict[str, Any]:
    """A group's total as a table row."""
    return {"group": total.group, "weight": str(total.weight), "micros": str(total.micros)}


def line_payload(line: Line) -> dict[str, Any]:
    """A line as a table row."""
    return {
        "group": line.group,
        "party": line.party,
        "state": line.state,
        "reason": line.reason,
        "ref": line.ref,
        "weight": str(line.weight),
        "micros": str(line.micros),
    }


def read_line(row: Mapping[str, Any]) -> Line:
    """The inverse of `line_payload`."""
    return Line(
        group=row["group"],
        party=row["party"],
        state=row["state"],
        reason=row["reason"],
        ref=row["ref"],
        weight=whole(row["weight"], "a line's weight", 1),
        micros=whole(row["micros"], "a line's micros"),
    )


def read_group(row: Mapping[str, Any]) -> GroupTotal:
    """The inverse of `group_payload`."""
    return GroupTotal(
        group=row["group"],
        weight=whole(row["weight"], "a group's weight", 1),
        micros=whole(row["micros"], "a group's micros"),
    )


def usage_payload(row: UsageRow) -> dict[str, Any]:
    """A usage row as a table row; sums are decimal strings."""
    return msgspec.structs.asdict(row) | {
        "units": str(row.units),
        "gross": None if row.gross is None else str(row.gross),
        "count": str(row.count),
    }


def read_usage(row: Mapping[str, Any]) -> UsageRow:
    """The inverse of `usage_payload`."""
    gross = None if row["gross"] is None else int(row["gross"])
    return UsageRow(**{**row, "units": int(row["units"]), "gross": gross, "count": int(row["count"])})


def read_outcome(payload: Mapping[str, Any], table: Callable[[str], list[dict[str, Any]]]) -> Outcome:
    """The outcome a document speaks of; `table(name)` gives its rows."""
    result = payload["result"]
    level, cutoff = result["level"], result["cutoff"]
    sums = {
        name: int(result[name])
        for name in ("pool", "allocated", "unattributed", "held", "suspense", "reserve", "units", "weight")
    }
    return Outcome(
        **sums,
        weight_unattributed=int(result["weight_unattributed"]),
        level=Level(
            cap=None if level["cap"] is None else int(level["cap"]),
            numerator=int(level["numerator"]),
            denominator=int(level["denominator"]),
            unattributed=int(level["unattributed"]),
            reserve=int(level["reserve"]),
        ),
        cutoff=None if cutoff is None else Cutoff(int(cutoff["remainder"]), bytes.fromhex(cutoff["tie"])),
        groups=tuple(map(read_group, table("groups"))),
        lines=tuple(map(read_line, table("lines"))),
    )
