"""Where the parties' money goes, as the registry's payee book says at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.registry import payees
from ledger.types import format_time
from payouts.accounts.payment import PayeeAccount, Route

if TYPE_CHECKING:
    from service.workspace import Workspace


def payees_now(ws: Workspace) -> dict[str, payees.Payee]:
    """The account in force of every party that has one; a new one that is cooling off does not count yet."""
    at = format_time(ws.clock())
    with ws.log.store.reading() as connection:
        book = payees.listed(connection)
    known: dict[str, payees.Payee] = {}
    for one in sorted(book, key=lambda one: (one.effective_from or "", one.proposed_at, one.id)):
        if one.effective_from is not None and one.effective_from <= at:
            known[one.party] = one
    return known


def accounts_ever(ws: Workspace) -> dict[str, list[payees.Payee]]:
    """Every account that a party has, or had: a payment on its way was made out to one of them."""
    with ws.log.store.reading() as connection:
        book = payees.listed(connection)
    known: dict[str, list[payees.Payee]] = {}
    for one in book:
        known.setdefault(one.party, []).append(one)
    return known


def named(ws: Workspace, account: payees.Payee) -> PayeeAccount:
    """An account with its party's name, as a payment file shows it."""
    name = str(ws.registry.personal("party", account.party).get("name", ""))
    return PayeeAccount(party=account.party, name=name, method=account.method, account=account.account)


def route_of(account: payees.Payee | None) -> Route:
    """The way a party is paid: its account's, by file where it has none yet."""
    return "chain" if account is not None and account.method == "chain" else "file"
