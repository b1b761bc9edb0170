"""Disputes of lines of a published run: open, admit, answer, decide by two people, appeal.

Ownership disputes are facts of the registry (`service.registry`); both kinds are shown in one list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError, StateError
from ledger.registry.statement import Signer
from ledger.shown import money
from ledger.types import Digest, format_time
from payouts.life.book import Book
from payouts.life.line_disputes import ABOUT, DAYS, Admit, Answer, Appeal, Decide, DisputeFile, LineDispute, after
from payouts.life.records import Act
from payouts.money import parse_amount
from service.log.keys import ring
from service.registry import pages
from service.registry.naming import unknown_party
from service.registry.signing import signer
from service.settlement.carrying import held_by
from service.settlement.entitled import check_entitled
from service.settlement.finding import find_run
from service.settlement.holds import name_of, said
from service.settlement.restating import check_not_restated
from service.settlement.step import DecidedStep, read_book, signed, take
from service.settlement.stored import load

if TYPE_CHECKING:
    from ledger.registry.view import View
    from service.workspace import Workspace

OWNERSHIP = "ownership"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenInDispute:
    """A text in a dispute, by a party or with an outcome, and the digests of its evidence files.

    `signed_by` is the party whose key signed it: the party itself, or the operator for a party without a key.
    """

    at: str
    what: str
    party: str
    signed_by: str
    text: str
    evidence: tuple[Digest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeShown:
    """A dispute and its state. `due`: the date of the next step; `overdue`: the date has passed."""

    id: str
    about: str
    subject: str
    period: str
    run: Digest | None
    claimant: str
    against: str
    currency: str
    claimed_micros: int | None
    held_micros: int
    state: str
    opened_at: str
    next: str
    due: str | None
    overdue: bool
    spoken: tuple[SpokenInDispute, ...]


# --- looking ------------------------------------------------------------------------------------


def shown_all(ws: Workspace, *, everything: bool = False) -> list[DisputeShown]:
    """Return disputes of lines and of ownership, oldest first: the open ones, or all."""
    book, view = read_book(ws), ws.registry.view()
    rows = [_shown(ws, book, dispute) for dispute in book.disputes.files.values() if everything or dispute.is_open]
    rows += [_ownership(ws, view, fact.id) for fact in view.disputes.values() if everything or fact.resolved_at is None]
    return sorted(rows, key=lambda shown: (shown.opened_at, shown.id))


def show(ws: Workspace, name: str) -> DisputeShown:
    """One dispute with all its texts."""
    book, view = read_book(ws), ws.registry.view()
    if name in book.disputes.files:
        return _shown(ws, book, book.disputes.file(name))
    if name in view.disputes:
        return _ownership(ws, view, name)
    raise InputError(f"{name!r} is not a dispute; see: settle dispute list --all")


def overdue(ws: Workspace) -> list[DisputeShown]:
    """Return open disputes with a missed date."""
    return [shown for shown in shown_all(ws) if shown.overdue]


def _shown(ws: Workspace, book: Book, dispute: DisputeFile) -> DisputeShown:
    opened = dispute.opened
    stored = load(ws.log, book.runs[opened.run])
    step, due = _next(book, dispute)
    return DisputeShown(
        id=opened.id,
        about=opened.about,
        subject=opened.subject,
        period=stored.record.period,
        run=opened.run,
        claimant=opened.claimant,
        against=opened.against,
        currency=stored.currency,
        claimed_micros=opened.micros,
        held_micros=held_by(ws.log, book, dispute) if dispute.holds_money else 0,
        state=dispute.state,
        opened_at=opened.at,
        next=step,
        due=due,
        overdue=due is not None and due < format_time(ws.clock()),
        spoken=_spoken(dispute),
    )


def _next(book: Book, dispute: DisputeFile) -> tuple[str, str | None]:
    """Return the next step and its date."""
    outcome = _waiting_outcome(book, dispute)
    step, due = _next_without_outcome(dispute)
    if outcome is not None:
        step = f"another person approves the outcome: settle approve {outcome} --as PARTY"
    return step, due


def _waiting_outcome(book: Book, dispute: DisputeFile) -> str | None:
    """Return the id of the newest outcome that one person has proposed and nobody has approved."""
    if not dispute.is_open:
        return None
    following = len(dispute.outcomes) + 1
    proposed = [
        name
        for name, outcome in book.disputes.resolves.items()
        if (outcome.dispute, outcome.round) == (dispute.opened.id, following)
    ]
    return proposed[-1] if proposed else None


def _next_without_outcome(dispute: DisputeFile) -> tuple[str, str | None]:
    if not dispute.is_open:
        if len(dispute.outcomes) == 1:
            return f"closed; {' and '.join(dispute.parties)} may appeal", None
        return "closed", None
    if dispute.appeal is not None:
        return "another outcome, approved by a third person", after(dispute.appeal.at)
    if dispute.admitted is None:
        return "the operator admits it, or two people reject it", after(dispute.opened.at)
    if not dispute.answers and dispute.opened.against:
        return f"{dispute.opened.against} answers", dispute.admitted.until
    return "two people decide", dispute.admitted.until


def _spoken(dispute: DisputeFile) -> tuple[SpokenInDispute, ...]:
    opened, appeal = dispute.opened, dispute.appeal
    spoken = [
        SpokenInDispute(
            at=opened.at,
            what="claim",
            party=opened.claimant,
            signed_by=opened.by,
            text=opened.text,
            evidence=opened.evidence,
        )
    ]
    spoken += [
        SpokenInDispute(
            at=outcome.at,
            what=f"outcome {outcome.round}: {outcome.decision}",
            party="",
            signed_by=f"{outcome.by} and {approver}",
            text=outcome.text,
            evidence=(),
        )
        for outcome, approver in zip(dispute.outcomes, dispute.decided_by, strict=True)
    ]
    spoken += [_statement("answer", answer) for answer in dispute.answers]
    spoken += [] if appeal is None else [_statement("appeal", appeal)]
    return tuple(sorted(spoken, key=lambda text: text.at))


def _statement(what: str, statement: Answer | Appeal) -> SpokenInDispute:
    return SpokenInDispute(
        at=statement.at,
        what=what,
        party=statement.party,
        signed_by=statement.by,
        text=statement.text,
        evidence=statement.evidence,
    )


def _ownership(ws: Workspace, view: View, name: str) -> DisputeShown:
    page: dict[str, Any] = pages.dispute(ws, view, name)
    is_open = page["resolved_at"] is None
    claim = SpokenInDispute(
        at=page["opened_at"],
        what="claim",
        party=page["claimant"],
        signed_by=ws.registry.author_of(view.disputes[name].index),
        text=page["reason"] or "",
        evidence=(page["evidence"],) if page["evidence"] else (),
    )
    return DisputeShown(
        id=name,
        about=OWNERSHIP,
        subject=page["subject"],
        period="",
        run=None,
        claimant=page["claimant"],
        against=page["party"] or "",
        currency="",
        claimed_micros=None,
        held_micros=0,
        state="opened" if is_open else str(page["outcome"]),
        opened_at=page["opened_at"],
        next="settle dispute resolve --release or --resplit" if is_open else "closed",
        due=after(page["opened_at"]) if is_open else None,
        overdue=is_open and after(page["opened_at"]) < format_time(ws.clock()),
        spoken=(claim,),
    )


# --- acting -------------------------------------------------------------------------------------


def open_dispute(
    ws: Workspace,
    run_id: str,
    *,
    about: str,
    claimant: str,
    amount: str,
    text: str,
    against: str = "",
    subject: str = "",
    evidence: Sequence[Digest] = (),
    by: str | None = None,
) -> DisputeShown:
    """Open a dispute of a published run for an entitled party. Nothing is held before it is admitted."""
    if about not in ABOUT:
        raise InputError(f"a dispute is about one of {', '.join(ABOUT)}, or of ownership; not {about!r}")
    said(text, "a dispute")
    micros = parse_amount(amount)
    if micros <= 0:
        raise InputError(f"a dispute claims more than nothing, not {amount}")
    if claimant == against:
        raise InputError(f"{claimant} cannot dispute their own money; --against names the other side")
    needs_subject = about in ("influence", "permission")
    if needs_subject != bool(subject):
        raise InputError(
            f"a dispute about an {about} names the track or recording: --subject"
            if needs_subject
            else f"a dispute about {about} is about the line as a whole; leave out --subject"
        )

    author = _author(ws, claimant, by)

    def decide(book: Book, at: str) -> tuple[Act, str]:
        run = find_run(book, run_id)
        if run.run not in book.published or book.reversed(run.run):
            raise StateError(f"run {run.run[:16]} is {book.state_of(run.run)}; only what is published is disputed")
        stored = load(ws.log, run)
        if claimant not in ws.registry.view().parties and claimant not in stored.accounts:
            raise unknown_party(ws, claimant)
        check_entitled(ws, stored, claimant=claimant, subject=subject, against=against)
        content = {"run": run.run, "about": about, "subject": subject, "claimant": claimant}
        nth = sum(
            (dispute.opened.run, dispute.opened.about, dispute.opened.subject, dispute.opened.claimant)
            == (run.run, about, subject, claimant)
            for dispute in book.disputes.files.values()
        )
        name = name_of("dispute", **content, nth=nth)
        record = LineDispute(
            at=at,
            by=author.party,
            key=author.key.public.id,
            id=name,
            run=run.run,
            about=ABOUT[[*ABOUT].index(about)],
            subject=subject,
            claimant=claimant,
            against=against,
            micros=micros,
            text=text,
            evidence=tuple(evidence),
        )
        _check_alone(book, record)
        return record, name

    return show(ws, _write(ws, author, decide))


def admit(ws: Workspace, name: str) -> DisputeShown:
    """Admit a dispute: the next run holds the claimed amount, for at most 30 days.

    After a rejection of the same, a second person has to agree, before those days are over; else it is admitted anew.
    """

    author = _operator(ws)

    def decide(book: Book, at: str) -> tuple[Act, str]:
        dispute = book.disputes.file(name)
        if not dispute.is_open or dispute.admitted is not None:
            raise StateError(f"dispute {name} is {dispute.state}; there is nothing to admit")
        asked = [admit for admit in book.disputes.admits.values() if admit.dispute == name]
        if waiting := [admit.id for admit in asked if admit.until > at]:
            raise StateError(
                f"admission {waiting[0]} waits for a second person, because an earlier dispute like it was rejected: "
                f"settle approve {waiting[0]} --as PARTY"
            )
        admission = name_of("admit", dispute=name, **({"nth": len(asked)} if asked else {}))
        record = Admit(at=at, by=author.party, key=author.key.public.id, id=admission, dispute=name, until=after(at))
        return record, name

    return show(ws, _write(ws, author, decide))


def answer(
    ws: Workspace, name: str, *, party: str, text: str, evidence: Sequence[Digest] = (), by: str | None = None
) -> DisputeShown:
    """Record a party's answer to a dispute."""
    said(text, "an answer")
    author = _author(ws, party, by)

    def decide(book: Book, at: str) -> tuple[Act, str]:
        dispute = book.disputes.file(name)
        _check_party(dispute, party)
        if not dispute.is_open:
            raise StateError(f"dispute {name} is {dispute.state}; nothing is answered any more")
        record = Answer(
            at=at,
            by=author.party,
            key=author.key.public.id,
            dispute=name,
            party=party,
            text=text,
            evidence=tuple(evidence),
        )
        return record, name

    return show(ws, _write(ws, author, decide))


