"""List the proposals that need a second person, from runs to payees' accounts, with their effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ledger.registry.model import Dispute, GroupMove, ProposedAccount
from ledger.registry.payees import Payee, proposed_as
from ledger.registry.rows import day
from ledger.registry.rules import days_held, lacking
from ledger.shown import counted, exact_percent, money
from ledger.types import format_time
from payouts.accounts.clauses import clause_payload
from payouts.life.book import Book
from payouts.life.line_disputes import DAYS, Admit, Decide
from payouts.life.listener_holds import Reject
from payouts.life.mandates import Mandate, Resume
from payouts.life.records import Adjust, Agree, Payment, Proposal, Release, Reverse, Run
from payouts.life.revisions import Restate, read_document
from service.registry.people import list_payees
from service.settlement import questions
from service.settlement.carrying import currency_under, payments_under
from service.settlement.finding import find
from service.settlement.step import read_book
from service.settlement.stored import load

if TYPE_CHECKING:
    from service.workspace import Workspace

SHARES_SHOWN = 20
"""Corrections of a restatement that a summary lists; `settle restate` lists them all."""
CHANGES = {
    "failed": "the payment is sent again",
    "written-off": "the amount returns to the balance and is booked in the next run",
    "returned": "the amount returns to the balance and is booked in the next run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalShown:
    """A proposal for its second person: maker, party, amount, reason, effect."""

    id: str
    kind: str
    made_by: str
    made_at: str
    party: str
    micros: int | None
    currency: str
    reason: str
    changes: str
    approved: bool
    questions: tuple[str, ...] = ()
    """What looks wrong in it against last month."""


def show(ws: Workspace, subject: str) -> ProposalShown:
    """One proposal, waiting or approved."""
    if accounts := proposed_as(ws.registry.view(), subject):
        return _accounts_shown(ws, accounts)
    if move := ws.registry.view().moves.get(subject):
        return _move_shown(ws, move)
    book = read_book(ws)
    name = find(book, subject)
    return _shown(ws, book, name, book.proposal(name))


def waiting(ws: Workspace) -> list[ProposalShown]:
    """Return every open proposal that approval would still give an effect, oldest first."""
    book = read_book(ws)
    proposals: dict[str, Proposal] = {
        **_undecided(book, book.releases),
        **_undecided(book, book.rejects),
        **book.adjusts,
        **book.reverses,
        **{name: admit for name, admit in book.disputes.admits.items() if _waits(ws, book, admit)},
        **{name: outcome for name, outcome in book.disputes.resolves.items() if _stands(book, outcome)},
        **{name: restate for name, restate in book.restates.items() if name not in book.withdrawn},
        **book.agreements,
        **book.claims,
        **book.mandates.mandates,
        **book.mandates.resumes,
        **{name: run for name, run in book.runs.items() if (run.period, run.pool, run.sequence) not in book.slots},
    }
    shown = [_shown(ws, book, name, proposals[name]) for name in proposals if not book.approved(name)]
    moves = [_move_shown(ws, move) for move in ws.registry.view().moves.values() if move.approved_by is None]
    disputes = [
        _dispute_shown(dispute) for dispute in ws.registry.view().disputes.values() if dispute.resolved_at is None
    ]
    waiting = [*moves, *(dispute for dispute in disputes if not dispute.approved), *_lines_disputed(ws, book)]
    return sorted([*shown, *_accounts_waiting(ws), *waiting], key=lambda one: (one.made_at, one.id))


Ending = TypeVar("Ending", Release, Reject)


def _undecided(book: Book, proposals: Mapping[str, Ending]) -> dict[str, Ending]:
    """Leave out proposals about a hold that ended in another way."""
    return {name: ending for name, ending in proposals.items() if ending.hold not in book.rejected()}


def _accounts_waiting(ws: Workspace) -> list[ProposalShown]:
    """Return accounts that wait for an approver; those proposed by one statement are one proposal."""
    proposed: dict[str, list[ProposedAccount]] = {}
    for account in ws.registry.view().payees.values():
        if account.effective_from is None:
            proposed.setdefault(account.statement, []).append(account)
    return [_accounts_shown(ws, accounts) for accounts in proposed.values()]


def _dispute_shown(dispute: Dispute) -> ProposalShown:
    """Return the party whose money would be held, and the claimant."""
    return ProposalShown(
        id=dispute.id,
        kind="dispute",
        made_by=dispute.claimant,
        made_at=dispute.at,
        party=dispute.party or "",
        micros=None,
        currency="",
        reason=f"admitted by {', '.join(dispute.admitted_by) or 'nobody'} of {dispute.admissions}",
        changes=f"what {dispute.subject} earns in the next {days_held(dispute)} days is held, as far as it is claimed: "
        "settle registry dispute admit",
        approved=dispute.holds,
    )


def _lines_disputed(ws: Workspace, book: Book) -> Iterator[ProposalShown]:
    """Return disputes of lines that are neither admitted nor proposed for admission."""
    admitting = {admit.dispute for admit in book.disputes.admits.values() if _waits(ws, book, admit)}
    for dispute in book.disputes.files.values():
        opened = dispute.opened
        if dispute.admitted is None and dispute.is_open and opened.id not in admitting:
            whose = f"of {opened.against}'s money is held" if opened.against else "is claimed, and no money is held"
            yield ProposalShown(
                id=opened.id,
                kind="dispute",
                made_by=opened.claimant,
                made_at=opened.at,
                party=opened.against,
                micros=opened.micros,
                currency=load(ws.log, book.runs[opened.run]).currency,
                reason=opened.text,
                changes=f"at most this {whose}, for {DAYS} days at most: settle dispute admit {opened.id}",
                approved=False,
            )


def _move_shown(ws: Workspace, move: GroupMove) -> ProposalShown:
    """Return the proposed owner group; a cap applies to the members of a group together."""
    view = ws.registry.view()
    old_group = view.parties[move.party].groups[-1][1]
    asked = ", ".join(f"a member of {group}" for group, _ in lacking(move, view.parties))
    agreed = ", ".join(member if member == by else f"{member} (by {by})" for member, by in move.consents) or "nobody"
    return ProposalShown(
        id=move.id,
        kind="group",
        made_by=move.proposed_by,
        made_at=move.at,
        party=move.party,
        micros=None,
        currency="",
        reason=f"consented to by {agreed}",
        changes=f"{move.party} leaves group {old_group} and joins {move.group} from the month after its approval on"
        + (f"; {asked} must consent first" if asked and move.approved_by is None else ""),
        approved=move.approved_by is not None,
    )


def _accounts_shown(ws: Workspace, accounts: Sequence[ProposedAccount]) -> ProposalShown:
    """Return the proposed accounts in full, because they are what is signed."""
    book = {payee.id: payee for payee in list_payees(ws, None)}
    several = len(accounts) > 1
    return ProposalShown(
        id=accounts[0].statement if several else accounts[0].id,
        kind="payee",
        made_by=accounts[0].proposed_by,
        made_at=accounts[0].at,
        party=", ".join(sorted({payee.party for payee in accounts})),
        micros=None,
        currency="",
        reason="",
        changes="; ".join(
            f"money of {payee.party} goes to {' '.join(filter(None, destination(book[payee.id])))}"
            for payee in accounts
        ),
        approved=all(payee.approved_by is not None for payee in accounts),
    )


def destination(payee: Payee) -> tuple[str, ...]:
    """Format an account so that a person can compare it with a letter or an invoice."""
    if payee.state in ("altered", "erased"):
        return (f"an account whose details are {payee.state}; do not approve it",)
    start = f"from {day(payee.wanted_from)}" if payee.wanted_from else ""
    details = (payee.holder or "", payee.bic or "", payee.town or "", payee.country or "")
    return (payee.method, payee.account, *details, start)


def _shown(ws: Workspace, book: Book, name: str, proposal: Proposal) -> ProposalShown:
    party, micros, currency, reason, changes = _content(ws, book, proposal)
    return ProposalShown(
        id=name,
        kind=type(proposal).__name__.lower(),
        made_by=proposal.by,
        made_at=proposal.at,
        party=party,
        micros=micros,
        currency=currency,
        reason=reason,
        changes=changes,
        approved=book.approved(name),
        questions=_questions(ws, book, proposal),
    )


def _questions(ws: Workspace, book: Book, proposal: Proposal) -> tuple[str, ...]:
    match proposal:
        case Run(run=run):
            stored = load(ws.log, proposal)
            return questions.of_run(ws, book, run, stored.terms, stored.outcome)
        case Agree(agreed=agreed):
            return questions.of_terms(ws, book, agreed)
        case _:
            return ()


def _content(  # noqa: PLR0911  one answer a kind of proposal
    ws: Workspace, book: Book, proposal: Proposal
) -> tuple[str, int | None, str, str, str]:
    """Return party, amount, currency, reason and effect."""
    match proposal:
        case Run():
            stored = load(ws.log, proposal)
            payable = sum(account.payable for account in stored.accounts.values())
            accounts = counted(len(stored.accounts), "account")
            changes = (
                f"{accounts} of {proposal.period}, pool {proposal.pool}, may be published; "
                f"{money(payable, stored.currency)} is payable"
            )
            return "", stored.outcome.pool, stored.currency, f"rule {stored.rule_name}", changes
        case Adjust():
            changes = f"booked in {proposal.period}, pool {proposal.pool}, as a correction of run {proposal.line[:16]}"
            return proposal.party, proposal.micros, proposal.currency, proposal.reason, changes
        case Reverse():
            stored = load(ws.log, book.runs[proposal.run])
            changes = f"run {proposal.run[:16]} is undone; what it paid is owed back"
            return "", stored.outcome.pool, stored.currency, proposal.reason, changes
        case Admit() | Decide():
            run = book.runs[book.disputes.file(proposal.dispute).opened.run]
            return _disputed(book, load(ws.log, run).currency, proposal)
        case Restate():
            return _restatement(ws, book, proposal)
        case Payment():
            payment = payments_under(ws.log, book, proposal.run).get(proposal.party)
            micros = None if payment is None else payment.micros
            currency = currency_under(ws.log, book, proposal.run)
            return proposal.party, micros, currency, proposal.reference, CHANGES[proposal.outcome]
        case Release():
            return "", None, "", proposal.note, f"{proposal.hold} ends"
        case Reject():
            changes = f"the streams that hold {proposal.hold} names are left out of every run calculated from now on"
            return "", None, "", proposal.note, changes
        case Mandate():
            return "", None, proposal.currency, proposal.note, _mandate(proposal)
        case Resume():
            mandate = book.mandates.stops[proposal.stop].mandate
            return "", None, "", proposal.note, f"mandate {mandate} pays instalments again"
        case Agree(agreed=agreed):
            content = clause_payload(agreed.clause)
            terms = ", ".join(f"{name} {value}" for name, value in content.items() if name != "party")
            return agreed.party, None, "", agreed.note, f"from {agreed.period} on: {terms}"


def _mandate(mandate: Mandate) -> str:
    """Return what leaves without another signature under a mandate."""
    price, currency = money(int(mandate.terms["price_micros"]), mandate.currency), mandate.currency
    limits = [
        f"{name} {', '.join(mandate.terms[name])}"
        for name in ("sources", "products", "territories")
        if mandate.terms[name]
    ]
    aspects = [f"{name} {exact_percent(ppm)}" for name, ppm in mandate.terms["aspects"].items()]
    params = [f"{name}={value}" for name, value in mandate.rule["params"].items()]
    return (
        f"{exact_percent(mandate.early_ppm)} of what pool {mandate.pool} ({'; '.join(limits) or 'all streams'}; "
        f"{', '.join(aspects)}) earned at {price} a stream by rule "
        f"{' '.join([mandate.rule['name'], *params])} is paid on account every {mandate.hours} hours "
        f"by {mandate.via} until {mandate.until}, at most {money(mandate.hour_micros, currency)} an "
        f"hour and {money(mandate.party_micros, currency)} a party and month, without another signature"
    )


def _waits(ws: Workspace, book: Book, admit: Admit) -> bool:
    """Return whether an admission still waits for its second person, before its end date."""
    dispute = book.disputes.file(admit.dispute)
    return dispute.admitted is None and dispute.is_open and admit.until > format_time(ws.clock())


def _stands(book: Book, outcome: Decide) -> bool:
    """Return whether an outcome may still be approved."""
    dispute = book.disputes.file(outcome.dispute)
    return dispute.is_open and outcome.round == len(dispute.outcomes) + 1


def _disputed(book: Book, currency: str, proposal: Admit | Decide) -> tuple[str, int | None, str, str, str]:
    opened = book.disputes.file(proposal.dispute).opened
    if isinstance(proposal, Admit):
        changes = f"dispute {opened.id} is admitted although an earlier one like it was rejected; money is held"
        return opened.claimant, opened.micros, currency, opened.text, f"{changes} until {proposal.until}"
    changes = f"dispute {opened.id} of {opened.claimant} is {proposal.decision}"
    paid = f"; {opened.against or 'the operator'} bears it" if proposal.micros else ""
    return opened.claimant, proposal.micros, currency, proposal.text, changes + paid


def _restatement(ws: Workspace, book: Book, proposal: Restate) -> tuple[str, int | None, str, str, str]:
    document = read_document(ws.log.blob(proposal.statement), proposal)
    micros = sum(share.micros for share in document.shares)
    changes = (
        f"{counted(len(document.shares), 'correction')} of {book.runs[proposal.run].period}, run {proposal.run[:16]}, "
        f"to be booked in {proposal.period}, pool {proposal.pool}"
    )
    reasons = [
        f"{share.party} {money(share.micros, proposal.currency)} ({share.reason.partition(': ')[2]})"
        for share in document.shares[:SHARES_SHOWN]
    ]
    if (more := len(document.shares) - SHARES_SHOWN) > 0:
        reasons.append(f"and {more} more")
    return "", micros, proposal.currency, "; ".join(reasons), changes
