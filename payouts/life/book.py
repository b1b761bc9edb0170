"""The book of a log: every close, run, approval, payment, hold and correction, folded from its leaves.

There is no other state, so a step is done exactly if its leaf was appended, whenever a crash comes. A leaf that breaks
a rule has no effect and is kept as a `Void` with the reason: it cannot be removed from the log, and its author gains
nothing by it. The rules, each checked here whatever door the leaf came through:

- every act is signed within its leaf by a key of its author's role (`Authority`), a close since form 2;
- a period closes once, and in order; a run belongs to a closed period;
- whoever disputes a line has a part in it, and no party to it approves its outcome; its hold ends within thirty days;
- what one person makes only another person with another person's key can approve;
- a hold ends by itself only once its time has come, by the clocks of the witnesses that it names;
- no two acts bear one name, so that an approval, or the end of a hold, is of one thing;
- at most one published run per (period, pool, sequence), and only an approved one;
- a run is paid in numbered batches, after publication, and not once it is reversed;
- a run has one restatement waiting, none once it is reversed, and none that does not know all that counts by then;
- a payment that arrived can only be returned, once; that one failed, was lost or returned counts when a second
  person approved it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from ledger.errors import InputError, VerificationError
from ledger.reading.gate import Void
from ledger.types import Digest, Leaf
from payouts.accounts.clauses import Agreed, in_force
from payouts.life import mandates, records
from payouts.life.ends import check_come, quorum_of
from payouts.life.line_disputes import Admit, Answer, Appeal, Decide, Disputes, LineDispute
from payouts.life.listener_holds import Reject
from payouts.life.mandates import Instalment, InstalmentCheck, Mandates, Resume
from payouts.life.places import RecordPlace
from payouts.life.records import (
    Adjust,
    Agree,
    Approve,
    Close,
    Expire,
    Hold,
    Pay,
    Payment,
    Proposal,
    Publish,
    Release,
    Reverse,
    Run,
)
from payouts.life.revisions import Restate, Withdraw

RunState = Literal["calculated", "approved", "published", "paying", "reversed"]


Authority = Callable[[int, Leaf], str]
"""The party whose key signed the leaf at this index; VerificationError unless it counts there, in the author's role."""
Entitlement = Callable[[int, LineDispute, Run], None]
"""VerificationError unless whoever opens the dispute at this index had a part in what it is about, by that run."""