def appeal(
    ws: Workspace, name: str, *, party: str, text: str, evidence: Sequence[Digest] = (), by: str | None = None
) -> DisputeShown:
    """Appeal once, within 30 days of the outcome; a third person approves the second outcome."""
    said(text, "an appeal")
    author = _author(ws, party, by)

    def decide(book: Book, at: str) -> tuple[Act, str]:
        dispute = book.disputes.file(name)
        _check_party(dispute, party)
        if len(dispute.outcomes) != 1 or dispute.appeal is not None:
            raise StateError(f"dispute {name} is {dispute.state}; only a first outcome is appealed, once")
        if at > after(dispute.outcomes[0].at):
            raise StateError(f"the outcome of {name} is of {dispute.outcomes[0].at}; it was final {DAYS} days later")
        _check_alone(book, dispute.opened)
        record = Appeal(
            at=at,
            by=author.party,
            key=author.key.public.id,
            dispute=name,
            party=party,
            text=text,
            evidence=tuple(evidence),
        )
        return record, name

    return show(ws, _write(ws, author, decide))


def resolve(ws: Workspace, name: str, *, upheld: str | None, text: str) -> str:
    """Propose an outcome: what the claimant gets, or nothing (None). Returns the proposal's id."""
    said(text, "an outcome")
    micros = 0 if upheld is None else parse_amount(upheld)
    check_not_restated(ws, name, micros)
    author = _operator(ws)

    def decide(book: Book, at: str) -> tuple[Act, str]:
        dispute = book.disputes.file(name)
        if not dispute.is_open:
            raise StateError(f"dispute {name} is {dispute.state}; an appeal comes first: settle dispute appeal {name}")
        if upheld is not None and not 0 < micros <= dispute.opened.micros:
            raise InputError(
                f"{upheld}: an upheld dispute gives the claimant more than nothing and at most what was claimed, "
                f"{money(dispute.opened.micros)}"
            )
        number = len(dispute.outcomes) + 1
        decision: Any = "rejected" if upheld is None else "upheld"
        proposal = name_of("outcome", dispute=name, round=number, micros=str(micros), text=text)
        record = Decide(
            at=at,
            by=author.party,
            key=author.key.public.id,
            id=proposal,
            dispute=name,
            round=number,
            decision=decision,
            micros=micros,
            text=text,
        )
        if proposal in book.disputes.resolves:
            raise StateError(f"this outcome waits for a second person: settle approve {proposal} --as PARTY")
        return record, proposal

    return _write(ws, author, decide)


