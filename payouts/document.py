"""The run document: what a run was given, what came out, and the roots of the tables behind it.

The run's key is the digest of its inputs alone; the document is a pure function of them, so that the
same key always names the same bytes. Tables are canonical JSON rows, one a line; each is committed by
the Merkle root (RFC 6962) of its rows, so that one row can be proven without showing the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ledger.errors import VerificationError
from ledger.proofs import canon, tree
from ledger.types import Digest
from payouts.accounts.account import Account
from payouts.accounts.clauses import Agreed
from payouts.allocate import Cutoff
from payouts.compute import GroupTotal, Line, Outcome
from payouts.division.waterfill import Level
from payouts.protocols import Hold, UsageRow
from payouts.rules.base import Rule
from payouts.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Everything a run depends on; `entries` are the ids of the corrections it books."""

    period_root: bytes
    registry_size: int
    sequence: int
    terms: Terms
    rule: Rule
    holds: tuple[Hold, ...]
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

    def payload(self) -> dict[str, Any]:
        return {
            "period_root": self.period_root.hex(),
            "registry_size": self.registry_size,
            "sequence": self.sequence,
            "terms": self.terms.payload(),
            "rule": self.rule.payload(),
            "holds": [
                {"id": hold.id, "reason": hold.reason, "party": hold.party, "subject": hold.subject,
                 "track": hold.track, "source": hold.source}
                for hold in sorted(self.holds, key=lambda hold: hold.id)
            ],
            "follows": self.follows,
            "entries": sorted(self.entries),
            "minimum_micros": str(self.minimum),
            "carried_micros": str(self.carried),
            "fx": [one.payload() for one in self.fx] or None,
        } | ({"agreed": sorted(self.agreed)} if self.agreed else {})  # fmt: skip

    @property
    def key(self) -> Digest:
        """The run's name: equal inputs, equal key."""
        return canon.digest(canon.encode({"settle": "run", "v": 1, "inputs": self.payload()}))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as bytes, with the root that commits them. `data` is what is stored and exported."""

    data: bytes
    count: int
    root: bytes

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Table:
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
    tables: dict[str, Table]

    @property
    def blobs(self) -> list[bytes]:
        """The tables as they are stored, each named by its digest in the document."""
        return [table.data for table in self.tables.values()]


def draw_up(given: Given, usage: Iterable[UsageRow], outcome: Outcome, booked: Iterable[Account]) -> Document:
    """The document of a run. Everything in it follows from `given` and what the log held at the close."""
    tables = {
        "usage": Table.of(map(usage_payload, usage)),
        "groups": Table.of(
            {"group": one.group, "weight": str(one.weight), "micros": str(one.micros)} for one in outcome.groups
        ),
        "lines": Table.of(map(line_payload, outcome.lines)),
        "accounts": Table.of(account.payload() for account in booked),
    }
    level = outcome.level
    result = {
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
    payload = {
        "v": 1,
        "run": given.key,
        "inputs": given.payload(),
        "result": result,
        "tables": {name: table.payload() for name, table in tables.items()},
    }
    return Document(given.key, payload, tables)


def line_payload(line: Line) -> dict[str, Any]:
    """A line as a table row."""
    return {
        "group": line.group, "party": line.party, "state": line.state, "reason": line.reason, "ref": line.ref,
        "weight": str(line.weight), "micros": str(line.micros),
    }  # fmt: skip


def read_line(row: Mapping[str, Any]) -> Line:
    """The inverse of `line_payload`."""
    return Line(
        group=row["group"], party=row["party"], state=row["state"], reason=row["reason"], ref=row["ref"],
        weight=int(row["weight"]), micros=int(row["micros"]),
    )  # fmt: skip


def read_group(row: Mapping[str, Any]) -> GroupTotal:
    return GroupTotal(group=row["group"], weight=int(row["weight"]), micros=int(row["micros"]))


def usage_payload(row: UsageRow) -> dict[str, Any]:
    """A usage row as a table row; sums are decimal strings."""
    return msgspec.structs.asdict(row) | {
        "units": str(row.units), "gross": None if row.gross is None else str(row.gross), "count": str(row.count),
    }  # fmt: skip


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
            cap=None if level["cap"] is None else int(level["cap"]), numerator=int(level["numerator"]),
            denominator=int(level["denominator"]), unattributed=int(level["unattributed"]),
            reserve=int(level["reserve"]),
        ),
        cutoff=None if cutoff is None else Cutoff(int(cutoff["remainder"]), bytes.fromhex(cutoff["tie"])),
        groups=tuple(map(read_group, table("groups"))),
        lines=tuple(map(read_line, table("lines"))),
    )  # fmt: skip
