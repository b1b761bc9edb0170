"""Fold mandates: standing approvals of payments on account, and the instalments that are paid under them.

One person proposes a mandate and another approves it. After that the operator alone makes instalments: one per
interval, within the mandate's ceilings, until its end. One person stops it at once; two start it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from ledger.errors import InputError, VerificationError
from ledger.proofs import canon
from ledger.types import MILLION, Digest, Leaf, Period, parse_time
from payouts.accounts.payment import Route
from payouts.life.fields import (
    author_of,
    check_signed_fields,
    read_choice,
    read_count,
    read_instant,
    read_micros,
    read_text,
    unsigned_leaf,
)
from payouts.terms import Terms

TYPES: Final = ("mandate", "stop", "resume", "instalment")
HOURS: Final = (1, 24)
"""The least and the most hours between two instalments of a mandate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """A proposal to pay a part of what a pool's streams earned before its month is over.

    `terms` are the pool's, without the month; `rule` its rule. `early_ppm` of what a party earned so far is paid.
    At most `hour_micros` leave per hour of an interval, and at most `party_micros` per party and month.
    """

    at: str
    by: str
    key: str
    id: str
    terms: Mapping[str, Any]
    rule: Mapping[str, Any]
    early_ppm: int
    hour_micros: int
    party_micros: int
    hours: int
    via: Route
    until: str
    note: str

    @property
    def pool(self) -> str:
        return str(self.terms["pool"])

    @property
    def currency(self) -> str:
        return str(self.terms["currency"])

    @property
    def ceiling(self) -> int:
        """Return the most that one instalment pays to all parties together."""
        return self.hour_micros * self.hours

    def content(self) -> dict[str, Any]:
        """Return all that the second person signs, except who proposed it."""
        return {
            "terms": dict(self.terms),
            "rule": dict(self.rule),
            "early_ppm": self.early_ppm,
            "hour_micros": str(self.hour_micros),
            "party_micros": str(self.party_micros),
            "hours": self.hours,
            "via": self.via,
            "until": self.until,
            "note": self.note,
        }

    def leaf(self) -> Leaf:
        return unsigned_leaf("mandate", self, id=self.id, **self.content())

    @classmethod
    def read(cls, leaf: Leaf) -> Mandate:
        check_signed_fields(
            leaf, "id", "terms", "rule", "early_ppm", "hour_micros", "party_micros", "hours", "via", "until", "note"
        )
        for name in ("terms", "rule"):
            if not isinstance(leaf[name], Mapping):
                raise VerificationError(f"{name} is {leaf[name]!r}, expected an object")
        _check_pool(leaf["terms"], leaf["rule"])
        record = cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            terms=leaf["terms"],
            rule=leaf["rule"],
            early_ppm=read_count(leaf, "early_ppm"),
            hour_micros=read_micros(read_text(leaf, "hour_micros")),
            party_micros=read_micros(read_text(leaf, "party_micros")),
            hours=read_count(leaf, "hours"),
            via=read_choice(leaf, "via", ("file",)),  # a chain pays a month once, by its run
            until=read_instant(leaf, "until"),
            note=read_text(leaf, "note"),
        )
        low, high = HOURS
        _rule(low <= record.hours <= high, f"instalments every {record.hours} hours; expected from {low} to {high}")
        _rule(1 <= record.early_ppm <= MILLION, f"{record.early_ppm} ppm are paid early; expected from 1 to {MILLION}")
        _rule(record.hour_micros > 0 and record.party_micros > 0, "a ceiling is not above zero")
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One person ends all instalments of a mandate at once; what was paid stays paid."""

    at: str
    by: str
    key: str
    id: str
    mandate: str
    reason: str

    def leaf(self) -> Leaf:
        return unsigned_leaf("stop", self, id=self.id, mandate=self.mandate, reason=self.reason)

    @classmethod
    def read(cls, leaf: Leaf) -> Stop:
        check_signed_fields(leaf, "id", "mandate", "reason")
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            mandate=read_text(leaf, "mandate"),
            reason=read_text(leaf, "reason"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """A proposal to lift one stop; takes effect when a second person approves it."""

    at: str
    by: str
    key: str
    id: str
    stop: str
    note: str

    def leaf(self) -> Leaf:
        return unsigned_leaf("resume", self, id=self.id, stop=self.stop, note=self.note)

    @classmethod
    def read(cls, leaf: Leaf) -> Resume:
        check_signed_fields(leaf, "id", "stop", "note")
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            stop=read_text(leaf, "stop"),
            note=read_text(leaf, "note"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """Payments on account of an open month, handed to the mandate's route; `statement` lists them.

    `size`: how much of the home log it knows; its document names the sizes of the other logs.
    """

    at: str
    by: str
    key: str
    id: Digest
    mandate: str
    number: int
    period: str
    size: int
    micros: int
    statement: Digest

    @property
    def run(self) -> Digest:
        """Return the name under which its payments are answered."""
        return self.id

    @property
    def batch(self) -> int:
        return self.number

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            "instalment",
            self,
            id=self.id,
            mandate=self.mandate,
            number=self.number,
            period=self.period,
            size=self.size,
            micros=str(self.micros),
            statement=self.statement,
        )

    @classmethod
    def read(cls, leaf: Leaf) -> Instalment:
        check_signed_fields(leaf, "id", "mandate", "number", "period", "size", "micros", "statement")
        return cls(
            **author_of(leaf) | {"at": read_instant(leaf, "at")},
            id=read_text(leaf, "id"),
            mandate=read_text(leaf, "mandate"),
            number=read_count(leaf, "number"),
            period=str(Period.parse(read_text(leaf, "period"))),
            size=read_count(leaf, "size"),
            micros=read_micros(read_text(leaf, "micros")),
            statement=read_text(leaf, "statement"),
        )


InstalmentCheck = Callable[[int, Instalment, Mandate], None]
"""VerificationError if the document of the instalment at this index is here and is not that of its leaf and mandate."""


def pool_terms(mandate_terms: Mapping[str, Any], period: str) -> Terms:
    """Return a mandate's terms in one month."""
    return Terms.from_payload({**mandate_terms, "period": period})


