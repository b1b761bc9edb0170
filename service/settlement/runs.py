"""Collect the inputs of a run, and compute it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ledger.errors import StateError, VerificationError
from ledger.log.append import Log
from ledger.log.whole import check_whole
from ledger.proofs import canon, vector
from ledger.types import Digest, InfluenceVector, Period
from payouts import document as doc
from payouts.accounts.account import Account
from payouts.accounts.clauses import Agreed
from payouts.compute import Inputs, Outcome, compute
from payouts.document import Document, Given
from payouts.life.book import Book
from payouts.protocols import HoldMatch, UsageRow
from payouts.rules.base import Rule
from payouts.terms import Terms
from service.log.logs import Listed, listed
from service.registry.audit import audit
from service.settlement.carrying import RunCarryover, carried
from service.settlement.registered import RegistryView
from service.settlement.step import read_book
from service.settlement.stored import Stored
from service.settlement.usage import (
    DEFAULT,
    PLAIN,
    Progress,
    check_engine,
    check_listener_lists,
    seal,
    sealed_up_to,
    summed,
)

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Finance's request; all other inputs come from the log."""

    period: str
    terms: Terms
    rule: Rule
    engine: str = DEFAULT


# --- gathering ----------------------------------------------------------------------------------


def check_close(book: Book, stored: Stored) -> None:
    """Refuse a run over a close without effect: only a period's first close fixes its events."""
    period, inputs = stored.record.period, stored.payload["inputs"]
    root = book.period_root(period).hex()
    if (inputs["period_root"], inputs["registry_size"]) != (root, book.closes[period].registry_size):
        raise VerificationError(
            f"run {stored.record.run[:16]} is over period root {inputs['period_root'][:16]}, and {period} was closed "
            f"with {root[:16]}: calculate it again, settle run --period {period}"
        )


def check_registry(ws: Workspace, size: int) -> None:
    """Refuse a run if the registry contains rows without an entitled signer (finding V7)."""
    violations = audit(ws, size=size).violations
    if violations:
        note = violations[0]
        raise VerificationError(
            f"the registry has {len(violations)} violations, the first: {note.kind} {note.id}: {note.detail}; "
            "`settle registry audit` lists them; correct them before you run a month"
        )


def holds_of(book: Book) -> tuple[HoldMatch, ...]:
    """Return the holds that affect a run, by id: open holds, and holds whose streams two people rejected."""
    rejected = book.rejected()
    bearing = [*book.open_holds(), *(book.holds[name] for name in rejected)]
    return tuple(
        HoldMatch(
            id=record.id,
            reason=record.reason,
            rejected=rejected.get(record.id),
            **{record.scope: record.subject if record.statement is None else record.statement},
        )
        for record in sorted(bearing, key=lambda record: record.id)
    )


