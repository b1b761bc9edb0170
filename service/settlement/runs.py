"""Runs: gathering what one depends on, calculating it, and reading one back from the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ledger.errors import StateError, VerificationError
from ledger.log.append import Log
from ledger.proofs import canon, dsse, vector
from ledger.types import Digest, InfluenceVector, Period
from payouts import document as doc
from payouts.accounts.account import Account, Correction, accounts
from payouts.accounts.clauses import Agreed
from payouts.accounts.deductions import Stages
from payouts.compute import Inputs, Line, Outcome, compute
from payouts.document import Document, Given
from payouts.life.book import Book
from payouts.life.records import Hold as HoldRecord
from payouts.life.records import Run
from payouts.protocols import Hold, UsageRow
from payouts.rules.base import Rule
from payouts.rules.catalogue import make_rule
from payouts.statements.statement import held_line
from payouts.terms import Terms
from service.log.logs import Listed, listed
from service.settlement.registered import Registered
from service.settlement.usage import DEFAULT, PLAIN, Progress, check_engine, seal, sealed_up_to, summed

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What finance asks for; everything else follows from the log."""

    period: str
    terms: Terms
    rule: Rule
    engine: str = DEFAULT


# --- reading back -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """A run as the log holds it: its record, its signed document, its tables."""

    record: Run
    payload: dict[str, Any]
    log: Log = field(repr=False)

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
        given = self.payload["inputs"]["rule"]
        rule = make_rule(given["name"], {name: str(value) for name, value in given["params"].items()})
        if rule.version != given["version"]:
            raise StateError(
                f"run {self.record.run[:16]} used {rule.name} version {given['version']}; version {rule.version} is "
                "installed here, install the other to explain it"
            )
        return rule

    @property
    def holds(self) -> tuple[Hold, ...]:
        return tuple(Hold(**hold) for hold in self.payload["inputs"]["holds"])

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of one of its tables."""
        return doc.decode_rows(self.log.blob(self.payload["tables"][name]["sha256"]))

    @cached_property
    def outcome(self) -> Outcome:
        return doc.read_outcome(self.payload, self.table)

    @cached_property
    def accounts(self) -> dict[str, Account]:
        return {row["party"]: Account.from_payload(row) for row in self.table("accounts")}

    @cached_property
    def usage(self) -> list[UsageRow]:
        return [doc.read_usage(row) for row in self.table("usage")]


def load(log: Log, run: Run) -> Stored:
    """The run behind a record; its document must carry the record's own id."""
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


def check_close(book: Book, stored: Stored) -> None:
    """Refuse a run over a close that has no effect: a period's first close alone says which events are its own."""
    period, inputs = stored.record.period, stored.payload["inputs"]
    root = book.period_root(period).hex()
    if (inputs["period_root"], inputs["registry_size"]) != (root, book.closes[period].registry_size):
        raise VerificationError(
            f"run {stored.record.run[:16]} is over period root {inputs['period_root'][:16]}, and {period} was closed "
            f"with {root[:16]}: calculate it again, settle run --period {period}"
        )


# --- gathering ----------------------------------------------------------------------------------