def _check_alone(book: Book, opened: LineDispute) -> None:
    open_already = book.disputes.open_like(opened)
    if open_already is not None:
        raise StateError(f"{opened.claimant} disputes this already, as {open_already}: settle dispute show")


def _check_party(dispute: DisputeFile, party: str) -> None:
    if party not in dispute.parties:
        raise StateError(f"{party} is not a party to dispute {dispute.opened.id}: {' and '.join(dispute.parties)} are")


def _operator(ws: Workspace) -> Signer:
    return Signer(ws.signer("operator"), ws.operator, "operator")


def signs_itself(ws: Workspace, party: str) -> bool:
    """Return whether a party has a key that counts, so that nobody else signs its words."""
    return party != ws.operator and bool(ring(ws).at(ws.log.head().size + 1, "holder", party=party))


def _author(ws: Workspace, speaker: str, by: str | None) -> Signer:
    """Return who signs what a party says: the party itself, or the operator for a party that has no key here."""
    if by is not None:
        if by != speaker:
            raise InputError(f"{by} cannot speak for {speaker}: a party signs its own words, with --as {speaker}")
        return signer(ws, by)
    if signs_itself(ws, speaker):
        raise StateError(f"{speaker} has a key and signs with it: add --as {speaker}")
    return _operator(ws)


def _write(ws: Workspace, author: Signer, decide: Callable[[Book, str], tuple[Act, str]]) -> str:
    """Write one signed record; `decide` returns it and the id to answer with."""
    at = format_time(ws.clock())

    def step(book: Book) -> DecidedStep[str]:
        record, name = decide(book, at)
        return DecidedStep(name, leaves=[signed(record, author.key)])

    return take(ws, step)