def given_of(ws: Workspace, book: Book, request: RunRequest, takes: RunCarryover) -> Given:
    """Return the inputs of the run key; StateError while the period is open."""
    close = book.close(request.period)
    if close is None:
        raise StateError(f"period {request.period} is open; close it first: settle period close {request.period}")
    for currency in takes.stages.unpriced(request.terms.currency):
        raise StateError(_unpriced(currency, request.terms.currency, request.period))
    return Given(
        period_root=book.period_root(request.period),
        registry_size=close.registry_size,
        sequence=book.sequence(request.period, request.terms.pool),
        terms=request.terms,
        rule=request.rule,
        holds=holds_of(book),
        follows=takes.follows,
        entries=tuple(sorted({currency.id for currency in takes.corrections})),
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
    """Return the vectors that usage is bound to, from their signed statements.

    Each must have been assigned, or logged.
    """
    reading = log.reading()
    for row in rows:
        if row.vector is not None and not reading.ever_paid(row.track, row.vector, row.source):
            raise VerificationError(
                f"track {row.track} is assigned vector {row.vector[:16]}, which nobody entitled assigned to it "
                "(finding V3); `settle ledger fsck` lists the leaves without effect"
            )
    digests = sorted({row.vector for row in rows if row.vector is not None})
    return {digest: vector.read_statement(log.blob(digest)) for digest in digests}


def inputs_of(
    ws: Workspace, given: Given, rows: list[UsageRow], exchanged: Mapping[str, InfluenceVector] | None = None
) -> Inputs:
    """Return the inputs of the computation, with the registry at the close.

    `exchanged`: by track, a vector to be used instead of the one that pays, in a comparison.
    """
    vectors = vectors_of(ws.log, rows)
    if exchanged:
        vectors = {digest: exchanged.get(paid_by.track, paid_by) for digest, paid_by in vectors.items()}
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
    """Return the inputs of a run from its document."""
    return replace(Given.from_payload(stored.payload["inputs"], stored.v), rule=stored.rule)


def again(ws: Workspace, stored: Stored, **changed: Any) -> Inputs:
    """Return the inputs of a run from its own usage table; `changed` replaces some of them."""
    return replace(inputs_of(ws, given_again(stored), stored.usage), **changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculated:
    """A run that may or may not be written to the log."""

    outcome: Outcome
    document: Document
    accounts: tuple[Account, ...]


def ready(ws: Workspace, logs: Sequence[Listed], engine: str, *, dry_run: bool, on_progress: Progress) -> str:
    """The engine to use: segments up to the close are sealed first, except for a dry run, which reads the log.

    Another log is sealed in its own workspace, because only its own key signs for its segments.
    """
    check_engine(engine)
    if engine == PLAIN:
        return PLAIN
    behind = [closed for closed in logs if not sealed_up_to(closed.log, closed.membership.size)]
    if not behind:
        return engine
    if dry_run or (behind[0].log is ws.log and not seal(ws, behind[0].membership.size, on_progress)):
        return PLAIN
    return engine


def calculate(
    ws: Workspace, book: Book, given: Given, takes: RunCarryover, *, engine: str, on_progress: Progress
) -> Calculated:
    """Calculate the run: usage, outcome, accounts, document. Writes nothing."""
    logs = listed(ws, book, given.terms.period)
    for closed in logs:
        if closed.log is not ws.log:
            check_whole(closed.log)
    check_listener_lists(ws.log, (book.holds[hold.id] for hold in given.holds if hold.id in book.holds))
    view = ws.registry.view(given.registry_size)
    rows = summed(
        logs,
        engine=engine,
        view=view,
        terms=given.terms,
        rule=given.rule,
        holds=given.holds,
        on_progress=on_progress,
    )
    inputs = inputs_of(ws, given, rows)
    outcome = compute(inputs)
    booked = doc.accounts_for(
        given,
        opening=takes.opening,
        earned=outcome.allocated_by_party(),
        corrections=takes.corrections,
        stages=takes.stages,
        with_lines={line.party for line in outcome.lines},
    )
    return Calculated(outcome=outcome, document=doc.draw_up(given, rows, outcome, booked), accounts=tuple(booked))


def recalculated(ws: Workspace, book: Book, stored: Stored, *, engine: str, on_progress: Progress = None) -> Calculated:
    """Calculate a run again from the log at the size at which the run was written.

    Only terms, rule and minimum payout are taken from the run's own document, because the log does not determine them.
    """
    terms = stored.terms
    then = read_book(ws, book.places["run", stored.record.run].index)
    takes = carried(ws.log, then, period=terms.period, pool=terms.pool, currency=terms.currency)
    inputs = replace(
        given_again(stored),
        period_root=then.period_root(terms.period),
        registry_size=then.closes[terms.period].registry_size,
        sequence=then.sequence(terms.period, terms.pool),
        holds=holds_of(then),
        follows=takes.follows,
        entries=tuple(sorted({correction.id for correction in takes.corrections})),
        carried=takes.unattributed,
        agreed=takes.stages.terms,
        fx=takes.stages.rates,
    )
    return calculate(ws, then, inputs, takes, engine=engine, on_progress=on_progress)


def check_again(ws: Workspace, book: Book, stored: Stored) -> None:
    """Refuse a run unless calculating it again from the log gives the same bytes."""
    logs = listed(ws, book, stored.record.period)
    engine = ready(ws, logs, DEFAULT, dry_run=True, on_progress=None)
    calculated = recalculated(ws, book, stored, engine=engine)
    if canon.encode(calculated.document.payload) != canon.encode(stored.payload):
        raise VerificationError(
            f"run {stored.record.run[:16]} does not come out the same when it is calculated again from the log; do "
            f"not approve it: settle run --period {stored.record.period} makes one that does"
        )
