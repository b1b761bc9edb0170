"""The run document: a run's inputs, its results, and the roots of its tables.

The run's key is the digest of its inputs alone; the document is a pure function of them, so that the
same key always names the same bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ledger.errors import VerificationError
from ledger.proofs import canon, tree
from ledger.text import parse_hex
from ledger.types import Digest
from payouts.accounts.account import Account, Correction, accounts
from payouts.accounts.clauses import Agreed, Rate
from payouts.accounts.deductions import Stages
from payouts.compute import Outcome
from payouts.division.waterfill import Level
from payouts.protocols import HoldMatch, UsageRow
from payouts.rules.base import Rule
from payouts.rules.catalogue import is_installed, make_rule
from payouts.tables import (
    VERSION,
    VERSIONS,
    Salts,
    SealedTable,
    account_payloads,
    cutoff_payload,
    group_payload,
    line_payload,
    read_cutoff,
    read_group,
    read_line,
    usage_payload,
    whole,
)
from payouts.terms import Terms


def same(stated: Any, derived: Any) -> bool:
    """Return whether two values have the same canonical JSON, in which `true` is not 1."""
    return canon.encode(stated) == canon.encode(derived)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uninstalled(Rule):
    """A rule that a document names and that is not installed here; its cap is unknown."""

    name: ClassVar[str] = "uninstalled"
    stated: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.stated.keys() != {"name", "version", "params"}:
            raise VerificationError(f"rule has the fields {sorted(self.stated)}, expected name, params, version")

    def payload(self) -> dict[str, Any]:
        return self.stated


def read_rule(payload: Mapping[str, Any]) -> Rule:
    """Return the rule that a document names, if it is installed in that version."""
    if not is_installed(payload["name"]):
        return Uninstalled(stated=dict(payload))
    rule = make_rule(payload["name"], {name: str(value) for name, value in payload["params"].items()})
    return rule if rule.version == payload["version"] else Uninstalled(stated=dict(payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """All inputs of a run.

    `entries` are the ids of the corrections that the run books. `v`: the version of the document's rules.
    """

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
    v: int = VERSION

    def __post_init__(self) -> None:
        if type(self.v) is not int or self.v not in VERSIONS:
            raise VerificationError(
                f"the run is of version {self.v!r}; this program reads {', '.join(map(str, VERSIONS))}"
            )
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
            ("fx", [term.id for term in self.fx]),
        ):
            if len(set(ids)) != len(ids):
                raise VerificationError(f"the run's {name} name something twice")
        terms = self.terms
        if len({term.slot for term in self.fx}) != len(self.fx) or not all(
            isinstance(term.clause, Rate) and term.counts(pool=terms.pool, currency=terms.currency, period=terms.period)
            for term in self.fx
        ):
            raise VerificationError("the run's fx are not one rate a currency, from the pool's and of its month")
        if self.follows is None and self.carried:
            raise VerificationError(f"the run follows none, and {self.carried} micros are carried into it")

    @classmethod
    def from_payload(cls, inputs: Mapping[str, Any], v: int) -> Given:
        """Read what `payload` wrote; refuse anything else."""
        parsed = cls(
            v=v,
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
        if parsed.follows is not None:
            parse_hex(parsed.follows, "follows", tree.HASH_SIZE)
        _check_texts([*parsed.entries, *parsed.agreed, *(value for hold in inputs["holds"] for value in hold.values())])
        if not same(parsed.payload(), inputs):
            raise VerificationError("the run's inputs are not written as a run writes them: fields, order, spelling")
        return parsed

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
                | ({} if hold.listeners is None else {"listeners": hold.listeners})
                | ({} if hold.rejected is None else {"rejected": hold.rejected})
                for hold in sorted(self.holds, key=lambda hold: hold.id)
            ],
            "follows": self.follows,
            "entries": sorted(self.entries),
            "minimum_micros": str(self.minimum),
            "carried_micros": str(self.carried),
            "fx": [term.payload() for term in self.fx] or None,
        } | ({"agreed": sorted(self.agreed)} if self.agreed else {})

    @property
    def key(self) -> Digest:
        """Return the run's key: equal inputs give equal keys."""
        return canon.digest(canon.encode({"settle": "run", "v": self.v, "inputs": self.payload()}))


def _check_texts(values: Iterable[Any]) -> None:
    for value in values:
        if value is not None and type(value) is not str:
            raise VerificationError(f"the run's inputs name {value!r}: expected a text")


@dataclass(frozen=True, slots=True)
class Document:
    """A run's document and its tables, ready to be signed and stored."""

    run: Digest
    payload: dict[str, Any]
    tables: dict[str, SealedTable]

    @property
    def blobs(self) -> list[bytes]:
        """Return the tables as stored, each under its digest in the document."""
        return [table.data for table in self.tables.values()]


def accounts_for(
    given: Given,
    *,
    opening: Mapping[str, int],
    earned: Mapping[str, int],
    corrections: Iterable[Correction],
    stages: Stages,
    with_lines: Iterable[str],
) -> list[Account]:
    """Return the accounts of a run. From version 2 on, every party with lines or terms has one, even if it is empty."""
    return accounts(
        currency=given.terms.currency,
        minimum=given.minimum,
        opening=opening,
        earned=earned,
        corrections=corrections,
        stages=stages,
        everybody=() if given.v == 1 else {*with_lines, *stages.parties} - {""},
    )


def draw_up(given: Given, usage: Iterable[UsageRow], outcome: Outcome, booked: Iterable[Account]) -> Document:
    """Return the document of a run. It follows entirely from `given` and the log at the close."""
    lines = [line_payload(line) for line in outcome.lines]
    table = SealedTable.of(lines)
    rows = account_payloads(booked, given.v, lines, table)
    groups = [group_payload(total, given.v) for total in outcome.groups]
    if given.v > 1:
        salts = Salts.of(table, rows)
        rows, groups = salts.parties(rows), salts.groups(groups)
    tables = {
        "usage": SealedTable.of(map(usage_payload, usage)),
        "groups": SealedTable.of(groups),
        "lines": table,
        "accounts": SealedTable.of(rows),
    }
    payload = {
        "v": given.v,
        "run": given.key,
        "inputs": given.payload(),
        "result": result_payload(outcome),
        "tables": {name: table.payload() for name, table in tables.items()},
    }
    return Document(given.key, payload, tables)


def result_payload(outcome: Outcome) -> dict[str, Any]:
    """Return the pool's result in the document."""
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
        "cutoff": cutoff_payload(outcome.cutoff),
    }


def read_outcome(payload: Mapping[str, Any], table: Callable[[str], list[dict[str, Any]]]) -> Outcome:
    """Read the outcome from a document; `table(name)` returns its rows."""
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
        cutoff=read_cutoff(cutoff),
        groups=tuple(map(read_group, table("groups"))),
        lines=tuple(map(read_line, table("lines"))),
    )
