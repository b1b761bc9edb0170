"""`settle restate`: a published month divided again with today's vectors, registry and holds.

Nothing published changes. The differences become one proposal of corrections, which a later month's run books after a
second person's approval. The proposal is derived again before its approval, and by every auditor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.log.append import Log
from ledger.log.whole import check_whole
from ledger.proofs import canon, dsse
from ledger.types import Digest, Period, format_time
from payouts.compute import Inputs, Line, Outcome, compute
from payouts.life.book import Book
from payouts.life.line_disputes import LineDispute
from payouts.life.revisions import (
    DOCUMENT_TYPE,
    OTHER_PARTS,
    Restate,
    RestatedShare,
    RestatementDocument,
    Withdraw,
    read_document,
)
from payouts.money import format_amount
from payouts.protocols import HoldMatch, UsageRow
from payouts.restating import (
    Award,
    Cause,
    Knowledge,
    Restated,
    RestatedLine,
    award_causes,
    explained_awards,
    restated_lines,
)
from payouts.statements.statement import held_line
from service.log.logs import listed
from service.settlement.carrying import awards_replaced, other_parts, releases_of, restated_in
from service.settlement.holds import name_of, said
from service.settlement.runs import again, check_registry, given_again, holds_of, inputs_of, ready
from service.settlement.step import DecidedStep, read_book, signed, take
from service.settlement.stored import Stored, load
from service.settlement.usage import DEFAULT, Progress, check_listener_lists, listeners_under, summed

if TYPE_CHECKING:
    from service.workspace import Workspace

PARTS = ("allocated", "unattributed", "held", "suspense", "reserve")
DESTINATIONS = {
    "return": "returned to the payer",
    "training": "what no training set takes; returned to the payer",
    "carry": "carried into the pool's next run, which divided it",
}
"""What became of money that no influence explains, by the term of the pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRestated:
    """One of the five parts of the pool; they sum to it, before and after."""

    part: str
    was_micros: int
    now_micros: int
    difference_micros: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restatement:
    """A published run, and the result of the same entries with today's data, before deductions."""

    run: Digest
    period: str
    pool: str
    sequence: int
    currency: str
    size: int
    """How much of the log was known."""
    lines: tuple[RestatedLine, ...]
    parts: tuple[PartRestated, ...]
    awards: dict[str, int]
    """By dispute, the part of its award that today's knowledge gives as well: it counts as received."""
    waiting: str | None
    """The restatement of this run that waits for a second person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestatementProposed:
    """One proposal of corrections: `settle approve ID --as PARTY`."""

    id: str | None
    run: Digest
    into: str
    currency: str
    lines: tuple[RestatedLine, ...]


def restate(ws: Workspace, period: str, pool: str = "default", *, on_progress: Progress = None) -> Restatement:
    """Compute a published month again with today's data, and compare."""
    book = read_book(ws)
    stored = _restatable(ws, book, period, pool)
    return restated_at(ws, stored, book.size, on_progress=on_progress)


def _restatable(ws: Workspace, book: Book, period: str, pool: str) -> Stored:
    """Return the run in force for a period and pool, or the reason why none can be restated."""
    Period.parse(period)
    if book.close(period) is None:
        raise StateError(f"period {period} is open; only a published month is restated")
    runs = [run for run in book.runs.values() if (run.period, run.pool) == (period, pool) and run.run in book.published]
    if standing := [run for run in runs if not book.reversed(run.run)]:
        return load(ws.log, standing[-1])
    if runs:
        undone = next(
            record for record in book.reverses.values() if record.run == runs[-1].run and book.approved(record.id)
        )
        raise StateError(
            f"run {undone.run[:16]} of {period}, pool {pool}, was reversed ({undone.reason}): the month is run again "
            f"with today's data, and there is nothing to restate: settle run --period {period}"
        )
    raise StateError(
        f"no run of {period}, pool {pool}, is published; a run that is not is calculated again: settle period show "
        f"{period}"
    )


