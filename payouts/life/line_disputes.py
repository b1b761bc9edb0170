"""Fold disputes of lines: objections of entitled parties to an influence, amount, permission or payment of a run.

The claimant signs it with a key of their own; for a party without a key, the operator enters what it says. The operator
admits it or not; once admitted, at most what the claimant claims is held of the other side's money, for at most 30
days. The other side answers, two people decide, of whom the approver is no party, and either side may appeal once. The
run and the registry decide who is entitled; this is checked before a dispute is entered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, Self

from ledger.errors import InputError, VerificationError
from ledger.text import parse_hex
from ledger.types import Digest, Leaf, format_time, parse_time
from payouts.life.fields import (
    author_of,
    check_signed_fields,
    read_choice,
    read_count,
    read_instant,
    read_list,
    read_micros,
    read_text,
    unsigned_leaf,
)

Subject = Literal["influence", "amount", "permission", "payment"]
ABOUT: Final[tuple[Subject, ...]] = ("influence", "amount", "permission", "payment")
Decision = Literal["upheld", "rejected"]
DECISIONS: Final[tuple[Decision, ...]] = ("upheld", "rejected")
SPEAKERS: Final[Mapping[str, str]] = {"contest": "claimant", "answer": "party", "appeal": "party"}
"""By leaf type, the field that names the party whose word the leaf is."""
DAYS: Final = 30
"""How long money is held, how long the other side has to answer, and how long an outcome may be appealed."""


def after(at: str) -> str:
    """Return the end of a term that begins at this time."""
    return format_time(parse_time(at) + timedelta(days=DAYS))


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDispute:
    """An objection to a published run. `against`: the party whose money is contested; may be empty."""

    at: str
    by: str
    key: str
    id: str
    run: Digest
    about: Subject
    subject: str
    """The track, recording or work it is about; empty for an amount or a payment as a whole."""
    claimant: str
    against: str
    micros: int
    text: str
    evidence: tuple[Digest, ...]

    @property
    def slot(self) -> tuple[str, ...]:
        """Return the key under which only one dispute can be open."""
        return self.claimant, self.run, self.about, self.subject

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            "contest",
            self,
            id=self.id,
            run=self.run,
            about=self.about,
            subject=self.subject,
            claimant=self.claimant,
            against=self.against,
            micros=str(self.micros),
            text=self.text,
            evidence=list(self.evidence),
        )

    @classmethod
    def read(cls, leaf: Leaf) -> LineDispute:
        names = ("id", "run", "subject", "claimant", "against", "text")
        check_signed_fields(leaf, *names, "about", "micros", "evidence")
        micros = read_micros(read_text(leaf, "micros"))
        if micros <= 0 or not leaf["claimant"] or leaf["claimant"] == leaf["against"]:
            raise VerificationError("a dispute claims more than nothing, of somebody else")
        return cls(
            **author_of(leaf),
            **{name: read_text(leaf, name) for name in names},
            about=read_choice(leaf, "about", ABOUT),
            micros=micros,
            evidence=_digests(leaf),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """The operator admits a dispute. A second person must agree if an earlier similar one was rejected."""

    at: str
    by: str
    key: str
    id: str
    dispute: str
    until: str

    def leaf(self) -> Leaf:
        return unsigned_leaf("admit", self, id=self.id, dispute=self.dispute, until=self.until)

    @classmethod
    def read(cls, leaf: Leaf) -> Admit:
        check_signed_fields(leaf, "id", "dispute", "until")
        until = read_instant(leaf, "until")
        if not leaf["at"] < until <= after(read_instant(leaf, "at")):
            raise VerificationError(f"money is held for at most {DAYS} days from admission, not until {until}")
        return cls(**author_of(leaf), id=read_text(leaf, "id"), dispute=read_text(leaf, "dispute"), until=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """What a party says in a dispute. The leaf type is the name of the class."""

    at: str
    by: str
    key: str
    dispute: str
    party: str
    text: str
    evidence: tuple[Digest, ...]

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            type(self).__name__.lower(),
            self,
            dispute=self.dispute,
            party=self.party,
            text=self.text,
            evidence=list(self.evidence),
        )

    @classmethod
    def read(cls, leaf: Leaf) -> Self:
        names = ("dispute", "party", "text")
        check_signed_fields(leaf, *names, "evidence")
        return cls(**author_of(leaf), **{name: read_text(leaf, name) for name in names}, evidence=_digests(leaf))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(_Statement):
    """An answer to a dispute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """A proposed outcome; it takes effect when a second person approves. `micros`: the claimant's amount."""

    at: str
    by: str
    key: str
    id: str
    dispute: str
    round: int
    """1 for the first outcome, 2 after an appeal."""
    decision: Decision
    micros: int
    text: str

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            "decide",
            self,
            id=self.id,
            dispute=self.dispute,
            round=self.round,
            decision=self.decision,
            micros=str(self.micros),
            text=self.text,
        )

    @classmethod
    def read(cls, leaf: Leaf) -> Decide:
        check_signed_fields(leaf, "id", "dispute", "round", "decision", "micros", "text")
        decision: Decision = read_choice(leaf, "decision", DECISIONS)
        micros = read_micros(read_text(leaf, "micros"))
        if micros < 0 or (decision == "rejected") != (micros == 0):
            raise VerificationError(f"a dispute is {decision} with {micros} micros")
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            dispute=read_text(leaf, "dispute"),
            round=read_count(leaf, "round"),
            decision=decision,
            micros=micros,
            text=read_text(leaf, "text"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal(_Statement):
    """An appeal of either side, once, within 30 days of the outcome."""


def _digests(leaf: Leaf) -> tuple[Digest, ...]:
    digests = read_list(leaf, "evidence")
    for digest in digests:
        parse_hex(digest, "evidence", 32)
    return tuple(digests)


@dataclass(slots=True)
class DisputeFile:
    """One dispute with all its valid records."""

    opened: LineDispute
    admitted: Admit | None = None
    admitted_at: int = 0
    """Where in the log it came to be admitted."""
    beside: tuple[str, ...] = ()
    """Disputes of the same money that held some of it then."""
    awarded_before: int = 0
    """What outcomes of other disputes had taken of the same money by then."""
    answers: list[Answer] = field(default_factory=list)
    outcomes: list[Decide] = field(default_factory=list)
    """Approved by a second person: one, and one more after an appeal."""
    decided_by: list[str] = field(default_factory=list)
    """Who approved each outcome."""
    decided_at: list[int] = field(default_factory=list)
    """Where in the log each outcome came to count."""
    appeal: Appeal | None = None
    lapsed: bool = False
    """Its hold reached its end."""

    @property
    def parties(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.opened.claimant, self.opened.against)))

    @property
    def is_open(self) -> bool:
        """Return whether an outcome is still to come."""
        return len(self.outcomes) < (1 if self.appeal is None else 2)

    @property
    def holds_money(self) -> bool:
        return self.admitted is not None and not self.lapsed and not self.outcomes

    @property
    def state(self) -> str:
        if self.outcomes and not self.is_open:
            return self.outcomes[-1].decision
        if self.appeal is not None:
            return "appealed"
        return "opened" if self.admitted is None else "admitted" if not self.lapsed else "admitted, hold ended"


