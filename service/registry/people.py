"""People: where a party is paid, who approved it, and forgetting somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.errors import ConflictError, StateError
from ledger.registry import payees, personal, quarantine, tables
from ledger.registry.rows import PayeeRow, parse
from ledger.types import format_time
from service.registry.signing import signer

if TYPE_CHECKING:
    from service.workspace import Workspace


def propose_payee(
    ws: Workspace, party: str, *, method: str, account: str, start: str | None, by: str | None
) -> payees.Payee:
    """A new account of a party: it waits for approval unless it is the party's first and the operator's act."""
    ws.registry.view().party(party)
    given = {"party": party, "method": method, "account": account, "from": start}
    row = parse("payees", {name: value for name, value in given.items() if value is not None})
    who = signer(ws, by)
    if not isinstance(row, PayeeRow) or (who.role != "operator" and who.party != party):
        raise StateError(f"only {party} or the operator may propose an account for {party}")
    with ws.log.projection() as connection:
        first = party not in payees.paid_before(connection)
        found = payees.propose(connection, row, who, format_time(ws.clock()), first=first)
    if found is None:
        raise ConflictError(f"this account of {party} is in the book already; see `settle registry payee list {party}`")
    return found


def approve_payee(ws: Workspace, payee: str, by: str | None) -> payees.Payee:
    """The second pair of eyes on an account."""
    hours = ws.settings.number("registry.cooling_off_hours")
    with ws.log.projection() as connection:
        return payees.approve(connection, payee, signer(ws, by), format_time(ws.clock()), hours)


def list_payees(ws: Workspace, party: str | None) -> list[payees.Payee]:
    with ws.log.store.reading() as connection:
        return payees.listed(connection, party)


def erase(ws: Workspace, party: str) -> dict[str, Any]:
    """Forget a person: names, what they were credited as, accounts and reasons go; what the log proves stays."""
    view = ws.registry.view()
    view.party(party)
    with ws.log.store.reading() as connection:
        held = personal.load(connection)
    name = held["party", party][1].get("name") if ("party", party) in held else None
    credited = [key for key, (_, fields) in held.items() if name is not None and fields.get("artist") == name]
    reasons = [("dispute", one.id) for one in view.disputes.values() if one.claimant == party]
    with ws.log.projection() as connection:
        tables.ensure(connection)
        forgotten = personal.erase(connection, [("party", party), *credited, *reasons])
        accounts = payees.erase(connection, party)
        rows = quarantine.forget(connection, party)
    return {"party": party, "personal": forgotten, "accounts": accounts, "quarantined": rows}