def restated_at(
    ws: Workspace, stored: Stored, size: int, *, engine: str = DEFAULT, on_progress: Progress = None
) -> Restatement:
    """Divide a run again with the log up to a size; the result does not depend on who computes it, or when."""
    book = read_book(ws, size)
    states = list(_states(ws, book, stored, engine, on_progress))
    run = stored.record.run
    awards, freed = _awards(ws, book, stored), _freed(book, run)
    explained = explained_awards(states, awards, freed)
    booked = _booked(ws.log, book, stored)
    for award in awards:
        for party, cause in award_causes(award, explained[award.dispute]).items():
            booked[party].append(cause)
    lines = restated_lines(states, booked, freed)
    explained = {dispute: micros for dispute, micros in explained.items() if micros}
    replaced = awards_replaced(ws.log, book, run, explained)
    waiting = read_book(ws).waiting_restatement(run)
    return Restatement(
        run=run,
        period=stored.record.period,
        pool=stored.record.pool,
        sequence=stored.record.sequence,
        currency=stored.currency,
        size=size,
        lines=lines,
        parts=_parts(stored, other_parts(ws.log, book, run), states[-1].outcome, lines, freed, replaced=replaced),
        awards=explained,
        waiting=None if waiting is None else waiting.id,
    )


def _freed(book: Book, run: Digest) -> Callable[[Line], bool]:
    """Return the lines of a run that the registry held and two people released."""
    released = book.lifted()
    return lambda line: not line.ref and held_line(run, line.party, line.reason) in released


def _awards(ws: Workspace, book: Book, stored: Stored) -> list[Award]:
    """Return the awards from disputes of a run that are in force, in the order in which the disputes were opened."""
    return [
        _award(ws, book, dispute.opened, dispute.outcomes[-1].micros)
        for dispute in book.disputes.files.values()
        if dispute.opened.run == stored.record.run and dispute.outcomes
    ]


def _award(ws: Workspace, book: Book, opened: LineDispute, micros: int) -> Award:
    view = ws.registry.view(book.size)
    linked = (name for name, links in view.links.items() if any(link.work == opened.subject for link in links))
    return Award(
        dispute=opened.id,
        claimant=opened.claimant,
        against=opened.against,
        names=frozenset({opened.subject, *linked} if opened.subject else ()),
        micros=micros,
    )


def check_not_restated(ws: Workspace, dispute: str, micros: int) -> None:
    """Refuse an outcome that gives the claimant what a restatement of the run gave them already."""
    current = read_book(ws)
    opened = current.disputes.file(dispute).opened
    restatements = current.restatements(opened.run)
    if not restatements or not micros:
        return
    book = read_book(ws, restatements[-1].size)
    stored = load(ws.log, current.runs[opened.run])
    award = _award(ws, current, opened, micros)
    earlier = [award for award in _awards(ws, book, stored) if award.dispute != opened.id]
    states = list(_states(ws, book, stored, DEFAULT, None))
    explained = explained_awards(states, [*earlier, award], _freed(book, opened.run))[opened.id]
    counted = read_document(ws.log.blob(restatements[-1].statement), restatements[-1]).awards.get(opened.id, 0)
    if explained > counted:
        limit = format_amount(micros - explained + counted, stored.currency)
        raise StateError(
            f"restatement {restatements[-1].id} gave {opened.claimant} {format_amount(explained, stored.currency)} "
            f"{stored.currency} of this already; uphold at most {limit}, or reject: settle dispute resolve {opened.id}"
        )


# --- what is known ------------------------------------------------------------------------------


def _states(ws: Workspace, book: Book, stored: Stored, engine: str, on_progress: Progress) -> Iterator[Restated]:
    """The original run, then with today's vectors, then with the registry and the holds of today as well."""
    original = again(ws, stored)
    yield Restated(step=None, inputs=original, outcome=stored.outcome)
    inputs = given_again(stored)
    newer = _by_todays_vectors(ws.log, stored.usage, book.size)
    yield _state("vector", inputs_of(ws, inputs, newer))
    check_registry(ws, book.size)
    logs = listed(ws, book, stored.record.period)
    now = replace(inputs, registry_size=book.size)

    def known_under(holds: tuple[HoldMatch, ...]) -> Inputs:
        rows = summed(
            logs,
            engine=ready(ws, logs, engine, dry_run=True, on_progress=on_progress),
            view=ws.registry.view(book.size),
            terms=inputs.terms,
            rule=inputs.rule,
            holds=holds,
            on_progress=on_progress,
        )
        return inputs_of(ws, replace(now, holds=holds), _by_todays_vectors(ws.log, rows, book.size))

    today, holds = known_under(inputs.holds), holds_of(book)
    check_listener_lists(ws.log, (book.holds[hold.id] for hold in holds))
    yield _state("registry", today)
    # Among holds, only those on listeners change the rows: without a new one of these, the rows are the same.
    same = listeners_under(ws.log, holds) == listeners_under(ws.log, inputs.holds)
    yield _state("hold", replace(today, holds=holds) if same else known_under(holds))


