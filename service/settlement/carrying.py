"""Collect a run's opening balances, and the corrections that no run has booked yet.

Corrections come from adjustments, from released holds, and from outcomes of payments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ledger.errors import InputError, StateError, VerificationError
from ledger.log.append import Log
from ledger.proofs import canon, dsse, leaf
from ledger.types import Digest, Leaf
from payouts.accounts.account import Correction
from payouts.accounts.deductions import Stages
from payouts.accounts.payment_states import HandedOver, PartyPayment, PaymentNews, follow
from payouts.life.book import Book
from payouts.life.line_disputes import DisputeFile
from payouts.life.mandates import Instalment
from payouts.life.records import Pay, Payment
from payouts.life.revisions import OTHER_PARTS, Restate, RestatementDocument, read_document
from payouts.statements.statement import held_line
from service.settlement.stored import Stored, load


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCarryover:
    """The carried inputs of a run: balances of the run before, corrections not booked yet, terms in force."""

    follows: Digest | None
    opening: dict[str, int]
    corrections: tuple[Correction, ...]
    stages: Stages
    unattributed: int = 0
    """What that run's terms leave to the next pool."""


def carried(log: Log, book: Book, *, period: str, pool: str, currency: str) -> RunCarryover:
    """Return the balances and corrections that wait for the next run of a pool.

    If this (period, pool) is published already, return those that waited for that run, so that the same calculation has
    the same key.
    """
    standing = book.standing(pool)
    published = book.slots.get((period, pool, book.sequence(period, pool)))
    if published is not None:
        standing = standing[: [run.run for run in standing].index(published)]
    earlier = [stored for run in standing if (stored := load(log, run)).currency == currency]
    booked = {entry for stored in earlier for entry in stored.entries}
    waiting = [
        item
        for item in _corrections(log, book, earlier, pool=pool, currency=currency, period=period)
        if item.id not in booked
    ]
    last = earlier[-1] if earlier else None
    opening = {} if last is None else {party: item.carried for party, item in last.accounts.items() if item.carried}
    carried_over = {} if last is None else {party: item.deductions.after for party, item in last.accounts.items()}
    left = last.outcome.unattributed if last is not None and last.terms.unattributed == "carry" else 0
    return RunCarryover(
        follows=None if last is None else last.record.run,
        opening=opening,
        corrections=tuple(sorted(waiting)),
        stages=Stages(
            period=period,
            agreed=book.agreed(pool=pool, currency=currency, period=period),
            before={party: balances for party, balances in carried_over.items() if balances},
        ),
        unattributed=left,
    )


def _corrections(
    log: Log, book: Book, before: list[Stored], *, pool: str, currency: str, period: str
) -> Iterator[Correction]:
    """Return everything that a run of this pool and period may book, whether booked before or not."""
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
    for restate in book.restates.values():
        counts = book.approved(restate.id) and not book.reversed(restate.run)
        if counts and (restate.pool, restate.currency) == (pool, currency) and restate.period <= period:
            yield from restated_in(log, restate)
    entries = {entry for stored in before for entry in stored.entries}
    for dispute in book.disputes.files.values():
        disputed = book.runs[dispute.opened.run]
        same_pool = disputed.pool == pool and not book.reversed(disputed.run)
        if same_pool and load(log, disputed).currency == currency:
            yield from disputed_in(log, book, dispute, entries)
    for stored in before:
        yield from releases_of(book, stored, entries)
        yield from _returned(log, book, stored)
    yield from _on_account(log, book, before, pool=pool, currency=currency, period=period)
    for key in book.published:
        record = book.runs[key]
        if record.pool == pool and book.reversed(key) and (undone := load(log, record)).currency == currency:
            yield from _undone(log, book, before, undone)


def restated_in(log: Log, restate: Restate) -> Iterator[Correction]:
    """Return a restatement's corrections, one per holder, numbered in the order of its document."""
    document = read_document(log.blob(restate.statement), restate)
    for number, share in enumerate(document.shares):
        yield Correction(
            id=f"{restate.id}.{number}",
            kind="adjustment",
            party=share.party,
            micros=share.micros,
            run=restate.run,
            reason=share.reason,
        )


