"""Record banks' answers in the log: read from their files by reference, or confirmed for a whole batch.

An answer counts only for the attempt that its reference names. Reading a file a second time changes nothing, and a file
that contradicts what was sent is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, StateError, VerificationError
from ledger.proofs.keys import PrivateKey
from ledger.shown import money
from ledger.types import Digest, Leaf, format_time
from payouts.accounts.payment import Instruction, reference
from payouts.accounts.payment_states import Outcome, PartyPayment, State
from payouts.life.book import Book
from payouts.life.mandates import Instalment
from payouts.life.records import Pay, Payment
from service.settlement.carrying import payments_of, payments_under, transfers
from service.settlement.finding import find_paid
from service.settlement.payment_files import CurrencyTotal, message_id, totals
from service.settlement.step import DecidedStep, signed, take
from service.settlement.stored import load
from service.trade.bank import BankAnswer, BankFile, read

if TYPE_CHECKING:
    from service.workspace import Workspace

BY_TWO: Final[tuple[Outcome, ...]] = ("failed", "written-off", "returned")
SHOWN_MAX: Final = 3
"""Problems named in one message; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPayment:
    """One payment as sent to a bank: run, attempt, payee, amount and currency."""

    run: Digest
    batch: Pay | Instalment
    party: str
    attempt: int
    reference: str
    currency: str
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRefused:
    """An impossible answer: it does not follow from the payment's state."""

    reference: str
    party: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeProposed:
    """A failed or returned payment; it takes effect when another person approves: settle approve ID --as PARTY."""

    id: str
    party: str
    reference: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersRead:
    """The result of reading a bank's file, or of confirming a batch.

    `settled`: recorded now; `proposals` wait for a second person; `already`: were known; `pending`: on their way;
    `unknown`: references of other payments than this log's; `unnamed`: entries without any reference.
    """

    file: str
    settled: int
    totals: tuple[CurrencyTotal, ...]
    proposals: tuple[OutcomeProposed, ...]
    already: int
    pending: int
    unnamed: int
    unknown: tuple[str, ...]
    refused: tuple[AnswerRefused, ...]


def read_answers(ws: Workspace, data: bytes) -> AnswersRead:
    """Record the answers in a bank's file: pain.002, camt.053 or camt.054."""
    bank_file = read(data)
    name = f"{bank_file.kind} {bank_file.name}".strip()
    maker = ws.signer("operator")
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[AnswersRead]:
        sent = list(sent_by_file(ws, book))
        answers, unknown = _matched(ws, book, sent, bank_file, name)
        recording = _AnswerRecording(ws, book, maker, at)
        for payment, answer in answers:
            recording.take(payment, answer)
        return DecidedStep(recording.result(name, unnamed=bank_file.unnamed, unknown=unknown), leaves=recording.leaves)

    return take(ws, decide)


def confirm_all(ws: Workspace, name: str) -> AnswersRead:
    """Record that every payment handed over by file in a run, or in one batch of it (`RUN/2`), has arrived."""
    run_name, slash, number = name.rpartition("/")
    if not (slash and number.isdecimal()):
        run_name, number = name, ""
    maker = ws.signer("operator")
    at = format_time(ws.clock())

    def decide(book: Book) -> DecidedStep[AnswersRead]:
        run = find_paid(book, run_name)
        payments = [
            payment for payment in sent_by_file(ws, book, run) if not number or payment.batch.batch == int(number)
        ]
        if not payments:
            raise StateError(f"{name}: nothing of it was handed over by file; settle pay {run[:16]} comes first")
        recording = _AnswerRecording(ws, book, maker, at)
        for payment in payments:
            if not recording.is_superseded(payment):
                recording.take(payment, BankAnswer(reference=payment.reference, outcome="settled"), rejected_stays=True)
        return DecidedStep(recording.result(name), leaves=recording.leaves)

    return take(ws, decide)


def sent_by_file(ws: Workspace, book: Book, run: Digest | None = None) -> Iterator[SentPayment]:
    """Return every payment that was handed to a bank, in order; optionally only those of one run."""
    for name, batches in book.batches.items():
        if run is not None and name != run:
            continue
        currency = load(ws.log, book.runs[name]).currency
        attempts: dict[str, int] = {}
        for batch in batches:
            for row in payments_of(ws.log, batch.statement):
                instruction = Instruction.from_payload(row)
                attempt = attempts[instruction.party] = attempts.get(instruction.party, 0) + 1
                if batch.via == "file":
                    paid_in, micros = instruction.paid(currency)
                    yield SentPayment(
                        run=name,
                        batch=batch,
                        party=instruction.party,
                        attempt=attempt,
                        reference=instruction.reference,
                        currency=paid_in,
                        micros=micros,
                    )
    for record in book.mandates.instalments.values():
        mandate = book.mandates.mandates[record.mandate]
        if mandate.via != "file" or run not in (None, record.id):
            continue
        try:
            rows = payments_of(ws.log, record.statement)
        except (InputError, VerificationError):
            continue  # its list of payments is lost in this copy: an answer to it is reported as unknown
        for row in rows:
            instruction = Instruction.from_payload(row)
            yield SentPayment(
                run=record.id,
                batch=record,
                party=instruction.party,
                attempt=1,
                reference=instruction.reference,
                currency=mandate.currency,
                micros=instruction.micros,
            )