def _state(step: Knowledge, inputs: Inputs) -> Restated:
    return Restated(step=step, inputs=inputs, outcome=compute(inputs))


def _by_todays_vectors(log: Log, rows: Sequence[UsageRow], size: int) -> list[UsageRow]:
    """The same streams by the vector that their track is assigned now.

    A vector that an event brought stays, unless a revocation below this size took its batch's signature.
    """
    reading = log.reading()
    assigned = reading.last_assignments(size)

    def vector_now(row: UsageRow) -> Digest | None:
        brought = row.vector is not None and not reading.assigned_ever(row.track, row.vector)
        if row.vector is not None and brought and reading.pays(row.track, row.vector, size, row.source):
            return row.vector
        return assigned.get(row.track, None if brought else row.vector)

    return [msgspec.structs.replace(row, vector=vector_now(row)) for row in rows]


def _booked(log: Log, book: Book, stored: Stored) -> dict[str, list[Cause]]:
    """Return each holder's later amounts from this run, booked or waiting: releases and earlier restatements."""
    booked: dict[str, list[Cause]] = defaultdict(list)
    later = (load(log, run) for run in book.standing(stored.record.pool))
    entries = {entry for run in later if run.currency == stored.currency for entry in run.entries}
    for correction in releases_of(book, stored, entries):
        hold = correction.id.partition("@")[0]
        booked[correction.party].append(Cause(kind="release", about=hold, micros=correction.micros))
    for restate_ in book.restatements(stored.record.run):
        for correction in restated_in(log, restate_):
            booked[correction.party].append(Cause(kind="restatement", about=restate_.id, micros=correction.micros))
    return booked


def _parts(
    stored: Stored,
    other: Mapping[str, int],
    last: Outcome,
    lines: Sequence[RestatedLine],
    freed: Callable[[Line], bool],
    *,
    replaced: int,
) -> tuple[PartRestated, ...]:
    """Return the five parts before and after; the held part before is the remainder.

    `replaced`: awards that the payer paid, and that the pool pays instead.
    """
    was = dict(other)
    let_go = sum(line.micros for line in last.lines if line.state == "held" and freed(line))
    now = {name: getattr(last, name) for name in PARTS}
    now["allocated"] += let_go
    now["held"] -= let_go
    was["allocated"] = now["allocated"] - sum(line.difference_micros for line in lines) - replaced
    was["held"] = last.pool - sum(was.values())
    notes = {
        "unattributed": DESTINATIONS[stored.terms.unattributed],
        "suspense": "who is to be paid is not known",
        "held": "the payee is known, payment is blocked",
        "reserve": "kept back by the terms, and what caps leave over",
    }
    return tuple(
        PartRestated(
            part=name,
            was_micros=was[name],
            now_micros=now[name],
            difference_micros=now[name] - was[name],
            note=notes.get(name, ""),
        )
        for name in PARTS
    )


# --- proposing ----------------------------------------------------------------------------------


def propose(
    ws: Workspace, period: str, *, into: str, pool: str = "default", on_progress: Progress = None
) -> RestatementProposed:
    """Propose the differences as corrections for a later month's run, without amounts booked already."""
    Period.parse(into)
    check_whole(ws.log)
    book = read_book(ws)
    stored = _restatable(ws, book, period, pool)
    _check_into(book, stored, into)
    _check_alone(book, stored.record.run)
    restatement = restated_at(ws, stored, book.size, on_progress=on_progress)
    owed = tuple(line for line in restatement.lines if line.difference_micros)
    if not owed:
        return RestatementProposed(id=None, run=stored.record.run, into=into, currency=stored.currency, lines=())
    document = _document(restatement, into)
    maker = ws.signer("operator")
    envelope = dsse.sign(DOCUMENT_TYPE, canon.encode(document.payload()), [maker])
    at = format_time(ws.clock())

    def decide(now: Book) -> DecidedStep[RestatementProposed]:
        run = stored.record.run
        _check_into(now, stored, into)
        _check_alone(now, run)
        if now.reversed(run) or len(now.restatements(run)) != len(book.restatements(run)):
            raise ConflictError(f"run {run[:16]} was reversed or restated meanwhile; nothing was proposed, try again")
        nth = sum(restate_.run == run for restate_ in now.restates.values())
        record = Restate(
            at=at,
            by=ws.operator,
            key=maker.public.id,
            id=name_of("restate", run=run, into=into, nth=nth),
            run=run,
            period=into,
            pool=stored.record.pool,
            currency=stored.currency,
            size=restatement.size,
            statement=envelope.digest,
        )
        answer = RestatementProposed(id=record.id, run=run, into=into, currency=stored.currency, lines=owed)
        return DecidedStep(answer, leaves=[signed(record, maker)], blobs=[envelope.encode()])

    return take(ws, decide)


