"""Terms of parties, and rates: one person proposes them, another approves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError, StateError
from ledger.types import format_time
from payouts.accounts.clauses import Agreed, Clause, clause_payload
from payouts.life.book import Book
from payouts.life.records import Agree
from service.settlement.holds import Proposed, proposed, said
from service.settlement.step import DecidedStep, read_book, signed, take

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsShown:
    """Terms with their state: proposed, agreed (in force from their period on), or ended."""

    id: str
    kind: str
    party: str
    period: str
    state: str
    by: str
    note: str
    terms: dict[str, Any]


def agree(ws: Workspace, clause: Clause, *, period: str, note: str) -> Proposed:
    """Propose terms from a period on; `note` names their contract, law or source."""
    said(note, "an agreement")
    agreed = Agreed.of(period=period, note=note, clause=clause)
    if agreed.party and agreed.party not in ws.registry.view().parties:
        raise InputError(f"party {agreed.party!r} is not in the registry; terms are agreed with somebody known")
    maker = ws.signer("operator")
    record = Agree(at=format_time(ws.clock()), by=ws.operator, key=maker.public.id, agreed=agreed)

    def decide(book: Book) -> DecidedStep[Proposed]:
        existing = book.agreements.get(agreed.id)
        if existing is None:
            return DecidedStep(proposed(agreed.id, "agree", ws), leaves=[signed(record, maker)])
        if agreed.id in book.lifted():
            raise StateError(f"{agreed.id} has the same content and was ended; use a later month or another note")
        return DecidedStep(
            Proposed(id=agreed.id, kind="agree", by=existing.by, approved=book.approved(agreed.id), already=True)
        )

    return take(ws, decide)


def listed(ws: Workspace, *, everything: bool = False) -> list[TermsShown]:
    """Return all terms that are proposed or in force, oldest first; optionally also ended ones."""
    book = read_book(ws)
    ended = book.lifted()
    return [
        _shown(book, record, ended=name in ended)
        for name, record in book.agreements.items()
        if everything or name not in ended
    ]


def _shown(book: Book, record: Agree, *, ended: bool) -> TermsShown:
    agreed = record.agreed
    content = clause_payload(agreed.clause)
    state = "ended" if ended else ("agreed" if book.approved(record.id) else "proposed")
    return TermsShown(
        id=record.id,
        kind=content.pop("kind"),
        party=content.pop("party", ""),
        period=agreed.period,
        state=state,
        by=record.by,
        note=agreed.note,
        terms=content,
    )
