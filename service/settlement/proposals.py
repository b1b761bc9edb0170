"""What waits for a second person: runs, releases, adjustments, reversals, terms and payments, with what they change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.shown import money
from payouts.accounts.clauses import clause_payload
from payouts.life.book import Book
from payouts.life.records import Adjust, Agree, Payment, Proposal, Release, Reverse, Run
from service.settlement.finding import find
from service.settlement.step import read_book
from service.settlement.stored import load

if TYPE_CHECKING:
    from service.workspace import Workspace

CHANGES = {
    "failed": "the payment is sent again",
    "written-off": "the amount returns to the balance and is booked in the next run",
    "returned": "the amount returns to the balance and is booked in the next run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalShown:
    """A proposal as its second person must see it: who made it, for whom, how much, why, what it changes."""

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


def show(ws: Workspace, subject: str) -> ProposalShown:
    """One proposal, waiting or approved."""
    book = read_book(ws)
    name = find(book, subject)
    return _shown(ws, book, name, book.proposal(name))


def waiting(ws: Workspace) -> list[ProposalShown]:
    """Every proposal that nobody approved yet and that approval would still give an effect, oldest first."""
    book = read_book(ws)
    named: dict[str, Proposal] = {
        **book.releases,
        **book.adjusts,
        **book.reverses,
        **book.agreements,
        **book.claims,
        **{name: run for name, run in book.runs.items() if (run.period, run.pool, run.sequence) not in book.slots},
    }
    names = [name for name in named if not book.approved(name)]
    return sorted((_shown(ws, book, name, named[name]) for name in names), key=lambda one: (one.made_at, one.id))


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
    )


def _content(ws: Workspace, book: Book, proposal: Proposal) -> tuple[str, int | None, str, str, str]:
    """Party, amount, currency, reason, and what changes once it is approved."""
    match proposal:
        case Run():
            stored = load(ws.log, proposal)
            payable = sum(one.payable for one in stored.accounts.values())
            changes = (
                f"{len(stored.accounts)} accounts of {proposal.period}, pool {proposal.pool}, may be published; "
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
        case Payment():
            stored = load(ws.log, book.runs[proposal.run])
            one = stored.accounts.get(proposal.party)
            micros = None if one is None else one.payable
            return proposal.party, micros, stored.currency, proposal.reference, CHANGES[proposal.outcome]
        case Release():
            return "", None, "", proposal.note, f"{proposal.hold} ends"
        case Agree(agreed=agreed):
            content = clause_payload(agreed.clause)
            terms = ", ".join(f"{name} {value}" for name, value in content.items() if name != "party")
            return agreed.party, None, "", agreed.note, f"from {agreed.period} on: {terms}"