def _document(restatement: Restatement, into: str) -> RestatementDocument:
    parts = {part.part: part.now_micros for part in restatement.parts}
    return RestatementDocument(
        run=restatement.run,
        period=into,
        size=restatement.size,
        parts={name: parts[name] for name in OTHER_PARTS},
        awards=restatement.awards,
        shares=tuple(
            RestatedShare(
                party=line.holder,
                was=line.was_micros,
                now=line.now_micros,
                reason=f"restatement of {restatement.period}: {line.reason}",
            )
            for line in restatement.lines
            if line.difference_micros
        ),
    )


def _check_into(book: Book, stored: Stored, into: str) -> None:
    run = stored.record
    if into <= run.period:
        raise InputError(
            f"run {run.run[:16]} is of {run.period}; its restatement is booked in a later month than {into}"
        )
    if any(later.period >= into for later in book.standing(run.pool)):
        raise StateError(f"{into}, pool {run.pool}, is published or a later month is; name one that is not: --into")


def _check_alone(book: Book, run: Digest) -> None:
    waiting = book.waiting_restatement(run)
    if waiting is not None:
        raise StateError(
            f"restatement {waiting.id} of run {run[:16]} waits for a second person; settle approve {waiting.id} --as "
            f"PARTY, or take it back: settle restate {book.runs[run].period} --withdraw --reason TEXT"
        )


def withdraw(ws: Workspace, period: str, *, reason: str, pool: str = "default") -> RestatementProposed:
    """Withdraw a month's open restatement."""
    said(reason, "a withdrawal")
    maker = ws.signer("operator")
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[RestatementProposed]:
        stored = _restatable(ws, book, period, pool)
        waiting = book.waiting_restatement(stored.record.run)
        if waiting is None:
            raise StateError(f"no restatement of {period}, pool {pool}, waits for a second person")
        record = Withdraw(at=at, by=ws.operator, key=maker.public.id, proposal=waiting.id, reason=reason)
        answer = RestatementProposed(
            id=waiting.id, run=waiting.run, into=waiting.period, currency=waiting.currency, lines=()
        )
        return DecidedStep(answer, leaves=[signed(record, maker)])

    return take(ws, decide)


# --- checking -----------------------------------------------------------------------------------


def check_restatement(ws: Workspace, book: Book, record: Restate, *, engine: str = DEFAULT) -> None:
    """Refuse a restatement that differs when it is derived again from the log of its size."""
    document = read_document(ws.log.blob(record.statement), record)
    stored = load(ws.log, book.runs[record.run])
    if record.currency != stored.currency:
        raise VerificationError(f"restatement {record.id} is in {record.currency}, its run in {stored.currency}")
    derived = _document(restated_at(ws, stored, record.size, engine=engine), record.period)
    if canon.encode(derived.facts()) != canon.encode(document.facts()):
        raise VerificationError(
            f"restatement {record.id} does not come out the same when it is derived again from the log; do not approve "
            f"it: settle restate {stored.record.period} shows what does"
        )


def check_restatement_now(ws: Workspace, book: Book, record: Restate) -> None:
    """Refuse a restatement that differs with the present vectors, shares or holds: its maker chooses the size."""
    document = read_document(ws.log.blob(record.statement), record)
    current = _document(restated_at(ws, load(ws.log, book.runs[record.run]), book.size), record.period)
    if canon.encode(replace(current, size=record.size).facts()) != canon.encode(document.facts()):
        raise StateError(
            f"restatement {record.id} was calculated when the log had {record.size} entries, and comes out otherwise "
            f"with what is known now; take it back and propose it again: settle restate {book.runs[record.run].period} "
            "--withdraw --reason TEXT"
        )
