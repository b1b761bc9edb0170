"""Load a run from the log: its record, its signed document and its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ledger.errors import StateError, VerificationError
from ledger.log.append import Log
from ledger.proofs import canon, dsse
from ledger.types import Digest
from payouts import document as doc
from payouts import tables
from payouts.accounts.account import Account
from payouts.accounts.clauses import Agreed
from payouts.compute import Outcome
from payouts.life.book import Book
from payouts.life.records import Run
from payouts.protocols import HoldMatch, UsageRow
from payouts.rules.base import Rule
from payouts.rules.catalogue import make_rule
from payouts.terms import Terms


@dataclass(frozen=True)
class Stored:
    """A run in the log: its record, its signed document, its tables."""

    record: Run
    payload: dict[str, Any]
    log: Log = field(repr=False)

    @property
    def v(self) -> int:
        """Return the version by whose rules its tables are made, compared and proven."""
        return int(self.payload["v"])

    @property
    def currency(self) -> str:
        return str(self.payload["inputs"]["terms"]["currency"])

    @property
    def entries(self) -> tuple[str, ...]:
        return tuple(self.payload["inputs"]["entries"])

    @property
    def follows(self) -> Digest | None:
        follows: Digest | None = self.payload["inputs"]["follows"]
        return follows

    @property
    def agreed(self) -> tuple[str, ...]:
        return tuple(self.payload["inputs"].get("agreed", ()))

    @property
    def fx(self) -> tuple[Agreed, ...]:
        return tuple(map(Agreed.from_payload, self.payload["inputs"]["fx"] or ()))

    @property
    def terms(self) -> Terms:
        return Terms.from_payload(self.payload["inputs"]["terms"])

    @property
    def rule_name(self) -> str:
        return str(self.payload["inputs"]["rule"]["name"])

    @property
    def rule(self) -> Rule:
        rule_fields = self.payload["inputs"]["rule"]
        rule = make_rule(rule_fields["name"], {name: str(value) for name, value in rule_fields["params"].items()})
        if rule.version != rule_fields["version"]:
            raise StateError(
                f"run {self.record.run[:16]} used {rule.name} version {rule_fields['version']}; version {rule.version} "
                "is installed here, install the other to explain it"
            )
        return rule

    @property
    def holds(self) -> tuple[HoldMatch, ...]:
        return tuple(HoldMatch(**hold) for hold in self.payload["inputs"]["holds"])

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of one of its tables."""
        return tables.read_table(name, self.log.blob(self.payload["tables"][name]["sha256"]))

    @cached_property
    def outcome(self) -> Outcome:
        return doc.read_outcome(self.payload, self.table)

    @cached_property
    def accounts(self) -> dict[str, Account]:
        """Return the accounts that are not empty, by party."""
        rows = map(Account.from_payload, self.table("accounts"))
        return {account.party: account for account in rows if account.moves}

    @cached_property
    def salts(self) -> dict[str, str]:
        """Return the salts of accounts and payments, by party; version 1 has none."""
        return {row["party"]: row["salt"] for row in self.table("accounts") if self.v > 1}

    @cached_property
    def usage(self) -> list[UsageRow]:
        return [tables.read_usage(row) for row in self.table("usage")]

    @cached_property
    def paid_usage(self) -> list[UsageRow]:
        """Return the usage behind allocated lines: all rows without a hold on listeners."""
        return [row for row in self.usage if row.hold is None]


def load(log: Log, run: Run) -> Stored:
    """Load the run of a record; its document must have the record's id."""
    payload = canon.decode_object(dsse.parse(log.blob(run.statement)).payload, "run document")
    if payload.get("run") != run.run:
        raise VerificationError(f"run {run.run}: its document is of another run; check with settle ledger fsck")
    terms = payload["inputs"]["terms"]
    stated = (terms["period"], terms["pool"], payload["inputs"]["sequence"])
    if stated != (run.period, run.pool, run.sequence):
        raise VerificationError(
            f"run {run.run[:16]} is logged for {run.period}, pool {run.pool}, sequence {run.sequence}; its document "
            f"is of {stated[0]}, pool {stated[1]}, sequence {stated[2]}: it is not approved, published or paid"
        )
    return Stored(run, payload, log)


def last_published(log: Log, book: Book, *, pool: str, currency: str, before: str | None = None) -> Stored | None:
    """Return the newest published run of a pool in a currency, optionally of the months before one."""
    newest_first = (load(log, run) for run in reversed(book.standing(pool, before=before)))
    return next((stored for stored in newest_first if stored.currency == currency), None)