def other_parts(log: Log, book: Book, run: Digest, before: Restate | None = None) -> dict[str, int]:
    """Return the parts of a run's pool without a holder, after the run or its last restatement before one."""
    last = _last_restated(log, book, run, before)
    if last is not None:
        return dict(last.parts)
    outcome = load(log, book.runs[run]).outcome
    return {name: getattr(outcome, name) for name in OTHER_PARTS}


def parts_moved(log: Log, book: Book, restate: Restate) -> dict[str, int]:
    """Return a restatement's additions to the pool's parts without a holder, and what it pays for the payer."""
    was = other_parts(log, book, restate.run, restate)
    document = read_document(log.blob(restate.statement), restate)
    changes = {name: document.parts[name] - was[name] for name in OTHER_PARTS}
    return changes | {"award": awards_replaced(log, book, restate.run, document.awards, restate)}


def awards_replaced(log: Log, book: Book, run: Digest, awards: Mapping[str, int], before: Restate | None = None) -> int:
    """Return the part of awards paid by the payer that this restatement explains beyond the last one before it."""
    last = _last_restated(log, book, run, before)

    def outside(explained: Mapping[str, int]) -> int:
        files = book.disputes.files
        return sum(micros for name, micros in explained.items() if name in files and not files[name].opened.against)

    return outside(awards) - (0 if last is None else outside(last.awards))


def _last_restated(log: Log, book: Book, run: Digest, before: Restate | None) -> RestatementDocument | None:
    """Return the document of a run's last restatement before another one."""
    earlier = []
    for restate in book.restatements(run):
        if before is not None and restate.id == before.id:
            break
        earlier.append(restate)
    return read_document(log.blob(earlier[-1].statement), earlier[-1]) if earlier else None


def disputed_in(log: Log, book: Book, dispute: DisputeFile, entries: Collection[str]) -> Iterator[Correction]:
    """Return a dispute's corrections: the other side's held money, its release, and the awards of outcomes.

    `entries`: what runs have booked; money that was never held by one need not go back.
    """
    opened = dispute.opened

    def correction(name: str, party: str, micros: int, reason: str) -> Correction:
        return Correction(
            id=f"{opened.id}.{name}", kind="adjustment", party=party, micros=micros, run=opened.run, reason=reason
        )

    micros_held = held_by(log, book, dispute)
    if dispute.admitted is not None and micros_held and (dispute.holds_money or f"{opened.id}.held" in entries):
        yield correction(
            "held", opened.against, -micros_held, f"dispute {opened.id}: held until {dispute.admitted.until}"
        )
        if not dispute.holds_money:
            yield correction("back", opened.against, micros_held, f"dispute {opened.id}: no longer held")
    awarded = 0
    for outcome in dispute.outcomes:
        if moved := outcome.micros - awarded:
            reason = f"dispute {opened.id}: {outcome.decision}"
            yield correction(f"award.{outcome.round}", opened.claimant, moved, reason)
            if opened.against:
                yield correction(f"cost.{outcome.round}", opened.against, -moved, reason)
        awarded = outcome.micros


def held_by(log: Log, book: Book, dispute: DisputeFile) -> int:
    """Return the amount that an admitted dispute holds, from the log at its admission.

    At most what is claimed, and what the run and its restatements gave the other side, less what earlier disputes of it
    hold or took. The amount never changes later, so that a run gives back exactly what an earlier run held.
    """
    opened = dispute.opened
    account = load(log, book.runs[opened.run]).accounts.get(opened.against)
    moved = [
        (book.counts_from(restate.id), share.micros)
        for restate in book.restatements(opened.run)
        for share in restated_in(log, restate)
        if share.party == opened.against
    ]
    admitted = [
        other
        for other in book.disputes.files.values()
        if other.admitted is not None and (other.opened.run, other.opened.against) == (opened.run, opened.against)
    ]
    amounts = {opened.id: 0}
    for other in sorted(admitted, key=lambda other: other.admitted_at):
        there = (0 if account is None else account.earned) - other.awarded_before
        there += sum(micros for index, micros in moved if index < other.admitted_at)
        there -= sum(amounts[name] for name in other.beside)
        amounts[other.opened.id] = max(0, min(other.opened.micros, there))
    return amounts[opened.id]