def _check_pool(terms: Mapping[str, Any], rule: Mapping[str, Any]) -> None:
    """Refuse terms that are not written as a run writes them, or have no price, and a rule without name or parameters.

    A mandate that cannot be read would stop every list in which it waits for a second person.
    """
    try:
        pool = pool_terms(terms, "2026-01")
        written = {name: value for name, value in pool.payload().items() if name != "period"}
        same = canon.encode(written) == canon.encode(dict(terms))
    except (InputError, LookupError, TypeError, ValueError, AttributeError) as problem:
        raise VerificationError(f"the terms of a mandate: {problem}") from None
    _rule(same, "the terms of a mandate are not written as a run writes them")
    _rule(pool.price_micros is not None, "a mandate's pool has no price per stream")
    named = rule.keys() == {"name", "version", "params"} and isinstance(rule["name"], str)
    _rule(named and isinstance(rule["params"], Mapping), "the rule of a mandate lacks its name or its parameters")


def instalment_id(mandate: str, number: int) -> Digest:
    """Return the id of a mandate's instalment, under which its payments are answered like those of a run."""
    return canon.digest(canon.encode({"mandate": mandate, "instalment": number}))


@dataclass(slots=True)
class Mandates:
    """All mandates of a log, with their stops and instalments. Approvals are the book's."""

    mandates: dict[str, Mandate] = field(default_factory=dict)
    stops: dict[str, Stop] = field(default_factory=dict)
    resumes: dict[str, Resume] = field(default_factory=dict)
    instalments: dict[Digest, Instalment] = field(default_factory=dict)
    lifted: set[str] = field(default_factory=set)
    """Stops that two people lifted."""

    def ids(self) -> set[str]:
        return {*self.stops, *self.instalments}

    def mandate(self, name: str) -> Mandate:
        if name not in self.mandates:
            raise InputError(f"{name!r} is not a mandate of this log; see: settle live status")
        return self.mandates[name]

    def stop_of(self, name: str) -> Stop | None:
        """Return the stop that is in force."""
        return next((stop for stop in self.stops.values() if stop.mandate == name and stop.id not in self.lifted), None)

    def instalments_of(self, name: str) -> list[Instalment]:
        return [instalment for instalment in self.instalments.values() if instalment.mandate == name]

    def of_month(self, pool: str, currency: str, period: str) -> list[Instalment]:
        """Return the instalments of a pool's month, of whichever mandate, in the order of the log."""
        return [
            instalment
            for instalment in self.instalments.values()
            if instalment.period == period
            and self.mandates[instalment.mandate].pool == pool
            and self.mandates[instalment.mandate].currency == currency
        ]

    def beside(self, terms: Terms) -> list[Mandate]:
        """Return the mandates of another pool or currency that paid for streams of these terms in their month."""
        paid = dict.fromkeys(record.mandate for record in self.instalments.values() if record.period == terms.period)
        return [
            mandate
            for mandate in map(self.mandates.__getitem__, paid)
            if (mandate.pool, mandate.currency) != (terms.pool, terms.currency)
            and terms.overlaps(pool_terms(mandate.terms, terms.period))
        ]

    def take(self, record: Mandate | Stop | Resume) -> str:
        if isinstance(record, Mandate):
            self.mandates[record.id] = record
        elif isinstance(record, Stop):
            _rule(record.mandate in self.mandates, f"{record.mandate} is not a mandate of this log")
            _rule(self.stop_of(record.mandate) is None, f"mandate {record.mandate} is stopped already")
            self.stops[record.id] = record
        else:
            _rule(record.stop in self.stops, f"{record.stop} stops no mandate of this log")
            _rule(record.stop not in self.lifted, f"stop {record.stop} was lifted already")
            self.resumes[record.id] = record
        return record.id

    def pay(self, record: Instalment, *, is_approved: bool, is_closed: bool) -> str:
        """Take an instalment: of an approved mandate that runs, the next by number, an interval after the last."""
        _rule(is_approved, f"mandate {record.mandate} is not approved")
        mandate = self.mandates[record.mandate]
        earlier = self.instalments_of(record.mandate)
        _rule(self.stop_of(record.mandate) is None, f"mandate {record.mandate} is stopped")
        _rule(record.at < mandate.until, f"mandate {record.mandate} ended at {mandate.until}")
        _rule(record.at >= mandate.at, f"instalment {record.number} is dated before its mandate")
        _rule(record.period == record.at[:7], f"an instalment of {record.period} is dated {record.at}")
        _rule(not is_closed, f"period {record.period} is closed: its run pays it")
        # Each month's run takes back its own pool's instalments alone.
        others = [other.id for other in self.beside(pool_terms(mandate.terms, record.period))]
        _rule(not others, f"mandate {''.join(others[:1])} of another pool paid for the same streams in {record.period}")
        _rule(record.number == len(earlier) + 1, f"instalment {record.number} is not the next")
        _rule(record.id == instalment_id(record.mandate, record.number), f"{record.id} is not the instalment's id")
        _rule(0 < record.micros <= mandate.ceiling, f"it pays {record.micros} micros, at most {mandate.ceiling}")
        if earlier:
            due = parse_time(earlier[-1].at) + timedelta(hours=mandate.hours)
            _rule(
                parse_time(record.at) >= due,
                f"instalment {record.number} is early: the last one was at {earlier[-1].at}",
            )
        self.instalments[record.id] = record
        return record.id


def read(leaf: Leaf) -> Mandate | Stop | Resume | Instalment:
    """Read a leaf of one of the four types."""
    records: dict[str, type[Mandate | Stop | Resume | Instalment]] = {
        "mandate": Mandate,
        "stop": Stop,
        "resume": Resume,
        "instalment": Instalment,
    }
    return records[leaf["type"]].read(leaf)


def _rule(holds: bool, broken: str) -> None:  # noqa: FBT001  the condition is the subject
    if not holds:
        raise VerificationError(broken)
