"""The records of a period: one frozen record per leaf type, read strictly.

`Record.leaf()` returns the leaf before its author signs it (`ledger.proofs.leaf.sign` adds `key` and `sig`), and
`Record.read(leaf)` accepts exactly such leaves. Any other leaf is a VerificationError, which the fold turns into a
void, because a bad leaf cannot be removed from a log. A close of release 0.1 is signed by nobody: it states where the
log stood, which the log's own checkpoint signs. Since form 2 the operator signs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import ledger.proofs.leaf
from ledger.errors import InputError, VerificationError
from ledger.proofs import canon
from ledger.text import parse_hex
from ledger.types import Digest, Leaf, Period, parse_time
from payouts.accounts.clauses import Agreed
from payouts.accounts.payment import ROUTES, Route
from payouts.accounts.payment_states import Outcome
from payouts.life.fields import (
    author_of,
    check_fields,
    check_signed_fields,
    read_choice,
    read_count,
    read_instant,
    read_list,
    read_micros,
    read_text,
    unsigned_leaf,
)
from payouts.life.line_disputes import Admit, Answer, Appeal, Decide, LineDispute
from payouts.life.listener_holds import Reject
from payouts.life.mandates import TYPES as MANDATE_TYPES
from payouts.life.mandates import Instalment, Mandate, Resume, Stop
from payouts.life.revisions import Restate, Withdraw

Scope = Literal["party", "subject", "track", "source", "listeners"]
SCOPES: Final[tuple[Scope, ...]] = ("party", "subject", "track", "source", "listeners")
"""What a hold is about: a payee, a source of influence, a generated track, a platform, streams of listeners."""

HOLD_REASONS: Final = ("fraud", "dispute", "rights", "payee-incomplete", "legal", "tax")
"""Why money may be held; `payouts.statements.statement.ADVICE` has the words that a party reads."""

OUTCOMES: Final[tuple[Outcome, ...]] = ("settled", "failed", "written-off", "returned")
"""What became of a payment: it arrived, it came back (and may be tried again), it will never arrive, it arrived and
was sent back.