def reversal(run: Digest) -> str:
    """Return the id under which a reversed run's payments are booked back."""
    return f"reversal@{run}"


def _returned(log: Log, book: Book, stored: Stored) -> Iterator[Correction]:
    """Return payments of a run in force that failed or were returned: they are owed again."""
    run = stored.record.run
    for party, payment in transfers(log, book, stored).items():
        if payment.state in ("written-off", "returned"):
            yield Correction(id=f"returned@{run}/{party}", kind="returned", party=party, micros=payment.micros, run=run)


def _undone(log: Log, book: Book, before: list[Stored], undone: Stored) -> Iterator[Correction]:
    """Return a reversed run's corrections: payments owed back, later returns given back, later payments owed again.

    The payments of a reversed run can still change: each new run books the difference to what was booked so far.
    """
    run = undone.record.run
    booked: dict[str, list[int]] = defaultdict(list)
    for stored in before:
        if any(run in entry for entry in stored.entries):
            for account in stored.accounts.values():
                for correction in account.corrections:
                    if correction.run == run and correction.kind in ("reversal", "returned"):
                        booked[correction.party].append(correction.micros)
    first = not booked
    for party, paid in paid_out(log, book, undone, every=True).items():
        difference = -paid - sum(booked[party])
        if not difference:
            continue
        if first:
            yield Correction(id=reversal(run), kind="reversal", party=party, micros=difference, run=run)
            continue
        name = f"{run}/{party}/{len(booked[party])}"
        if difference > 0:
            yield Correction(id=f"returned@{name}", kind="returned", party=party, micros=difference, run=run)
        else:
            yield Correction(id=f"reversal@{name}", kind="reversal", party=party, micros=difference, run=run)


def releases_of(book: Book, stored: Stored, entries: Collection[str]) -> Iterator[Correction]:
    """Return the releases of a run's own lines, among `entries` that later runs booked or must book.

    The lines of a restated run may name former holders: money released after that is paid by the next restatement, or
    it would be paid to both the former and the present holder.
    """
    restatements = book.restatements(stored.record.run)
    first = book.places["restate", restatements[0].id].index if restatements else book.size
    for correction in released_from(stored, book.lifted()):
        if correction.id in entries or book.lifted_at(correction.id.partition("@")[0]) < first:
            yield correction


def released_from(stored: Stored, released: dict[str, str]) -> Iterator[Correction]:
    """Return the money of a run whose hold or reason was lifted since, by two people or at its end date."""
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
    """Return the state of each payment of a run; a payment neither settled nor handed over may be handed over."""
    run = stored.record.run
    posted = _posted(log, book, run) if any(batch.via == "chain" for batch in book.batches.get(run, [])) else {}
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
        elif isinstance(record, Payment):
            history.append(
                PaymentNews(index=index, party=record.party, outcome=record.outcome, reference=record.reference)
            )
    payable = {party: batch.payable for party, batch in stored.accounts.items() if batch.payable}
    return follow(payable, history)


def instalment_payments(log: Log, book: Book, record: Instalment) -> dict[str, PartyPayment]:
    """Return the state of each payment of an instalment, which is handed over when it is made, and once."""
    try:
        rows = payments_of(log, record.statement)
    except (InputError, VerificationError) as problem:
        raise StateError(
            f"instalment {record.number} of mandate {record.mandate} paid somebody, and its list of payments is lost: "
            f"{problem}; restore it from a copy of the log"
        ) from None
    payable = {row["party"]: int(row["micros"]) for row in rows}
    place = book.places["instalment", record.id].index
    history: list[HandedOver | PaymentNews] = [
        HandedOver(
            index=place,
            batch=record.number,
            route=book.mandates.mandates[record.mandate].via,
            parties=frozenset(payable),
        )
    ]
    for index, news in book.history.get(record.id, []):
        if isinstance(news, Payment):
            history.append(PaymentNews(index=index, party=news.party, outcome=news.outcome, reference=news.reference))
    return follow(payable, history)


