"""Runs: gathering what one depends on, calculating it, and reading one back from the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ledger.errors import StateError, VerificationError
from ledger.log.append import Log
from ledger.proofs import canon, dsse, leaf, vector
from ledger.types import Digest, InfluenceVector, Period
from payouts import document as doc
from payouts.accounts.account import Account, Correction, accounts
from payouts.accounts.clauses import Agreed
from payouts.accounts.deductions import Stages
from payouts.accounts.transfers import HandedOver, PartyPayment, PaymentNews, follow
from payouts.compute import Inputs, Line, Outcome, compute
from payouts.document import Document, Given
from payouts.life.book import Book
from payouts.life.records import Hold as HoldRecord
from payouts.life.records import Pay, Run
from payouts.protocols import HoldMatch, UsageRow
from payouts.rules.base import Rule
from payouts.rules.catalogue import make_rule
from payouts.statements.statement import held_line
from payouts.terms import Terms
from service.log.logs import Listed, listed
from service.settlement.registered import RegistryView
from service.settlement.step import read_book
from service.settlement.usage import DEFAULT, PLAIN, Progress, check_engine, seal, sealed_up_to, summed

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
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
    def holds(self) -> tuple[HoldMatch, ...]:
        return tuple(HoldMatch(**hold) for hold in self.payload["inputs"]["holds"])

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


def holds_of(records: Iterable[HoldRecord]) -> tuple[HoldMatch, ...]:
    """Open holds as the computation takes them, by id."""
    return tuple(
        HoldMatch(id=one.id, reason=one.reason, **{one.scope: one.subject})
        for one in sorted(records, key=lambda one: one.id)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCarryover:
    """What a run takes over: balances from the run it follows, corrections nobody has booked, terms in force."""

    follows: Digest | None
    opening: dict[str, int]
    corrections: tuple[Correction, ...]
    stages: Stages
    unattributed: int = 0
    """What that run's terms leave to the next pool."""


def carried(log: Log, book: Book, *, period: str, pool: str, currency: str) -> RunCarryover:
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
    return RunCarryover(
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
                id=adjust.id,
                kind="adjustment",
                party=adjust.party,
                micros=adjust.micros,
                run=adjust.line,
                reason=adjust.reason,
            )
    released = book.lifted()
    for stored in before:
        yield from _released(stored, released)
        yield from _returned(log, book, stored)
    for key in book.published:
        record = book.runs[key]
        if record.pool == pool and book.reversed(key) and (undone := load(log, record)).currency == currency:
            yield from _undone(log, book, before, undone)


def reversal(run: Digest) -> str:
    """The name under which what a reversed run paid is booked back."""
    return f"reversal@{run}"


def _returned(log: Log, book: Book, stored: Stored) -> Iterator[Correction]:
    """Payments of a standing run that will never arrive, or came back after they had: owed again."""
    run = stored.record.run
    for party, one in transfers(log, book, stored).items():
        if one.state in ("written-off", "returned"):
            yield Correction(id=f"returned@{run}/{party}", kind="returned", party=party, micros=one.micros, run=run)


def _undone(log: Log, book: Book, before: list[Stored], undone: Stored) -> Iterator[Correction]:
    """What a reversed run paid, owed back; what came back later, given back; what left later after all, owed again.

    The payments of a reversed run go on living: each new run books the difference to what was booked so far.
    """
    run = undone.record.run
    booked: dict[str, list[int]] = defaultdict(list)
    for stored in before:
        if any(run in entry for entry in stored.entries):
            for account in stored.accounts.values():
                for one in account.corrections:
                    if one.run == run and one.kind in ("reversal", "returned"):
                        booked[one.party].append(one.micros)
    first = not booked
    for party, moved in paid_out(log, book, undone, every=True).items():
        difference = -moved - sum(booked[party])
        if not difference:
            continue
        if first:
            yield Correction(id=reversal(run), kind="reversal", party=party, micros=difference, run=run)
            continue
        again = f"{run}/{party}/{len(booked[party])}"
        if difference > 0:
            yield Correction(id=f"returned@{again}", kind="returned", party=party, micros=difference, run=run)
        else:
            yield Correction(id=f"reversal@{again}", kind="reversal", party=party, micros=difference, run=run)


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