def holds_of(records: Iterable[HoldRecord]) -> tuple[Hold, ...]:
    """Open holds as the computation takes them, by id."""
    return tuple(
        Hold(id=one.id, reason=one.reason, **{one.scope: one.subject})
        for one in sorted(records, key=lambda one: one.id)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a run takes over: balances from the run it follows, corrections nobody has booked, terms in force."""

    follows: Digest | None
    opening: dict[str, int]
    corrections: tuple[Correction, ...]
    stages: Stages
    unattributed: int = 0
    """What that run's terms leave to the next pool."""


def carried(log: Log, book: Book, *, period: str, pool: str, currency: str) -> Carried:
    """Balances and corrections waiting for the next run of a pool.

    If this (period, pool) is published already, those that were waiting for that run: calculating the same
    thing again comes to the same key.
    """
    standing = book.standing(pool)
    published = book.slots.get((period, pool, book.sequence(period, pool)))
    if published is not None:
        standing = standing[: [run.run for run in standing].index(published)]
    before = [stored for run in standing if (stored := load(log, run)).currency == currency]
    booked = {entry for stored in before for entry in stored.entries}
    waiting = [
        one
        for one in _corrections(log, book, before, pool=pool, currency=currency, period=period)
        if one.id not in booked
    ]
    last = before[-1] if before else None
    opening = {} if last is None else {party: one.carried for party, one in last.accounts.items() if one.carried}
    kept = {} if last is None else {party: one.deductions.after for party, one in last.accounts.items()}
    left = last.outcome.unattributed if last is not None and last.terms.unattributed == "carry" else 0
    return Carried(
        follows=None if last is None else last.record.run,
        opening=opening,
        corrections=tuple(sorted(waiting)),
        stages=Stages(
            period=period,
            agreed=book.agreed(pool=pool, currency=currency, period=period),
            before={party: balances for party, balances in kept.items() if balances},
        ),
        unattributed=left,
    )


def _corrections(
    log: Log, book: Book, before: list[Stored], *, pool: str, currency: str, period: str
) -> Iterator[Correction]:
    """Everything that may be booked by a run of this pool and period, booked before or not."""
    for adjust in book.adjusts.values():
        if book.approved(adjust.id) and (adjust.pool, adjust.currency) == (pool, currency) and adjust.period <= period:
            yield Correction(
                id=adjust.id, kind="adjustment", party=adjust.party, micros=adjust.micros, run=adjust.line,
                reason=adjust.reason,
            )  # fmt: skip
    released = book.lifted()
    for stored in before:
        yield from _released(stored, released)
        yield from _returned(book, stored)
    for key in book.published:
        record = book.runs[key]
        if record.pool == pool and book.reversed(key) and (undone := load(log, record)).currency == currency:
            for party, micros in paid_out(log, book, undone).items():
                yield Correction(id=reversal(key), kind="reversal", party=party, micros=-micros, run=key)


def reversal(run: Digest) -> str:
    """The name under which what a reversed run paid is booked back."""
    return f"reversal@{run}"


def _returned(book: Book, stored: Stored) -> Iterator[Correction]:
    """Payments of a run that were given up as never arriving."""
    run = stored.record.run
    for (paid_run, party), heard in book.payments.items():
        if paid_run == run and heard[-1].outcome == "written-off":
            micros = stored.accounts[party].payable
            yield Correction(id=f"returned@{run}/{party}", kind="returned", party=party, micros=micros, run=run)


def _released(stored: Stored, released: dict[str, str]) -> Iterator[Correction]:
    """Money of a run whose hold, or reason to be held, has been lifted since: by two people, or at its end."""
    run = stored.record.run
    named = {hold.id for hold in stored.holds} | {name for name in released if name.startswith(f"{run}/")}
    if not named & released.keys():
        return
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for line in stored.outcome.lines:
        name = line.ref or held_line(run, line.party, line.reason)
        if line.state == "held" and line.micros and name in released:
            sums[released[name], line.party] += line.micros
    for (release, party), micros in sums.items():
        yield Correction(id=f"{release}@{run}", kind="release", party=party, micros=micros, run=run)


def paid_out(log: Log, book: Book, stored: Stored) -> dict[str, int]:
    """What was handed to a route for each payee of a run and is not known to have come back."""
    run = stored.record.run
    sent: Counter[str] = Counter()
    micros: dict[str, int] = {}
    for batch in book.batches.get(run, []):
        for payment in payments_of(log, batch.statement):
            sent[payment["party"]] += 1
            micros[payment["party"]] = int(payment["micros"])
    lost = {party for party in sent if (heard := book.payment_of(run, party)) and heard.outcome == "written-off"}
    return {party: micros[party] for party in micros if sent[party] > book.failures(run, party) and party not in lost}


def handed_over(log: Log, book: Book, run: Digest) -> set[str]:
    """Payees whose intent was handed to its route, and has not come back as often."""
    batches = book.batches.get(run, [])
    sent = Counter(payment["party"] for batch in batches for payment in payments_of(log, batch.statement))
    return {party for party, times in sent.items() if times > book.failures(run, party)}


def payments_of(log: Log, statement: Digest) -> list[dict[str, Any]]:
    """The payments of one batch: party, micros, reference."""
    payload = canon.decode_object(dsse.parse(log.blob(statement)).payload, "payments")
    payments: list[dict[str, Any]] = payload["payments"]
    return payments


def given_of(ws: Workspace, book: Book, request: Request, takes: Carried) -> Given:
    """What names the run; StateError while its period is open."""
    close = book.close(request.period)
    if close is None:
        raise StateError(f"period {request.period} is open; close it first: settle period close {request.period}")
    for one in takes.stages.unpriced(request.terms.currency):
        raise StateError(_unpriced(one, request.terms.currency, request.period))
    return Given(
        period_root=book.period_root(request.period),
        registry_size=close.registry_size,
        sequence=book.sequence(request.period, request.terms.pool),
        terms=request.terms,
        rule=request.rule,
        holds=holds_of(book.open_holds()),
        follows=takes.follows,
        entries=tuple(sorted({one.id for one in takes.corrections})),
        minimum=ws.settings.number("payouts.minimum_micros"),
        carried=takes.unattributed,
        agreed=takes.stages.terms,
        fx=takes.stages.rates,
    )


def _unpriced(one: Agreed, currency: str, period: str) -> str:
    return (
        f"{one.party} is paid in {one.paid_in}, and {period} has no rate from {currency}; record one: "
        f"settle terms rate {currency} {one.paid_in} --period {period} --rate R --source S --date D"
    )


# --- calculating --------------------------------------------------------------------------------


def vectors_of(log: Log, rows: Sequence[UsageRow]) -> dict[Digest, InfluenceVector]:
    """The vectors that usage is bound to, from their signed statements; each must have been assigned, or logged."""
    reading = log.reading()
    for row in rows:
        if row.vector is not None and not reading.pays(row.track, row.vector, reading.size):
            raise VerificationError(
                f"track {row.track} is said to pay by vector {row.vector[:16]}, which nobody entitled assigned to it "
                "(finding V3); `settle ledger fsck` lists the leaves without effect"
            )
    digests = sorted({row.vector for row in rows if row.vector is not None})
    return {digest: vector.read_statement(log.blob(digest)) for digest in digests}


def inputs_of(ws: Workspace, given: Given, rows: list[UsageRow]) -> Inputs:
    """What the computation is given, with the registry as known at the close."""
    vectors = vectors_of(ws.log, rows)
    view = Registered(
        ws.registry.view(given.registry_size),
        vectors=vectors,
        ends=Period.parse(given.terms.period).end,
        blob=ws.log.blob,
    )
    return Inputs(
        terms=given.terms, rule=given.rule, period_root=given.period_root, usage=rows, vectors=vectors, view=view,
        holds=given.holds, carried=given.carried,
    )  # fmt: skip


def given_again(stored: Stored) -> Given:
    """What a run was given, from its document."""
    return replace(Given.from_payload(stored.payload["inputs"]), rule=stored.rule)


def again(ws: Workspace, stored: Stored, **changed: Any) -> Inputs:
    """The inputs of a run once more, from its own usage table; `changed` replaces some of them."""
    return replace(inputs_of(ws, given_again(stored), stored.usage), **changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculated:
    """A run that may or may not be written to the log."""

    outcome: Outcome
    document: Document
    accounts: tuple[Account, ...]


def ready(ws: Workspace, logs: Sequence[Listed], engine: str, *, dry_run: bool, on_progress: Progress) -> str:
    """The engine to use: segments up to the close are sealed first, except for a dry run, which reads the log.

    Another workspace's log is sealed there: only its own key signs for its segments.
    """
    check_engine(engine)
    if engine == PLAIN:
        return PLAIN
    behind = [one for one in logs if not sealed_up_to(one.log, one.membership.size)]
    if not behind:
        return engine
    if dry_run or (behind[0].log is ws.log and not seal(ws, behind[0].membership.size, on_progress)):
        return PLAIN
    return engine


def calculate(
    ws: Workspace, book: Book, given: Given, takes: Carried, *, engine: str, on_progress: Progress
) -> Calculated:
    """The run: usage, outcome, accounts, document. Reads, writes nothing."""
    logs = listed(ws, book, given.terms.period)
    view = ws.registry.view(given.registry_size)
    rows = summed(logs, engine=engine, view=view, terms=given.terms, rule=given.rule, on_progress=on_progress)
    inputs = inputs_of(ws, given, rows)
    outcome = compute(inputs)
    booked = accounts(
        currency=given.terms.currency,
        minimum=given.minimum,
        opening=takes.opening,
        earned=outcome.allocated_by_party(),
        corrections=takes.corrections,
        stages=takes.stages,
    )
    return Calculated(outcome=outcome, document=doc.draw_up(given, rows, outcome, booked), accounts=tuple(booked))


def lines_of(outcome: Outcome, party: str) -> list[Line]:
    """The lines of one party."""
    return [line for line in outcome.lines if line.party == party]