# --- matching -----------------------------------------------------------------------------------


def _matched(
    ws: Workspace, book: Book, sent: Sequence[SentPayment], bank_file: BankFile, name: str
) -> tuple[list[tuple[SentPayment, BankAnswer]], list[str]]:
    """Return answers with their payments, arrivals before returns; and the unknown references.

    Refuses a file without any payment of this log, or one that contradicts what was sent.
    """
    by_reference: dict[str, list[SentPayment]] = {}
    by_message: dict[str, list[SentPayment]] = {}
    for payment in sent:
        by_reference.setdefault(payment.reference, []).append(payment)
        by_message.setdefault(message_id(payment.batch, payment.currency), []).append(payment)
    matched: list[tuple[SentPayment, BankAnswer]] = []
    unknown: list[str] = []
    problems: list[str] = []
    for answer in bank_file.answers:
        payments = by_message.get(answer.batch, []) if answer.batch else by_reference.get(answer.reference, [])[-1:]
        if not payments:
            unknown.append(answer.batch or answer.reference)
            continue
        problems += _contradictions(payments, answer, len(by_reference.get(answer.reference, [])))
        matched += [(payment, answer) for payment in payments]
    problems += _never_sent(ws, book, unknown)
    if problems:
        more = f"; and {len(problems) - SHOWN_MAX} more" if len(problems) > SHOWN_MAX else ""
        raise InputError(f"{name}: {'; '.join(problems[:SHOWN_MAX])}{more}; nothing of this file was recorded")
    if unknown and not matched:
        raise InputError(
            f"{name}: no payment of this log has a reference in it (of {len(unknown):,}, the first is {unknown[0]}): "
            "it may be of another account, or of a month that is not paid yet; nothing was recorded"
        )
    order = {"settled": 0, "failed": 1, "returned": 2, "pending": 3}
    return sorted(matched, key=lambda pair: order[pair[1].outcome]), unknown


def _contradictions(payments: Sequence[SentPayment], answer: BankAnswer, namesakes: int) -> Iterator[str]:
    """Find answers with another amount than was sent, or that fit two attempts."""
    if namesakes > 1:
        # Release 0.1 gave every attempt the same reference.
        yield (
            f"{answer.reference} names {namesakes} attempts at the payment to {payments[0].party}; say it by hand: "
            f"settle payment {payments[0].run[:16]} {payments[0].party} {answer.outcome}"
        )
    if answer.micros is None or answer.outcome == "pending":
        return
    due = sum(payment.micros for payment in payments)
    currency = payments[0].currency
    # A returned amount may be smaller: banks on the way deduct their charges.
    fits = answer.micros <= due if answer.outcome == "returned" else answer.micros == due
    if answer.currency != currency or not fits:
        yield (
            f"{answer.batch or answer.reference} is {money(due, currency)}, the bank says "
            f"{money(answer.micros, answer.currency)}"
        )


def _never_sent(ws: Workspace, book: Book, unknown: Iterable[str]) -> Iterator[str]:
    """Return answers about payments that were never handed over: no bank can have paid them."""
    names = set(unknown)
    for run in book.published if names else ():
        for party, transfer in transfers(ws.log, book, load(ws.log, book.runs[run])).items():
            if transfer.due and reference(run, party, len(transfer.attempts) + 1) in names:
                yield f"run {run[:16]} never handed over its payment to {party}, and the bank has an answer to it"


# --- recording ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _PaymentStanding:
    """A payment's state while a file is read: its last attempt, and outcomes in force or waiting."""

    transfer: PartyPayment
    state: State
    counted: int
    proposed: set[Outcome] = field(default_factory=set)


