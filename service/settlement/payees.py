"""The payees' current accounts, checked against the commitments in the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, VerificationError
from ledger.registry import payees
from ledger.registry.model import Instant, ProposedAccount
from ledger.types import Digest, format_time
from payouts.accounts.payment import PayeeAccount, Route, account_digest
from payouts.life.book import Book
from payouts.life.mandates import Instalment
from service.settlement.carrying import payments_of
from service.settlement.step import read_book
from service.settlement.stored import load

if TYPE_CHECKING:
    from service.workspace import Workspace

FAR: Final = "9999-12-31T23:59:59Z"
"""A time by which every account that is approved counts."""


def payees_now(ws: Workspace) -> dict[str, payees.Payee]:
    """Return the account in force of every party, as the log commits to it (finding M4).

    If the stored details of an account differ from the registered ones, the party has no account in force; an earlier
    one does not replace it.
    """
    return _payees_at(ws, format_time(ws.clock()))


def payees_entered(ws: Workspace) -> dict[str, payees.Payee]:
    """Return each party's account in force, or else the valid one that counts last; it decides the payment's route.

    A publication fixes each payee's route. If the route were `file` because a chain account is still cooling off, the
    payment could not go to that account later. An account that waits for approval decides nothing, nor does one whose
    details were changed beside the log.
    """
    return _payees_at(ws, FAR) | payees_now(ws)


def _payees_at(ws: Workspace, at: Instant) -> dict[str, payees.Payee]:
    view = ws.registry.view()
    with ws.log.store.reading() as connection:
        accounts = {payee.commitment: payee for payee in payees.listed(connection, view) if payee.state == "approved"}
    counting = accounts_at(ws, read_book(ws), at) or {}
    return {party: accounts[digest] for party, digest in counting.items() if digest in accounts}


def accounts_at(ws: Workspace, book: Book, at: Instant) -> dict[str, Digest] | None:
    """Return the digest of each party's valid account at a size of the log and a time; None if there are none.

    An account is not valid while it waits for approval or cools off, or if an operator alone entered it after money was
    published to the party (M11).
    """
    proposed = ws.registry.view(book.size).payees
    published = _first_published(ws, book, proposed)
    counting = [
        (account.effective_from, account.at, account.id, account)
        for account in proposed.values()
        if account.effective_from is not None
        and account.effective_from <= at
        and (account.approved_by is not None or published.get(account.party, account.index) >= account.index)
    ]
    latest = {account.party: str(account.personal) for *_, account in sorted(counting, key=lambda row: row[:3])}
    return latest if proposed else None


def accounts_ever(ws: Workspace) -> dict[str, list[payees.Payee]]:
    """Return every account that a party has, or had: an open payment may go to an earlier one."""
    view = ws.registry.view()
    with ws.log.store.reading() as connection:
        book = payees.listed(connection, view)
    accounts: dict[str, list[payees.Payee]] = {}
    for payee in book:
        accounts.setdefault(payee.party, []).append(payee)
    return accounts


def made_out_to(account: payees.Payee, digest: Digest) -> bool:
    """Return whether a payment with this digest goes to this account.

    Batches contain the salted digest from the log; those of release 0.1 a digest without salt.
    """
    if account.state in ("altered", "erased"):
        return False
    return digest in (account.commitment, account_digest(account.party, account.method, account.account))


def settled_parties(ws: Workspace) -> set[str]:
    """Return the parties for whom money was published."""
    return set(_published(ws, read_book(ws)))


def _first_published(ws: Workspace, book: Book, accounts: Mapping[str, ProposedAccount]) -> dict[str, int]:
    """Return the index at which money was first published to each party with an account entered by one person since."""
    last = max((payee.index for payee in accounts.values() if payee.approved_by is None), default=0)
    return _published(ws, book, last)


def _published(ws: Workspace, book: Book, before: int | None = None) -> dict[str, int]:
    """Return parties with money in published runs or instalments, and the first index of each; those before one."""
    places = [(book.places["publish", run].index, run) for run in book.published]
    first_by_party: dict[str, int] = {}
    for index, run in sorted(places):
        if before is None or index < before:
            for party, account in load(ws.log, book.runs[run]).accounts.items():
                if account.payable:
                    first_by_party.setdefault(party, index)
    for record in book.mandates.instalments.values():
        index = book.places["instalment", record.id].index
        if before is None or index < before:
            for party in _paid_by(ws, record):
                first_by_party[party] = min(index, first_by_party.get(party, index))
    return first_by_party


def _paid_by(ws: Workspace, record: Instalment) -> list[str]:
    """Return whom an instalment paid; where its list of payments is lost it may have been anybody with an account."""
    try:
        return [row["party"] for row in payments_of(ws.log, record.statement)]
    except (InputError, VerificationError):
        return sorted({account.party for account in ws.registry.view().payees.values()})


def named(ws: Workspace, account: payees.Payee) -> PayeeAccount:
    """Return an account with the name for a payment file: its holder's, else its party's."""
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
    """Return a party's route: its account's, or by file if it has no account."""
    return "chain" if account is not None and account.method == "chain" else "file"