def payments_under(log: Log, book: Book, name: Digest) -> dict[str, PartyPayment]:
    """Return the state of each payment of a run or of an instalment."""
    record = book.mandates.instalments.get(name)
    return (
        transfers(log, book, load(log, book.runs[name])) if record is None else instalment_payments(log, book, record)
    )


def currency_under(log: Log, book: Book, name: Digest) -> str:
    """Return the pool's currency of a run or of an instalment."""
    record = book.mandates.instalments.get(name)
    return load(log, book.runs[name]).currency if record is None else book.mandates.mandates[record.mandate].currency


def moved_on_account(log: Log, book: Book, records: Iterable[Instalment]) -> dict[str, int]:
    """Return what is on its way or arrived by these instalments, by party."""
    moved: dict[str, int] = defaultdict(int)
    for record in records:
        for party, payment in instalment_payments(log, book, record).items():
            moved[party] += payment.moved
    return dict(moved)


def _on_account(
    log: Log, book: Book, before: list[Stored], *, pool: str, currency: str, period: str
) -> Iterator[Correction]:
    """Return the instalments of each mandate and month as payments made, less what standing runs booked of them.

    Each run books the difference: so a payment that comes back later is owed again, and a run that takes the place of a
    reversed one takes them anew.
    """
    by_month: dict[tuple[str, str], list[Instalment]] = defaultdict(list)
    for record in book.mandates.instalments.values():
        mandate = book.mandates.mandates[record.mandate]
        if (mandate.pool, mandate.currency) == (pool, currency) and record.period <= period:
            by_month[record.mandate, record.period].append(record)
    booked: dict[tuple[str, str], list[int]] = defaultdict(list)
    for stored in before:
        for party, account in stored.accounts.items():
            for correction in account.corrections:
                if correction.kind == "instalment":
                    booked[correction.run, party].append(correction.micros)
    for (mandate_id, month), records in by_month.items():
        run = f"{mandate_id}/{month}"
        for party, micros in sorted(moved_on_account(log, book, records).items()):
            earlier = booked[run, party]
            if difference := -micros - sum(earlier):
                yield Correction(
                    id=f"instalment@{run}/{party}/{len(earlier)}",
                    kind="instalment",
                    party=party,
                    micros=difference,
                    run=run,
                    reason=f"paid on account of {month}" if difference < 0 else f"on account of {month}, came back",
                )


def posting_name(run: Digest, batch: int) -> str:
    """Return the name under which a batch of a run is posted on a chain."""
    return run if batch == 1 else f"{run}/{batch}"


def posts(log: Log, book: Book) -> Iterator[tuple[int, Leaf]]:
    """Return the leaves, with their index, by which an operator states that a chain has a batch, up to the book's size.

    Leaves of other signers have no effect: a holder of the log key alone could otherwise make money look posted that no
    chain has, or prevent a posting from being recorded.
    """
    for entry in log.entries(types={"post"}, stop=book.size):
        body = leaf.decode(entry.body)
        with suppress(VerificationError):
            book.authority(entry.index, body)
            yield entry.index, body


def _posted(log: Log, book: Book, run: Digest) -> dict[str, int]:
    """Return the index of the first leaf that records each batch of a run on a chain."""
    posted: dict[str, int] = {}
    for index, post in posts(log, book):
        name = str(post.get("run"))
        if name.partition("/")[0] == run:
            posted.setdefault(name, index)
    return posted


def paid_out(log: Log, book: Book, stored: Stored, *, every: bool = False) -> dict[str, int]:
    """Return the amount paid or handed over to each payee of a run; `every`: including zero."""
    return {party: payment.moved for party, payment in transfers(log, book, stored).items() if payment.moved or every}


def handed_over(log: Log, book: Book, stored: Stored) -> set[str]:
    """Return payees whose payment must not be handed over (again)."""
    return {party for party, payment in transfers(log, book, stored).items() if not payment.due}


def batch_of(log: Log, statement: Digest) -> dict[str, Any]:
    """Return the signed document of a batch of payments."""
    return canon.decode_object(dsse.parse(log.blob(statement)).payload, "payments")


def payments_of(log: Log, statement: Digest) -> list[dict[str, Any]]:
    """The payments of one batch: party, micros, reference."""
    payments: list[dict[str, Any]] = batch_of(log, statement)["payments"]
    return payments