@dataclass(slots=True)
class _AnswerRecording:
    """Collects the leaves that record the answers, one payment after the other."""

    ws: Workspace
    book: Book
    maker: PrivateKey
    at: str
    leaves: list[Leaf] = field(default_factory=list)
    settled: list[SentPayment] = field(default_factory=list)
    proposals: list[OutcomeProposed] = field(default_factory=list)
    refused: list[AnswerRefused] = field(default_factory=list)
    already: int = 0
    pending: int = 0
    _runs: dict[Digest, dict[str, PartyPayment]] = field(default_factory=dict)
    _standings: dict[tuple[Digest, str], _PaymentStanding] = field(default_factory=dict)

    def take(self, payment: SentPayment, answer: BankAnswer, *, rejected_stays: bool = False) -> None:
        """Record an answer for a payment. `rejected_stays`: not if a rejection waits for approval."""
        if answer.outcome == "pending":
            self.pending += 1
            return
        standing = self._standing(payment)
        following = _following(standing, payment, answer.outcome, rejected_stays=rejected_stays)
        if isinstance(following, str):
            self.refused.append(
                AnswerRefused(
                    reference=payment.reference, party=payment.party, outcome=answer.outcome, reason=following
                )
            )
            return
        self.already += not following
        for outcome in following:
            self._record(standing, payment, answer, outcome)

    def is_superseded(self, payment: SentPayment) -> bool:
        """Return whether a later attempt at the same payment was handed over, or an instalment's next one pays it."""
        if isinstance(payment.batch, Instalment) and self._standing(payment).state == "failed":
            return True
        return payment.attempt < len(self._standing(payment).transfer.attempts)

    def result(self, name: str, *, unnamed: int = 0, unknown: Sequence[str] = ()) -> AnswersRead:
        return AnswersRead(
            file=name,
            settled=len(self.settled),
            totals=totals((payment.currency, payment.micros) for payment in self.settled),
            proposals=tuple(self.proposals),
            already=self.already,
            pending=self.pending,
            unnamed=unnamed,
            unknown=tuple(unknown),
            refused=tuple(self.refused),
        )

    def _standing(self, payment: SentPayment) -> _PaymentStanding:
        run, party = payment.run, payment.party
        if run not in self._runs:
            self._runs[run] = payments_under(self.ws.log, self.book, run)
        if (run, party) not in self._standings:
            count = len(self.book.payments.get((run, party), ()))
            waiting = {outcome for outcome in BY_TWO if self._named(payment, outcome).claim(count) in self.book.claims}
            transfer = self._runs[run][party]
            self._standings[run, party] = _PaymentStanding(transfer, transfer.state, count, waiting)
        return self._standings[run, party]

    def _named(self, payment: SentPayment, outcome: Outcome, entry: str = "") -> Payment:
        return Payment(
            at=self.at,
            by=self.ws.operator,
            key=self.maker.public.id,
            run=payment.run,
            party=payment.party,
            outcome=outcome,
            reference=entry,
        )

    def _record(self, standing: _PaymentStanding, payment: SentPayment, answer: BankAnswer, outcome: Outcome) -> None:
        record = self._named(payment, outcome, answer.entry)
        self.leaves.append(signed(record, self.maker))
        if outcome == "settled":
            self.settled.append(payment)
            standing.state = "settled"
            standing.counted += 1
            return
        standing.proposed.add(outcome)
        self.proposals.append(
            OutcomeProposed(
                id=record.claim(standing.counted), party=payment.party, reference=payment.reference, outcome=outcome
            )
        )


_FOLLOWING: Final[dict[tuple[State, str], tuple[Outcome, ...] | str]] = {
    ("handed over", "settled"): ("settled",),
    ("handed over", "failed"): ("failed",),
    ("handed over", "returned"): ("settled", "returned"),
    ("failed", "settled"): ("settled",),
    ("settled", "returned"): ("returned",),
    ("settled", "failed"): (
        "it is recorded as settled, which is final; what came back is in a statement (camt.053 or camt.054)"
    ),
    ("written-off", "settled"): (
        "it was written off and is owed again, and the bank says it arrived: correct it by settle adjust"
    ),
}
"""By state and what the bank says: the outcomes to record, or why that cannot be; nothing where it is known."""
SENT_AGAIN: Final = (
    "this attempt was recorded as failed and the payment was sent again, and the bank says it arrived after all: have "
    "the bank stop or call back the later one"
)


def _following(
    standing: _PaymentStanding, payment: SentPayment, outcome: str, *, rejected_stays: bool
) -> tuple[Outcome, ...] | str:
    """Return the outcomes to record for a bank's answer: none if already recorded, a reason if impossible."""
    if outcome in standing.proposed:
        return ()
    if payment.attempt < len(standing.transfer.attempts):
        return SENT_AGAIN if outcome == "settled" else ()
    if rejected_stays and "failed" in standing.proposed:
        return "the bank rejected it, which waits for a second person: settle proposals"
    return _FOLLOWING.get((standing.state, outcome), ())
