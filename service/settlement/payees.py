"""Where the parties' money goes at this moment: what the log commits to, checked against what is kept beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ledger.registry import payees
from ledger.registry.model import ProposedAccount
from ledger.types import Digest, format_time
from payouts.accounts.payment import PayeeAccount, Route, account_digest
from service.settlement.step import read_book
from service.settlement.stored import load

if TYPE_CHECKING:
    from service.workspace import Workspace


def payees_now(ws: Workspace) -> dict[str, payees.Payee]:
    """The account in force of every party that has one, as the log commits to it (finding M4).

    Not in force are: one that waits for approval or cools off, one whose details beside the log are not those that
    were registered, one that only release 0.1 knew, and one that an operator alone entered for a party after money
    was published to it (M11).
    """
    view = ws.registry.view()
    with ws.log.store.reading() as connection:
        book = payees.listed(connection, view)
    published = _first_published(ws, view.payees)
    alone = {
        account.id
        for account in view.payees.values()
        if account.approved_by is None and published.get(account.party, account.index) < account.index
    }
    return payees.current([payee for payee in book if payee.id not in alone], format_time(ws.clock()))


def accounts_ever(ws: Workspace) -> dict[str, list[payees.Payee]]:
    """Every account that a party has, or had: a payment on its way was made out to one of them."""
    view = ws.registry.view()
    with ws.log.store.reading() as connection:
        book = payees.listed(connection, view)
    accounts: dict[str, list[payees.Payee]] = {}
    for payee in book:
        accounts.setdefault(payee.party, []).append(payee)
    return accounts


def made_out_to(account: payees.Payee, digest: Digest) -> bool:
    """Whether a payment that names this digest goes to this account.

    Batches name the salted digest that the log has; those of release 0.1 one without salt.
    """
    if account.state in ("altered", "erased"):
        return False
    return digest in (account.commitment, account_digest(account.party, account.method, account.account))


def settled_parties(ws: Workspace) -> set[str]:
    """The parties for whom money was published."""
    return set(_published(ws))


def _first_published(ws: Workspace, accounts: Mapping[str, ProposedAccount]) -> dict[str, int]:
    """Where money was first published to each party, as far as an account was entered without a second person since."""
    last = max((one.index for one in accounts.values() if one.approved_by is None), default=0)
    return _published(ws, last)


def _published(ws: Workspace, before: int | None = None) -> dict[str, int]:
    """The parties with money in published runs, and the index of the first publication; those before an index."""
    book = read_book(ws)
    places = [(book.places["publish", run].index, run) for run in book.published]
    found: dict[str, int] = {}
    for index, run in sorted(places):
        if before is None or index < before:
            for party, account in load(ws.log, book.runs[run]).accounts.items():
                if account.payable:
                    found.setdefault(party, index)
    return found


def named(ws: Workspace, account: payees.Payee) -> PayeeAccount:
    """An account as a payment file shows it: in its holder's name, else its party's."""
    name = account.holder or str(ws.registry.personal("party", account.party).get("name", ""))
    return PayeeAccount(
        party=account.party,
        name=name,
        method=account.method,
        account=account.account,
        bic=account.bic or "",
        town=account.town or "",
        country=account.country or "",
    )


def route_of(account: payees.Payee | None) -> Route:
    """The way a party is paid: its account's, by file where it has none yet."""
    return "chain" if account is not None and account.method == "chain" else "file"
