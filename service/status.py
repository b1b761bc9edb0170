"""`settle status`: the state of everything, and open tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.ingest import quarantine
from ledger.shown import counted
from payouts.life.book import Book
from service.consuming.positions import Position
from service.consuming.positions import listed as positions_listed
from service.inbox import InboxStanding, inbox_standing
from service.log import upgrading
from service.registry.people import list_payees
from service.scheduler.standing import JobStanding, standing, troubles
from service.settlement import line_disputes, proposals
from service.settlement.approvers import one_person
from service.settlement.carrying import instalment_payments
from service.settlement.paying import unconfirmed
from service.settlement.step import read_book
from service.settlement.stored import load
from service.workspace import UPGRADE_DUE, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStanding:
    """One unfinished run and its state."""

    period: str
    pool: str
    run: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of a workspace. `waiting` lists open tasks in words, each with its command."""

    home: str
    origin: str
    size: int
    root: str
    demo: bool
    parties: int
    recordings: int
    tracks: int
    without_vector: int
    quarantined: int
    closed: list[str]
    runs: list[RunStanding]
    jobs: list[JobStanding]
    streams: list[Position]
    inbox: InboxStanding | None
    waiting: list[str]


def status(workspace: Workspace) -> Status:
    """Read the head, the registry and the periods; nothing is changed."""
    log = workspace.log
    head = log.head()
    view = workspace.registry.view()
    book = read_book(workspace)
    without_vector = len(view.tracks.keys() - log.assignments().keys())
    jobs = standing(workspace)
    with log.store.reading() as connection:
        quarantined = quarantine.count_by_kind(connection)
    return Status(
        home=str(workspace.home),
        origin=head.origin,
        size=head.size,
        root=head.root.hex(),
        demo=one_person(workspace),
        parties=len(view.parties),
        recordings=len(view.all_recordings),
        tracks=len(view.tracks),
        without_vector=without_vector,
        quarantined=sum(quarantined.values()),
        closed=sorted(book.closes),
        runs=[
            RunStanding(period=run.period, pool=run.pool, run=run.run, state=book.state_of(run.run))
            for run in book.runs.values()
        ],
        jobs=jobs,
        streams=positions_listed(log),
        inbox=inbox_standing(Path(workspace.path("attribution.inbox"))),
        waiting=[
            *troubles(jobs),
            *([UPGRADE_DUE] if upgrading.is_due(workspace) else []),
            *_waiting(workspace, book, without_vector, quarantined),
        ],
    )


def _waiting(ws: Workspace, book: Book, without_vector: int, quarantined: dict[str, int]) -> Iterator[str]:
    if quarantined:
        kinds = " + ".join(f"{count} {kind}" for kind, count in sorted(quarantined.items()))
        rows = counted(sum(quarantined.values()), "row")
        yield f"{rows} in quarantine ({kinds}): settle quarantine list, then replay or discard"
    if without_vector:
        yield f"{counted(without_vector, 'track')} without a vector: settle attribute FILE"
    for run in book.runs.values():
        short, slot = run.run[:16], (run.period, run.pool, run.sequence)
        state = book.state_of(run.run)
        if state == "calculated" and slot not in book.slots:
            yield f"{run.period}, pool {run.pool}: a second person approves: settle approve {short} --as PARTY"
        elif state == "approved":
            yield f"{run.period}, pool {run.pool}: approved: settle publish {short}"
        elif state == "published":
            yield f"{run.period}, pool {run.pool}: published: settle pay {short} --via file"
        elif state == "paying" and (parties := unconfirmed(ws.log, book, load(ws.log, run))):
            yield (
                f"{run.period}, pool {run.pool}: {counted(len(parties), 'payment')} handed over, not confirmed: "
                f"settle payments read FILE, or settle payments confirm --all-of {short}"
            )
    yield from _on_account(ws, book)
    proposed = [proposal for proposal in proposals.waiting(ws) if proposal.kind != "run"]
    if proposed:
        yield f"{counted(len(proposed), 'proposal')} for a second person: settle proposals"
    for payee in list_payees(ws, None):
        if payee.state == "altered":
            yield (
                f"the account of {payee.party} in settle.db is not the one that was registered, and is not paid: "
                f"settle registry payee list {payee.party}"
            )
    if any(payee.state == "not adopted" for payee in list_payees(ws, None)):
        yield "accounts of release 0.1 are not paid before two people adopt them: settle registry payee adopt"
    yield from _disputes(ws)
    for hold in book.open_holds():
        yield f"hold {hold.id} is open: settle hold list"


def _disputes(ws: Workspace) -> Iterator[str]:
    open_disputes = line_disputes.shown_all(ws)
    late = [shown.id for shown in open_disputes if shown.overdue]
    if open_disputes:
        overdue = f", {len(late)} overdue ({', '.join(late)})" if late else ""
        yield f"{counted(len(open_disputes), 'dispute')} open{overdue}: settle dispute list"


def _on_account(ws: Workspace, book: Book) -> Iterator[str]:
    """Payments by file on account of an open month that the bank has not answered."""
    for record in book.mandates.instalments.values():
        mandate = book.mandates.mandates[record.mandate]
        states = instalment_payments(ws.log, book, record).values() if mandate.via == "file" else ()
        if open_payments := sum(payment.state == "handed over" for payment in states):
            yield (
                f"{record.period}, pool {mandate.pool}: {counted(open_payments, 'payment')} on account handed over, "
                f"not confirmed: settle payments read FILE, or settle payments confirm --all-of {record.id[:16]}"
            )