class Disputes:
    """The rules of disputes: each method applies one record, or refuses it with a VerificationError."""

    def __init__(self) -> None:
        self.files: dict[str, DisputeFile] = {}
        self.admits: dict[str, Admit] = {}
        self.resolves: dict[str, Decide] = {}

    def file(self, name: str) -> DisputeFile:
        if name not in self.files:
            raise InputError(f"{name!r} is not a dispute of a line in this log")
        return self.files[name]

    def rejected_before(self, record: LineDispute) -> bool:
        """Return whether a similar dispute of the same claimant was rejected: then two people must admit the next."""
        return any(
            other.opened.slot == record.slot and other.state == "rejected" and other.opened.id != record.id
            for other in self.files.values()
        )

    def open_like(self, record: LineDispute) -> str | None:
        """The id of another open dispute of the same claimant about the same."""
        return next(
            (name for name, other in self.files.items() if other.opened.slot == record.slot and other.is_open), None
        )

    def open(self, record: LineDispute) -> None:
        self._check_alone(record)
        self.files[record.id] = DisputeFile(record)

    def admit(self, record: Admit, index: int) -> None:
        """Apply an admission at once, unless it needs a second person."""
        dispute = self._to_admit(record)
        self.admits[record.id] = record
        if not self.rejected_before(dispute.opened):
            self._take_up(dispute, record, index)

    def admit_by_two(self, record: Admit, by: str, index: int, at: str) -> None:
        """A second person agreed at this place of the log and time, which must not be after the hold's end."""
        self._check_impartial(self.file(record.dispute), by)
        _check(at < record.until, f"admission {record.id} waited until its end, {record.until}; it is admitted anew")
        self._take_up(self._to_admit(record), record, index)

    def _take_up(self, dispute: DisputeFile, record: Admit, index: int) -> None:
        """Record other claims to the same money: together they hold no more than the amount."""
        others = [
            other
            for other in self.files.values()
            if other is not dispute
            and (other.opened.run, other.opened.against) == (dispute.opened.run, dispute.opened.against)
        ]
        dispute.beside = tuple(other.opened.id for other in others if other.holds_money)
        dispute.awarded_before = sum(other.outcomes[-1].micros for other in others if other.outcomes)
        dispute.admitted, dispute.admitted_at = record, index

    def _to_admit(self, record: Admit) -> DisputeFile:
        dispute = self.file(record.dispute)
        self._check_open(dispute)
        _check(dispute.admitted is None, f"dispute {record.dispute} is admitted already")
        return dispute

    def answer(self, record: Answer) -> None:
        dispute = self.file(record.dispute)
        self._check_open(dispute)
        _check(record.party in dispute.parties, f"{record.party} is no party to dispute {record.dispute}")
        dispute.answers.append(record)

    def resolve(self, record: Decide) -> None:
        dispute = self.file(record.dispute)
        self._check_outcome(dispute, record)
        self.resolves[record.id] = record

    def decide(self, record: Decide, by: str, index: int) -> None:
        """Apply an outcome from its approval on; after an appeal, its approver had no part in the first."""
        dispute = self.file(record.dispute)
        self._check_outcome(dispute, record)
        self._check_impartial(dispute, by)
        _check(by not in dispute.decided_by, f"{by} approved the outcome that is appealed")
        _check(all(by != outcome.by for outcome in dispute.outcomes), f"{by} proposed the outcome that is appealed")
        dispute.outcomes.append(record)
        dispute.decided_by.append(by)
        dispute.decided_at.append(index)

    def take_appeal(self, record: Appeal) -> None:
        dispute = self.file(record.dispute)
        _check(
            len(dispute.outcomes) == 1 and dispute.appeal is None, "there is no outcome to appeal, or it was appealed"
        )
        _check(record.party in dispute.parties, f"{record.party} is no party to dispute {record.dispute}")
        _check(record.at <= after(dispute.outcomes[0].at), f"an outcome is appealed within {DAYS} days")
        self._check_alone(dispute.opened)
        dispute.appeal = record

    def lapse(self, name: str, at: str) -> None:
        """The hold of an admitted dispute ends at its date."""
        dispute = self.file(name)
        admitted = dispute.admitted
        _check(dispute.holds_money and admitted is not None and admitted.until <= at, f"{name} has not reached its end")
        dispute.lapsed = True

    def decided_since(self, run: Digest, size: int) -> str | None:
        """The id of a dispute of this run of which an outcome came to count at this size of the log or later."""
        return next(
            (
                name
                for name, dispute in self.files.items()
                if dispute.opened.run == run and any(index >= size for index in dispute.decided_at)
            ),
            None,
        )

    def ids(self) -> Mapping[str, object]:
        """Return every id in use."""
        return {**self.files, **self.admits, **self.resolves}

    def _check_alone(self, record: LineDispute) -> None:
        """Two open disputes of the same could both be upheld, and paid."""
        other = self.open_like(record)
        _check(other is None, f"{record.claimant} disputes this already, as {other}")

    @staticmethod
    def _check_impartial(dispute: DisputeFile, by: str) -> None:
        _check(by not in dispute.parties, f"{by} is a party to dispute {dispute.opened.id} and does not decide it")

    @staticmethod
    def _check_open(dispute: DisputeFile) -> None:
        _check(dispute.is_open, f"dispute {dispute.opened.id} is {dispute.state}")

    def _check_outcome(self, dispute: DisputeFile, record: Decide) -> None:
        self._check_open(dispute)
        _check(record.round == len(dispute.outcomes) + 1, f"round {record.round} is not the next of {record.dispute}")
        _check(record.micros <= dispute.opened.micros, "an outcome gives more than was claimed")


def _check(holds: bool, broken: str) -> None:  # noqa: FBT001  the condition is the subject
    if not holds:
        raise VerificationError(broken)
