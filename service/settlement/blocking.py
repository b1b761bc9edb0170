"""Find payments that are blocked by holds and disputes which were opened after the run was computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.registry.facts import DisputeFact
from payouts.compute import compute
from payouts.life.book import Book
from payouts.protocols import HoldMatch
from service.settlement.runs import again, holds_of
from service.settlement.stored import Stored

DISPUTE: Final = str(DisputeFact.__struct_config__.tag)

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """A blocked intent and its reason; `detail`: the problem with the account, if that is the reason."""

    party: str
    micros: int
    reason: str
    detail: str = ""


def blocked_parties(ws: Workspace, book: Book, stored: Stored) -> dict[str, str]:
    """Return the parties concerned by holds opened after the computation, with the reasons."""
    return {party: hold.reason for party, hold in blocking_holds(ws, book, stored).items()}


def blocking_holds(ws: Workspace, book: Book, stored: Stored) -> dict[str, HoldMatch]:
    """Return the parties concerned by holds opened after the computation, with one hold on each.

    A hold on a party blocks it. For a hold on a source, a track or a platform the run is computed again with the hold,
    and exactly the parties with held money are blocked. A hold on listeners blocks no payment, because its streams are
    spread over thousands of tracks and it would stop everybody; a restatement recovers its money.
    """
    booked = {hold.id for hold in stored.holds}
    later = [hold for hold in holds_of(book) if hold.id not in booked and hold.listeners is None]
    later += disputes_since(ws, book, stored)
    blocked = {hold.party: hold for hold in later if hold.party is not None and hold.subject is None}
    wider = {hold.id: hold for hold in later if hold.party is None or hold.subject is not None}
    if wider:
        changed = compute(again(ws, stored, holds=(*stored.holds, *later)))
        for line in changed.lines:
            if line.state == "held" and line.ref in wider and line.micros:
                blocked.setdefault(line.party, wider[line.ref])
    return blocked


def disputes_since(ws: Workspace, book: Book, stored: Stored) -> list[HoldMatch]:
    """Return ownership disputes opened after the run's registry, as holds on their recordings.

    This includes disputes about which of two recordings was first.
    """
    size = stored.payload["inputs"]["registry_size"]
    if not any(ws.log.entries(types={DISPUTE}, start=size, stop=book.size)):
        return []  # the usual case, and a view reads the whole registry
    view, opened = ws.registry.view(book.size), []
    for dispute in view.disputes.values():
        if dispute.index >= size and dispute.holds:
            linked = [name for name, links in view.links.items() if any(link.work == dispute.subject for link in links)]
            opened += [
                HoldMatch(id=dispute.id, reason="dispute", party=dispute.party, subject=subject)
                for subject in (dispute.subject, *([dispute.like] if dispute.like else []), *linked)
            ]
    return opened