def transfers(log: Log, book: Book, stored: Stored) -> dict[str, PartyPayment]:
    """Where each payment of a run stands; what is neither settled nor on its way may be handed over."""
    run = stored.record.run
    posted = _posted(log, book, run) if any(one.via == "chain" for one in book.batches.get(run, [])) else {}
    history: list[HandedOver | PaymentNews] = []
    for index, record in book.history.get(run, []):
        if isinstance(record, Pay):
            parties = frozenset(payment["party"] for payment in payments_of(log, record.statement))
            history.append(
                HandedOver(
                    index=index,
                    batch=record.batch,
                    route=record.via,
                    parties=parties,
                    posted=posted.get(posting_name(run, record.batch)),
                )
            )
        else:
            history.append(
                PaymentNews(index=index, party=record.party, outcome=record.outcome, reference=record.reference)
            )
    payable = {party: one.payable for party, one in stored.accounts.items() if one.payable}
    return follow(payable, history)


def posting_name(run: Digest, batch: int) -> str:
    """The name under which a batch of a run is posted on a chain."""
    return run if batch == 1 else f"{run}/{batch}"


def _posted(log: Log, book: Book, run: Digest) -> dict[str, int]:
    """Where the log says first that a chain has each batch of a run, up to where the book was read."""
    posted: dict[str, int] = {}
    for entry in log.entries(types={"post"}, stop=book.size):
        name = str(leaf.decode(entry.body).get("run"))
        if name.partition("/")[0] == run:
            posted.setdefault(name, entry.index)
    return posted


def paid_out(log: Log, book: Book, stored: Stored, *, every: bool = False) -> dict[str, int]:
    """What each payee of a run was paid, or is on its way to it; `every`: nothing, too."""
    return {party: one.moved for party, one in transfers(log, book, stored).items() if one.moved or every}


def handed_over(log: Log, book: Book, stored: Stored) -> set[str]:
    """Payees whose payment is not to be handed over (again)."""
    return {party for party, one in transfers(log, book, stored).items() if not one.due}


def payments_of(log: Log, statement: Digest) -> list[dict[str, Any]]:
    """The payments of one batch: party, micros, reference."""
    payload = canon.decode_object(dsse.parse(log.blob(statement)).payload, "payments")
    payments: list[dict[str, Any]] = payload["payments"]
    return payments


def given_of(ws: Workspace, book: Book, request: RunRequest, takes: RunCarryover) -> Given:
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
    view = RegistryView(
        ws.registry.view(given.registry_size),
        vectors=vectors,
        ends=Period.parse(given.terms.period).end,
        blob=ws.log.blob,
    )
    return Inputs(
        terms=given.terms,
        rule=given.rule,
        period_root=given.period_root,
        usage=rows,
        vectors=vectors,
        view=view,
        holds=given.holds,
        carried=given.carried,
    )


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
    ws: Workspace, book: Book, given: Given, takes: RunCarryover, *, engine: str, on_progress: Progress
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


def recalculated(ws: Workspace, book: Book, stored: Stored, *, engine: str, on_progress: Progress = None) -> Calculated:
    """A run once more from the log as it stood when the run was written: what it followed, what was held, what waited.

    Of the run's own document only terms, rule and minimum payout are taken, which the log does not decide.
    """
    terms = stored.terms
    then = read_book(ws, book.places["run", stored.record.run].index)
    takes = carried(ws.log, then, period=terms.period, pool=terms.pool, currency=terms.currency)
    given = replace(
        given_again(stored),
        period_root=then.period_root(terms.period),
        registry_size=then.closes[terms.period].registry_size,
        sequence=then.sequence(terms.period, terms.pool),
        holds=holds_of(then.open_holds()),
        follows=takes.follows,
        entries=tuple(sorted({one.id for one in takes.corrections})),
        carried=takes.unattributed,
        agreed=takes.stages.terms,
        fx=takes.stages.rates,
    )
    return calculate(ws, then, given, takes, engine=engine, on_progress=on_progress)


def check_again(ws: Workspace, book: Book, stored: Stored) -> None:
    """Refuse a run that does not come out the same, byte for byte, when it is calculated again from the log."""
    logs = listed(ws, book, stored.record.period)
    engine = ready(ws, logs, DEFAULT, dry_run=True, on_progress=None)
    found = recalculated(ws, book, stored, engine=engine)
    if canon.encode(found.document.payload) != canon.encode(stored.payload):
        raise VerificationError(
            f"run {stored.record.run[:16]} does not come out the same when it is calculated again from the log; do "
            f"not approve it: settle run --period {stored.record.period} makes one that does"
        )


def lines_of(outcome: Outcome, party: str) -> list[Line]:
    """The lines of one party."""
    return [line for line in outcome.lines if line.party == party]