@dataclass(slots=True, kw_only=True)
class Book:
    """The state after the leaves read so far. `size` is the log size up to which they were read."""

    authority: Authority
    entitlement: Entitlement
    check_document: InstalmentCheck
    size: int = 0
    closes: dict[str, Close] = field(default_factory=dict)
    runs: dict[Digest, Run] = field(default_factory=dict)
    approvals: dict[str, list[Approve]] = field(default_factory=dict)
    published: dict[Digest, Publish] = field(default_factory=dict)
    slots: dict[tuple[str, str, int], Digest] = field(default_factory=dict)
    """The published run of each (period, pool, sequence)."""
    batches: dict[Digest, list[Pay]] = field(default_factory=dict)
    payments: dict[tuple[Digest, str], list[Payment]] = field(default_factory=dict)
    """What became of each (run, party), as far as it counts, in the order in which it came to count."""
    history: dict[Digest, list[tuple[int, Pay | Payment]]] = field(default_factory=dict)
    """Of each run, its batches and what was heard of them, with the index at which each came to count."""
    claims: dict[str, Payment] = field(default_factory=dict)
    """Payments said to have failed or to be lost, by proposal id, approved or not."""
    holds: dict[str, Hold] = field(default_factory=dict)
    expiries: dict[str, Expire] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)
    rejects: dict[str, Reject] = field(default_factory=dict)
    adjusts: dict[str, Adjust] = field(default_factory=dict)
    reverses: dict[str, Reverse] = field(default_factory=dict)
    restates: dict[str, Restate] = field(default_factory=dict)
    withdrawn: dict[str, Withdraw] = field(default_factory=dict)
    """Restatements that their maker took back, by the restatement's id."""
    agreements: dict[str, Agree] = field(default_factory=dict)
    disputes: Disputes = field(default_factory=Disputes)
    mandates: Mandates = field(default_factory=Mandates)
    last: int = -1  # where the last record stands that counts
    voids: list[Void] = field(default_factory=list)
    places: dict[tuple[str, str], RecordPlace] = field(default_factory=dict)
    """Where each record stands, by (leaf type, id); a pay leaf's id is `run/batch`."""

    def close(self, period: str) -> Close | None:
        return self.closes.get(period)

    def period_root(self, period: str) -> bytes:
        """Return the hash of the period's close leaf."""
        return self.places["close", period].hash

    def proposal(self, subject: str) -> Proposal:
        """Return the proposal that a second person may approve under this id."""
        for proposals in self._proposals():
            if subject in proposals:
                proposal: Proposal = proposals[subject]
                return proposal
        raise InputError(f"{subject!r} is not a run, or anything else that a second person approves, in this log")

    def _proposals(self) -> tuple[Mapping[str, Proposal], ...]:
        return (
            self.runs,
            self.releases,
            self.rejects,
            self.adjusts,
            self.reverses,
            self.restates,
            self.agreements,
            self.claims,
            self.disputes.admits,
            self.disputes.resolves,
            self.mandates.mandates,
            self.mandates.resumes,
        )

    def proposal_ids(self) -> list[str]:
        """Return the ids of everything that was ever proposed, runs first."""
        return [name for proposals in self._proposals() for name in proposals]

    def document(self, subject: str) -> Digest:
        """Return the digest that an approval signs: a run's signed document, or the hash of the proposal's leaf."""
        proposal = self.proposal(subject)
        if isinstance(proposal, Run):
            return proposal.statement
        return self.places[type(proposal).__name__.lower(), subject].hash.hex()

    def approved(self, subject: str) -> bool:
        return bool(self.approvals.get(subject))

    def reversed(self, run: Digest) -> bool:
        return any(reverse.run == run and self.approved(reverse.id) for reverse in self.reverses.values())

    def state_of(self, run: Digest) -> RunState:
        if self.reversed(run):
            return "reversed"
        if self.batches.get(run):
            return "paying"
        if run in self.published:
            return "published"
        return "approved" if self.approved(run) else "calculated"

    def sequence(self, period: str, pool: str) -> int:
        """Return the sequence of a new run of this pool; it is one higher for each reversed run."""
        number = 1
        while (run := self.slots.get((period, pool, number))) is not None and self.reversed(run):
            number += 1
        return number

    def standing(self, pool: str | None = None, *, before: str | None = None) -> list[Run]:
        """Return the published runs that were not reversed, in order of publication.

        Optionally only those of one pool, before a period.
        """
        runs = [self.runs[run] for run in self.published if not self.reversed(run)]
        return [run for run in runs if (pool is None or run.pool == pool) and (before is None or run.period < before)]

    def lifted(self) -> dict[str, str]:
        """Return ended holds, ended terms and released `run/party/reason`, with their approved release or expiry."""
        expired = {expiry.hold: expiry.id for expiry in self.expiries.values()}
        return expired | {
            release.hold: release.id
            for release in self.releases.values()
            if self.approved(release.id) and release.hold not in expired
        }

    def lifted_at(self, name: str) -> int:
        """Return the index at which an expiry, or the first approval of a release, took effect."""
        if name in self.expiries:
            return self.places["expire", name].index
        return self.counts_from(name)

    def counts_from(self, name: str) -> int:
        """Return the index of the first approval of this proposal."""
        return min(self.places["approve", f"{name}/{approval.by}"].index for approval in self.approvals[name])

    def rejected(self) -> dict[str, str]:
        """Return holds on listeners whose streams are rejected, with the approved rejection."""
        return {reject.hold: reject.id for reject in self.rejects.values() if self.approved(reject.id)}

    def open_holds(self) -> list[Hold]:
        ended = self.lifted().keys() | self.rejected().keys()
        return [hold for hold in self.holds.values() if hold.id not in ended]

    def agreed(self, *, pool: str, currency: str, period: str) -> tuple[Agreed, ...]:
        """Return the terms in force for a run: approved, not ended, and the newest where only one can apply."""
        ended = self.lifted()
        standing = [
            agreement.agreed
            for agreement in self.agreements.values()
            if self.approved(agreement.id) and agreement.id not in ended
        ]
        return in_force(standing, pool=pool, currency=currency, period=period)

    def restatements(self, run: Digest) -> list[Restate]:
        """Return the approved restatements of a run in force, in the order of the log."""
        if self.reversed(run):
            return []
        return [restate for restate in self.restates.values() if restate.run == run and self.approved(restate.id)]

    def waiting_restatement(self, run: Digest) -> Restate | None:
        """Return the restatement of a run that waits for a second person."""
        for restate in self.restates.values():
            if restate.run == run and not self.approved(restate.id) and restate.id not in self.withdrawn:
                return restate
        return None

    def payment_of(self, run: Digest, party: str) -> Payment | None:
        """Return the last outcome of a payment that is in force."""
        news = self.payments.get((run, party))
        return news[-1] if news else None

    def add(self, index: int, leaf_hash: bytes, leaf: Leaf) -> None:
        """Apply the next leaf. A leaf that breaks a rule is void."""
        kind = leaf.get("type")
        step = _STEPS.get(kind) if isinstance(kind, str) else None
        if step is not None:
            try:
                signer = self.authority(index, leaf)
                if kind == "approve":
                    self._check_apart(leaf, signer)
                self.places[str(kind), step(self, index, leaf)] = RecordPlace(index, leaf_hash)
                self.last = index
            except (VerificationError, InputError) as problem:
                self.voids.append(Void(index, str(kind), str(problem)))
        self.size = max(self.size, index + 1)

    def _check_apart(self, leaf: Leaf, signer: str) -> None:  # an approval with the maker's key, in any name
        subject = Approve.read(leaf).subject
        _rule(self.proposal(subject).by != signer, f"{signer} made {subject}, and the key that approves it is theirs")

    def _check_name(self, name: str) -> None:
        """Reject an id that is already used. Approvals and releases name records by id alone and would affect both."""
        named = (*self._proposals(), self.holds, self.expiries, self.disputes.ids(), self.mandates.ids())
        _rule(all(name not in names for names in named), f"something named {name} is in the log already")

    def _close(self, index: int, leaf: Leaf) -> str:
        record = Close.read(leaf)
        _rule(record.period not in self.closes, f"period {record.period} was already closed")
        last = max(self.closes, default="")
        _rule(record.period > last, f"period {last} was closed before {record.period}")
        _rule(record.registry_size <= index, "the registry is said to be larger than the log")
        self.closes[record.period] = record
        return record.period

    def _run(self, _: int, leaf: Leaf) -> str:
        record = Run.read(leaf)
        _rule(record.period in self.closes, f"period {record.period} is open")
        self._check_name(record.run)
        self.runs[record.run] = record
        return record.run

    def _approve(self, index: int, leaf: Leaf) -> str:
        record = Approve.read(leaf)
        proposal = self.proposal(record.subject)
        _rule(record.by != proposal.by, f"{record.by} made {record.subject} and cannot approve it")
        _rule(record.key != proposal.key, f"{record.subject} was made with the key that approves it")
        _rule(record.document == self.document(record.subject), f"{record.by} signed another {record.subject}")
        earlier = self.approvals.setdefault(record.subject, [])
        _rule(
            all(record.by != approval.by and record.key != approval.key for approval in earlier),
            f"{record.by} approved it already",
        )
        if isinstance(proposal, Run):
            _rule(record.subject not in self.published, f"run {record.subject} is published")
        if isinstance(proposal, Reverse) and not earlier:
            last = self.standing(self.runs[proposal.run].pool)[-1:]
            _rule([run.run for run in last] == [proposal.run], f"run {proposal.run} is not the last of its pool")
        if isinstance(proposal, Restate):
            _rule(record.subject not in self.withdrawn, f"restatement {record.subject} was withdrawn")
            _rule(not self.reversed(proposal.run), f"run {proposal.run} is reversed")
            decided = self.disputes.decided_since(proposal.run, proposal.size)
            _rule(decided is None, f"{decided} was decided since restatement {record.subject} was calculated")
        if isinstance(proposal, Release) and not earlier:
            _rule(proposal.hold not in self.rejected(), f"what hold {proposal.hold} names was rejected")
        if isinstance(proposal, Reject) and not earlier:
            _rule(proposal.hold not in self.lifted(), f"hold {proposal.hold} has ended already")
        if isinstance(proposal, Admit) and not earlier:
            self.disputes.admit_by_two(proposal, record.by, index, record.at)
        if isinstance(proposal, Decide) and not earlier:
            self.disputes.decide(proposal, record.by, index)
        if isinstance(proposal, Payment) and not earlier:
            self._hear(index, proposal, record.subject)
        if isinstance(proposal, Resume):
            self.mandates.lifted.add(proposal.stop)
        earlier.append(record)
        return f"{record.subject}/{record.by}"

    def _publish(self, _: int, leaf: Leaf) -> str:
        record = Publish.read(leaf)
        _rule(record.run in self.runs, f"run {record.run} is not in the log")
        _rule(self.approved(record.run), f"run {record.run} is not approved")
        run = self.runs[record.run]
        slot = (run.period, run.pool, run.sequence)
        _rule(slot not in self.slots, f"another run of {run.period}, pool {run.pool} is published")
        _rule(run.sequence == self.sequence(run.period, run.pool), f"sequence {run.sequence} is not the next")
        self.published[record.run] = record
        self.slots[slot] = record.run
        return record.run

    def _pay(self, index: int, leaf: Leaf) -> str:
        record = Pay.read(leaf)
        _rule(record.run in self.published, f"run {record.run} is not published")
        _rule(not self.reversed(record.run), f"run {record.run} is reversed")
        batches = self.batches.get(record.run, [])
        _rule(record.batch == len(batches) + 1, f"batch {record.batch} is not the next")
        self.batches[record.run] = [*batches, record]
        self.history.setdefault(record.run, []).append((index, record))
        return f"{record.run}/{record.batch}"

    def _payment(self, index: int, leaf: Leaf) -> str:
        record = Payment.read(leaf)
        sent = 1 if record.run in self.mandates.instalments else len(self.batches.get(record.run, []))
        _rule(sent > 0, f"run {record.run} has no payments")
        news = self.payments.get((record.run, record.party), [])
        _rule(record.may_follow(news), f"the payment to {record.party} is final")
        if record.outcome == "settled":
            self._count(index, record, news)
            return f"{record.run}/{record.party}"
        name = record.claim(len(news))
        self._check_name(name)
        repeated = record.outcome == "failed" and len(news) >= sent
        _rule(not repeated, f"the payment to {record.party} was not sent again since it failed")
        self.claims[name] = record
        return name

    def _count(self, index: int, record: Payment, heard: list[Payment]) -> None:
        self.payments[record.run, record.party] = [*heard, record]
        self.history.setdefault(record.run, []).append((index, record))

    def _hear(self, index: int, claim: Payment, name: str) -> None:
        """Apply a payment's approved outcome from here on, unless another outcome took effect meanwhile."""
        news = self.payments.get((claim.run, claim.party), [])
        _rule(claim.may_follow(news), f"the payment to {claim.party} is final")
        _rule(claim.claim(len(news)) == name, f"something else became of the payment to {claim.party} meanwhile")
        self._count(index, claim, news)

    def _hold(self, _: int, leaf: Leaf) -> str:
        record = Hold.read(leaf)
        _rule("/" not in record.id, f"hold {record.id} has the name of money that a run held")
        quorum_of(record)
        self._check_name(record.id)
        self.holds[record.id] = record
        return record.id

    def _expire(self, _: int, leaf: Leaf) -> str:
        record = Expire.read(leaf)
        if record.hold in self.disputes.files:
            self._check_name(record.id)
            self.disputes.lapse(record.hold, record.at)
            return record.id
        hold = self.holds.get(record.hold)
        if hold is None or hold.until is None:
            raise VerificationError(f"{record.hold} is not a hold with an end")
        check_come(hold, record)
        _rule(hold in self.open_holds(), f"hold {record.hold} has ended already")
        self._check_name(record.id)
        self.expiries[record.id] = record
        return record.id

    def _release(self, _: int, leaf: Leaf) -> str:
        record = Release.read(leaf)
        run = record.hold.partition("/")[0]
        releasable = record.hold in self.holds or record.hold in self.agreements or run in self.published
        _rule(releasable, f"{record.hold} is not held in the log")
        self._check_name(record.id)
        self.releases[record.id] = record
        return record.id

    def _reject(self, _: int, leaf: Leaf) -> str:
        record = Reject.read(leaf)
        hold = self.holds.get(record.hold)
        _rule(hold is not None and hold.scope == "listeners", f"{record.hold} is no hold on listeners")
        self._check_name(record.id)
        self.rejects[record.id] = record
        return record.id

    def _adjust(self, _: int, leaf: Leaf) -> str:
        record = Adjust.read(leaf)
        self._check_name(record.id)
        self.adjusts[record.id] = record
        return record.id

    def _reverse(self, _: int, leaf: Leaf) -> str:
        record = Reverse.read(leaf)
        _rule(record.run in self.published, f"run {record.run} is not published")
        self._check_name(record.id)
        self.reverses[record.id] = record
        return record.id

    def _restate(self, index: int, leaf: Leaf) -> str:
        record = Restate.read(leaf)
        _rule(record.run in self.published, f"run {record.run} is not published")
        _rule(not self.reversed(record.run), f"run {record.run} is reversed")
        run = self.runs[record.run]
        _rule(record.pool == run.pool, f"run {record.run} is of pool {run.pool}, not of {record.pool}")
        _rule(record.period > run.period, f"a restatement of {run.period} is booked in a later period")
        _rule(record.size <= index, "it is said to know more of the log than there is")
        # A proposer who chose the size could leave out what was booked or released, and book it again.
        _rule(record.size > self.last, f"it knows the log up to {record.size} and not entry {self.last}")
        waiting = self.waiting_restatement(record.run)
        _rule(waiting is None, f"another restatement of run {record.run} waits for a second person")
        self._check_name(record.id)
        self.restates[record.id] = record
        return record.id

    def _withdraw(self, _: int, leaf: Leaf) -> str:
        record = Withdraw.read(leaf)
        _rule(record.proposal in self.restates, f"{record.proposal} is not a restatement of this log")
        _rule(not self.approved(record.proposal), f"restatement {record.proposal} is approved")
        _rule(record.proposal not in self.withdrawn, f"restatement {record.proposal} was withdrawn already")
        self.withdrawn[record.proposal] = record
        return record.proposal

    def _contest(self, index: int, leaf: Leaf) -> str:
        record = LineDispute.read(leaf)
        _rule(record.run in self.published, f"run {record.run} is not published")
        _rule(not self.reversed(record.run), f"run {record.run} is reversed")
        self._check_name(record.id)
        self.entitlement(index, record, self.runs[record.run])
        self.disputes.open(record)
        return record.id

    def _admit(self, index: int, leaf: Leaf) -> str:
        record = Admit.read(leaf)
        self._check_name(record.id)
        self.disputes.admit(record, index)
        return record.id

    def _answer(self, index: int, leaf: Leaf) -> str:
        record = Answer.read(leaf)
        self.disputes.answer(record)
        return f"{record.dispute}/{index}"

    def _decide(self, _: int, leaf: Leaf) -> str:
        record = Decide.read(leaf)
        self._check_name(record.id)
        self.disputes.resolve(record)
        return record.id

    def _appeal(self, _: int, leaf: Leaf) -> str:
        record = Appeal.read(leaf)
        self.disputes.take_appeal(record)
        return record.dispute

    def _agree(self, _: int, leaf: Leaf) -> str:
        record = Agree.read(leaf)
        self._check_name(record.id)
        self.agreements[record.id] = record
        return record.id

    def _on_account(self, index: int, leaf: Leaf) -> str:
        record = mandates.read(leaf)
        self._check_name(record.id)
        if not isinstance(record, Instalment):
            return self.mandates.take(record)
        # What it does not know of, a hold or an answer of the bank, could pay the same money twice.
        _rule(self.last < record.size <= index, f"it knows the log up to {record.size} and not entry {self.last}")
        # Its payments are counted, booked and sent as its document lists them.
        self.check_document(index, record, self.mandates.mandate(record.mandate))
        closed = record.period <= max(self.closes, default="")
        return self.mandates.pay(record, is_approved=self.approved(record.mandate), is_closed=closed)


_STEPS: Final[dict[str, Callable[[Book, int, Leaf], str]]] = {
    name: Book._on_account if name in mandates.TYPES else getattr(Book, f"_{name}")  # noqa: SLF001  a table of its steps
    for name in records.TYPES
}


def _rule(holds: bool, broken: str) -> None:  # noqa: FBT001  the condition is the subject
    if not holds:
        raise VerificationError(broken)


def fold(
    leaves: Iterable[tuple[int, bytes, Leaf]],
    authority: Authority,
    entitlement: Entitlement,
    check_document: InstalmentCheck,
) -> Book:
    """Return the book of these leaves: (index, leaf hash, leaf), by index; other types are skipped."""
    book = Book(authority=authority, entitlement=entitlement, check_document=check_document)
    for index, leaf_hash, leaf in leaves:
        book.add(index, leaf_hash, leaf)
    return book
