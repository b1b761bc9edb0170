"""Change a party's accounts and owner group, with the approvals that this needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import ConflictError, StateError
from ledger.registry import acts, payees
from ledger.registry.intake import Planned
from ledger.registry.model import Dispute
from ledger.registry.rows import PayeeRow, parse
from ledger.registry.statement import Signer
from service.registry.signing import author, signer
from service.settlement.approvers import approver_key
from service.settlement.payees import settled_parties

if TYPE_CHECKING:
    from service.workspace import Workspace


def propose_payee(
    ws: Workspace, row: dict[str, str | None], by: str | None, *, in_portal: bool = False
) -> payees.Payee:
    """Propose an account of a party; it waits for approval unless the operator proposes it and it is the first.

    `in_portal`: the party's session proposes it, signed by the operator. Then the first one waits as well, so that
    whoever has stolen a session cannot redirect a party's first payment alone.
    """
    parsed = parse("payees", {name: value for name, value in row.items() if value is not None})
    who, view = signer(ws, by), ws.registry.view()
    if not isinstance(parsed, PayeeRow) or (who.role != "operator" and who.party != view.party(parsed.party).id):
        raise StateError(f"only {row['party']} or the operator may propose an account for {row['party']}")
    view.party(parsed.party)
    settled = {parsed.party} if in_portal else settled_parties(ws) if who.role == "operator" else set()
    with ws.log.store.reading() as connection:
        planned = payees.proposals(connection, view, [parsed], author(ws, who), settled)
    if not planned:
        raise ConflictError(
            f"this account of {parsed.party} is in the book already; see `settle registry payee list {parsed.party}`"
        )
    ws.registry.register(planned, who, known=view.size, at=author(ws, who).at)
    return _payees(ws, planned)[0]


def approve_payee(ws: Workspace, name: str, by: str) -> list[payees.Payee]:
    """Approve an account, or all that one statement proposed, as the second person."""
    key, _ = approver_key(ws, by)
    who, view = Signer(key, by, "approver"), ws.registry.view()
    acting = author(ws, who)
    planned = payees.approval(view, acting, name, ws.settings.number("registry.cooling_off_hours"))
    ws.registry.register(planned, who, known=view.size, at=acting.at)
    return _payees(ws, planned)


def approve_move(ws: Workspace, move: str, by: str) -> None:
    """Approve a move of an owner group as the second person."""
    key, _ = approver_key(ws, by)
    who, view = Signer(key, by, "approver"), ws.registry.view()
    acting = author(ws, who)
    planned = acts.approve_move(view, acting, move=move)
    ws.registry.register(planned, who, known=view.size, at=acting.at)


def admit_dispute(ws: Workspace, dispute: str, by: str | None) -> Dispute:
    """Admit a dispute, so that it holds money: as the operator, and after a rejection also as an approver."""
    who = signer(ws) if by is None else Signer(approver_key(ws, by)[0], by, "approver")
    view, acting = ws.registry.view(), author(ws, who)
    planned = acts.admit_dispute(view, acting, dispute=dispute)
    ws.registry.register(planned, who, known=view.size, at=acting.at)
    return ws.registry.view().disputes[dispute]


def _payees(ws: Workspace, planned: list[Planned]) -> list[payees.Payee]:
    """Return the current accounts of these facts."""
    ids = {getattr(item.fact, "id", "") for item in planned}
    return [item for item in list_payees(ws, None) if item.id in ids]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The newly proposed accounts of release 0.1; `id` stands for all of them in one approval."""

    id: str | None
    accounts: int
    parties: tuple[str, ...]


def adopt_payees(ws: Workspace) -> Adopted:
    """Propose every account that release 0.1 stored outside the log, for one approval."""
    who, view = signer(ws), ws.registry.view()
    with ws.log.store.reading() as connection:
        waiting = payees.earlier(connection)
    planned = payees.adoption(view, waiting, author(ws, who))
    if not planned:
        return Adopted(id=None, accounts=0, parties=())
    done = ws.registry.register(planned, who, known=view.size)
    with ws.log.projection() as connection:
        payees.forget_earlier(connection, [payee.id for payee in waiting])
    return Adopted(
        id=done.statements[0], accounts=len(planned), parties=tuple(sorted({payee.party for payee in waiting}))
    )


def list_payees(ws: Workspace, party: str | None) -> list[payees.Payee]:
    view = ws.registry.view()
    with ws.log.store.reading() as connection:
        return payees.listed(connection, view, party)