All but the first move money once more, so each counts only when a second person has approved it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSize:
    """The size of one log when a period was closed."""

    origin: str
    size: int
    root: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """The end of a period. The hash of its leaf is the period root."""

    at: str
    period: str
    logs: tuple[LogSize, ...]
    registry_size: int

    def leaf(self) -> Leaf:
        logs = [{"origin": log.origin, "size": log.size, "root": log.root} for log in self.logs]
        return ledger.proofs.leaf.close(
            parse_time(self.at), period=self.period, logs=logs, registry_size=self.registry_size
        )

    @classmethod
    def read(cls, leaf: Leaf) -> Close:
        check_fields(leaf, "at", "period", "logs", "registry_size", *(("key", "sig") if "sig" in leaf else ()))
        listed = read_list(leaf, "logs")
        if not all(isinstance(log, Mapping) for log in listed):
            raise VerificationError(f"logs are {listed!r}, expected objects")
        logs = tuple(
            LogSize(origin=read_text(log, "origin"), size=read_count(log, "size"), root=read_text(log, "root"))
            for log in listed
        )
        period = str(Period.parse(read_text(leaf, "period")))
        return cls(at=read_text(leaf, "at"), period=period, logs=logs, registry_size=read_count(leaf, "registry_size"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run; `run` is its key and `statement` the digest of its signed document."""

    at: str
    by: str
    key: str
    run: Digest
    period: str
    pool: str
    sequence: int
    engine: str
    """What summed the usage; engines only sum, so it is no part of what the run is."""
    statement: Digest

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            "run",
            self,
            run=self.run,
            period=self.period,
            pool=self.pool,
            sequence=self.sequence,
            engine=self.engine,
            statement=self.statement,
        )

    @classmethod
    def read(cls, leaf: Leaf) -> Run:
        check_signed_fields(leaf, "run", "period", "pool", "sequence", "engine", "statement")
        return cls(
            **author_of(leaf),
            run=read_text(leaf, "run"),
            period=read_text(leaf, "period"),
            pool=read_text(leaf, "pool"),
            sequence=read_count(leaf, "sequence"),
            engine=read_text(leaf, "engine"),
            statement=read_text(leaf, "statement"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """A second person's signature under a run, a release, an adjustment, a reversal, terms or a lost payment.

    `document` is what is signed: the digest of the run's signed document, or the hash of the other proposal's leaf.
    `demo`: the key is the workspace's own approver key, which the operator may hold as well.
    """

    at: str
    by: str
    key: str
    subject: str
    document: Digest
    demo: bool

    def leaf(self) -> Leaf:
        return unsigned_leaf("approve", self, subject=self.subject, document=self.document, demo=self.demo)

    @classmethod
    def read(cls, leaf: Leaf) -> Approve:
        check_signed_fields(leaf, "subject", "document", "demo")
        return cls(
            **author_of(leaf),
            subject=read_text(leaf, "subject"),
            document=read_text(leaf, "document"),
            demo=read_choice(leaf, "demo", (False, True)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """The publication of a run, which makes its statements binding.

    It has one payment intent per payee, each with its route.
    """

    at: str
    by: str
    key: str
    run: Digest
    statement: Digest

    def leaf(self) -> Leaf:
        return unsigned_leaf("publish", self, run=self.run, statement=self.statement)

    @classmethod
    def read(cls, leaf: Leaf) -> Publish:
        check_signed_fields(leaf, "run", "statement")
        return cls(**author_of(leaf), run=read_text(leaf, "run"), statement=read_text(leaf, "statement"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pay:
    """One batch of a published run's intents handed to one route; `statement` lists them."""

    at: str
    by: str
    key: str
    run: Digest
    via: Route
    batch: int
    statement: Digest

    def leaf(self) -> Leaf:
        return unsigned_leaf("pay", self, run=self.run, via=self.via, batch=self.batch, statement=self.statement)

    @classmethod
    def read(cls, leaf: Leaf) -> Pay:
        check_signed_fields(leaf, "run", "via", "batch", "statement")
        return cls(
            **author_of(leaf),
            run=read_text(leaf, "run"),
            via=read_choice(leaf, "via", ROUTES),
            batch=read_count(leaf, "batch"),
            statement=read_text(leaf, "statement"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """An outcome of one intent from the bank or the chain: `settled` takes effect at once and is final.

    `failed`, `written-off` and `returned` are proposals, which a second person approves.
    """

    at: str
    by: str
    key: str
    run: Digest
    party: str
    outcome: Outcome
    reference: str

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            "payment", self, run=self.run, party=self.party, outcome=self.outcome, reference=self.reference
        )

    def claim(self, heard: int) -> str:
        """Return the proposal's id from the number of earlier outcomes of this payment."""
        content = {"run": self.run, "party": self.party, "outcome": self.outcome, "nth": heard}
        return f"payment-{canon.digest(canon.encode(content))[:20]}"

    def may_follow(self, heard: Sequence[Payment]) -> bool:
        """Return whether this outcome is possible after others of its payment: after settled, only returned."""
        last = heard[-1].outcome if heard else None
        return last == "settled" if self.outcome == "returned" else last in (None, "failed")

    @classmethod
    def read(cls, leaf: Leaf) -> Payment:
        check_signed_fields(leaf, "run", "party", "outcome", "reference")
        return cls(
            **author_of(leaf),
            run=read_text(leaf, "run"),
            party=read_text(leaf, "party"),
            outcome=read_choice(leaf, "outcome", OUTCOMES),
            reference=read_text(leaf, "reference"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Money of a party, a source, a track, a platform's or some listeners' streams that is not to be paid for now.

    `statement` is there for `listeners` alone: the digest of their list, `subject` being its month. `until`, set at its
    opening, is when it may end without a second person; `witnesses` is a tlog-policy whose witnesses' clocks must show
    that this time has come.
    """

    at: str
    by: str
    key: str
    id: str
    scope: Scope
    subject: str
    reason: str
    until: str | None = None
    witnesses: str | None = None
    statement: Digest | None = None

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            "hold",
            self,
            id=self.id,
            scope=self.scope,
            subject=self.subject,
            reason=self.reason,
            until=self.until,
            witnesses=self.witnesses,
            statement=self.statement,
        )

    @classmethod
    def read(cls, leaf: Leaf) -> Hold:
        ends, seen, lists = "until" in leaf, "witnesses" in leaf, leaf.get("scope") == "listeners"
        present = leaf.keys() & {"until", "witnesses"} | ({"statement"} if lists else set())
        check_signed_fields(leaf, "id", "scope", "subject", "reason", *present)
        if lists:
            parse_hex(leaf["statement"], "statement", 32)  # a run looks the list up by it
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            scope=read_choice(leaf, "scope", SCOPES),
            subject=read_text(leaf, "subject"),
            reason=read_choice(leaf, "reason", HOLD_REASONS),
            until=read_instant(leaf, "until") if ends else None,
            witnesses=read_text(leaf, "witnesses") if seen else None,
            statement=read_text(leaf, "statement") if lists else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """The end of a hold after its `until`; it needs no second person.

    `checkpoint`, where the hold names witnesses: one that they cosigned after that time.
    """

    at: str
    by: str
    key: str
    id: str
    hold: str
    checkpoint: str | None = None

    def leaf(self) -> Leaf:
        return unsigned_leaf("expire", self, id=self.id, hold=self.hold, checkpoint=self.checkpoint)

    @classmethod
    def read(cls, leaf: Leaf) -> Expire:
        shown = "checkpoint" in leaf
        check_signed_fields(leaf, "id", "hold", *(["checkpoint"] if shown else []))
        return cls(
            **{**author_of(leaf), "at": read_instant(leaf, "at")},
            id=read_text(leaf, "id"),
            hold=read_text(leaf, "hold"),
            checkpoint=read_text(leaf, "checkpoint") if shown else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A proposal to end a hold, or terms; takes effect when a second person approves it.

    `hold` is the id of either, or `run/party/reason` for money that the registry and no hold stopped in that run.
    """

    at: str
    by: str
    key: str
    id: str
    hold: str
    note: str

    def leaf(self) -> Leaf:
        return unsigned_leaf("release", self, id=self.id, hold=self.hold, note=self.note)

    @classmethod
    def read(cls, leaf: Leaf) -> Release:
        check_signed_fields(leaf, "id", "hold", "note")
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            hold=read_text(leaf, "hold"),
            note=read_text(leaf, "note"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjust:
    """A correction booked in a later period: it names the line it corrects and never changes it."""

    at: str
    by: str
    key: str
    id: str
    period: str
    pool: str
    currency: str
    party: str
    micros: int
    reason: str
    line: Digest

    def leaf(self) -> Leaf:
        return unsigned_leaf(
            "adjust",
            self,
            id=self.id,
            period=self.period,
            pool=self.pool,
            currency=self.currency,
            party=self.party,
            micros=str(self.micros),
            reason=self.reason,
            line=self.line,
        )

    @classmethod
    def read(cls, leaf: Leaf) -> Adjust:
        check_signed_fields(leaf, "id", "period", "pool", "currency", "party", "micros", "reason", "line")
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            period=read_text(leaf, "period"),
            pool=read_text(leaf, "pool"),
            currency=read_text(leaf, "currency"),
            party=read_text(leaf, "party"),
            micros=read_micros(read_text(leaf, "micros")),
            reason=read_text(leaf, "reason"),
            line=read_text(leaf, "line"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse:
    """A proposal to undo a published run as a whole; once approved the (period, pool) may be run again."""

    at: str
    by: str
    key: str
    id: str
    run: Digest
    reason: str

    def leaf(self) -> Leaf:
        return unsigned_leaf("reverse", self, id=self.id, run=self.run, reason=self.reason)

    @classmethod
    def read(cls, leaf: Leaf) -> Reverse:
        check_signed_fields(leaf, "id", "run", "reason")
        return cls(
            **author_of(leaf),
            id=read_text(leaf, "id"),
            run=read_text(leaf, "run"),
            reason=read_text(leaf, "reason"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Agree:
    """A proposal of terms: a deduction from a party's money, its currency, or an exchange rate."""

    at: str
    by: str
    key: str
    agreed: Agreed

    @property
    def id(self) -> str:
        return self.agreed.id

    def leaf(self) -> Leaf:
        return unsigned_leaf("agree", self, **self.agreed.payload())

    @classmethod
    def read(cls, leaf: Leaf) -> Agree:
        names = ("id", "period", "note")
        check_signed_fields(leaf, *names, "clause")
        if not isinstance(leaf["clause"], Mapping):
            raise VerificationError(f"clause is {leaf['clause']!r}, expected an object")
        texts = {name: read_text(leaf, name) for name in names}
        try:
            agreed = Agreed.from_payload({**texts, "clause": leaf["clause"]})
        except InputError as problem:
            raise VerificationError(str(problem)) from None
        return cls(**author_of(leaf), agreed=agreed)


Proposal = Run | Release | Reject | Adjust | Reverse | Restate | Agree | Payment | Admit | Decide | Mandate | Resume
"""What one person makes and another must approve; each carries its maker and the maker's key."""

Act = (
    Run
    | Approve
    | Publish
    | Pay
    | Payment
    | Hold
    | Expire
    | Release
    | Reject
    | Adjust
    | Reverse
    | Restate
    | Withdraw
    | Agree
    | LineDispute
    | Admit
    | Answer
    | Decide
    | Appeal
    | Mandate
    | Stop
    | Resume
    | Instalment
)
"""What a person does, signed in its leaf."""

TYPES: Final = (
    "close", "run", "approve", "publish", "pay", "payment", "hold", "expire", "release", "reject", "adjust", "reverse",
    "agree", "restate", "withdraw", "contest", "admit", "answer", "decide", "appeal", *MANDATE_TYPES,
)  # fmt: skip
"""The leaf types that make up the life of a period."""
