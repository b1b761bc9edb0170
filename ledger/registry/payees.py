"""Payees' accounts at banks and on chains: stored outside the log, committed in it, changed by two people.

An account is proposed by a leaf with its salted digest; the account and the salt are stored outside the log, where they
can be erased. The operator's first account of a party counts at once. Every other one needs an approver with a key of
their own and takes effect after a cooling-off time, so that neither a stolen session nor one dishonest insider can
redirect a payout. A stored account is used only if its digest agrees.

Release 0.1 stored accounts only in `registry_payee`, where anybody with write access to the database could change them
(finding M4). They do not count until `adopt` has proposed them here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import Connection, select

from ledger.errors import InputError, StateError
from ledger.registry import facts as f
from ledger.registry import personal, tables
from ledger.registry.compare import Author
from ledger.registry.intake import Planned
from ledger.registry.model import BEGINNING, Instant, ProposedAccount
from ledger.registry.rows import PayeeRow
from ledger.registry.rules import COOLING_OFF_MINIMUM, cooled
from ledger.registry.view import View
from ledger.types import Digest

KIND: Final = "payee"
DETAILS: Final = ("method", "account", "holder", "bic", "town", "country")
"""What is kept outside the log."""

PayeeState = Literal["approved", "proposed", "altered", "erased", "not adopted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """One account of a party; it counts from `effective_from` on, once it has one.

    `holder` is the name on the account; `bic`, `town` and `country` are what banks need besides. `altered`: the stored
    account differs from the registered one.
    """

    id: str
    party: str
    method: str
    account: str
    holder: str | None = None
    bic: str | None = None
    town: str | None = None
    country: str | None = None
    wanted_from: Instant
    proposed_by: str
    proposed_at: Instant
    approved_by: str | None
    approved_at: Instant | None
    effective_from: Instant | None
    state: PayeeState
    commitment: Digest | None = None
    """The salted digest that the log holds of it."""


def listed(connection: Connection, view: View, party: str | None = None) -> list[Payee]:
    """Return the accounts, or one party's, oldest first.

    Accounts of release 0.1 that wait to be adopted come first, then the log's.
    """
    personal_rows = personal.load(connection, KIND)
    book = [
        *earlier(connection),
        *(_joined(payee, personal_rows.get((KIND, payee.id))) for payee in view.payees.values()),
    ]
    return [payee for payee in book if party in (None, payee.party)]


def _joined(account: ProposedAccount, held: tuple[bytes, personal.Fields] | None) -> Payee:
    """Return a stored account, with `altered` set if its digest differs from the log's."""
    salt, fields = held or (b"", {})
    state: PayeeState = "proposed" if account.effective_from is None else "approved"
    if held is None:
        state = "erased"
    elif account.personal != personal.digest(salt, fields):
        state = "altered"
    return Payee(
        id=account.id,
        party=account.party,
        method=fields.get("method", ""),
        account=fields.get("account", ""),
        holder=fields.get("holder"),
        bic=fields.get("bic"),
        town=fields.get("town"),
        country=fields.get("country"),
        wanted_from=account.start,
        proposed_by=account.proposed_by,
        proposed_at=account.at,
        approved_by=account.approved_by,
        approved_at=account.approved_at,
        effective_from=account.effective_from,
        state=state,
        commitment=account.personal,
    )


def current(book: Sequence[Payee], at: Instant) -> dict[str, Payee]:
    """Return the account of each party to which a payment at this instant goes."""
    counting = [
        payee
        for payee in book
        if payee.state == "approved" and payee.effective_from is not None and payee.effective_from <= at
    ]
    ordered = sorted(counting, key=lambda payee: (payee.effective_from or "", payee.proposed_at, payee.id))
    return {payee.party: payee for payee in ordered}


# --- proposing and approving ----------------------------------------------------------------------


def details(row: PayeeRow) -> personal.Fields:
    """Return the fields of a row that are stored outside the log."""
    values: Mapping[str, str | None] = {name: getattr(row, name) for name in DETAILS}
    return {name: value for name, value in values.items() if value is not None}


def proposals(
    connection: Connection, view: View, rows: Sequence[PayeeRow], author: Author, settled: Collection[str]
) -> list[Planned]:
    """Return the facts that propose the accounts among these rows that are not registered yet.

    A party's first account counts at once if the operator proposes it and the party is not among the `settled`, whose
    money was published already: a person who enters an account after that knows what it will receive.
    """
    book = listed(connection, view)
    proposed = {(payee.party, payee.wanted_from, _details_of(payee)) for payee in book}
    with_account = {payee.party for payee in book} | _erased(connection) | set(settled)
    planned: list[Planned] = []
    for row in sorted(rows, key=lambda row: (row.start or BEGINNING, row.party, *sorted(details(row).items()))):
        fields, start = details(row), row.start or BEGINNING
        if (row.party, start, tuple(sorted(fields.items()))) in proposed:
            continue
        first = author.role == "operator" and row.party not in with_account
        with_account.add(row.party)  # a second account in one import is a change like any other (M11)
        name = _id(row.party, start, author.at, str(view.size), str(len(planned)))
        planned.append(Planned(f.PayeeFact(id=name, party=row.party, start=row.start, first=first), fields))
    return planned


def _id(*parts: str) -> str:
    """Return an id from which nobody can guess the account (finding G2)."""
    return f"pay-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:20]}"


def _details_of(payee: Payee) -> tuple[tuple[str, str], ...]:
    values: Mapping[str, str | None] = {name: getattr(payee, name) for name in DETAILS}
    return tuple(sorted((name, value) for name, value in values.items() if value))


def approval(view: View, author: Author, name: str, hours: int) -> list[Planned]:
    """Return a second person's approval of an account, or of all that one statement proposed; a prefix is enough."""
    if hours < COOLING_OFF_MINIMUM:
        raise StateError(
            f"a cooling-off time of {hours} hours is too short: set registry.cooling_off_hours to "
            f"{COOLING_OFF_MINIMUM} or more"
        )
    proposed = proposed_as(view, name)
    if not proposed:
        raise InputError(f"payee {name!r} is not in the book; see `settle registry payee list`")
    waiting = [payee for payee in proposed if payee.effective_from is None]
    if not waiting:
        since = proposed[0].effective_from or "the beginning"
        raise StateError(f"payee {proposed[0].id} counts from {since} on already")
    if author.role != "approver":
        raise StateError(f"payee {name}: a {author.role} key cannot approve, an approver's can")
    if waiting[0].proposed_by == author.party:
        raise StateError(
            f"payee {name} was proposed by {waiting[0].proposed_by}; another person with another key must approve"
        )
    start = cooled(author.at, hours)
    return [Planned(f.ConfirmFact(id=payee.id, subject=payee.party, start=start)) for payee in waiting]


def proposed_as(view: View, name: str) -> list[ProposedAccount]:
    """Return the account with this id, or those proposed by the statement with this digest; a prefix is enough."""
    if name in view.payees:
        return [view.payees[name]]
    if len(name) < SHORTEST:
        return []
    accounts = list(view.payees.values())
    statements = {payee.statement for payee in accounts if payee.statement.startswith(name)}
    ids = {payee.id for payee in accounts if payee.id.startswith(name)}
    if len(statements) + len(ids) > 1:
        raise InputError(f"{name!r} could be any of {', '.join(sorted(statements | ids))}; name one")
    return [payee for payee in accounts if payee.statement in statements or payee.id in ids]


SHORTEST: Final = 8
"""Letters of an id that say which is meant."""


# --- accounts of release 0.1 ----------------------------------------------------------------------


def earlier(connection: Connection) -> list[Payee]:
    """Return the accounts of release 0.1 that nobody has adopted."""
    if not tables.exist(connection):
        return []
    table = tables.PAYEE
    return [
        Payee(
            id=row.id,
            party=row.party,
            method=row.method,
            account=row.account,
            wanted_from=row.wanted_from,
            proposed_by=row.proposed_by,
            proposed_at=row.proposed_at,
            approved_by=row.approved_by,
            approved_at=row.approved_at,
            effective_from=None,
            state="not adopted",
        )
        for row in connection.execute(select(table).order_by(table.c.proposed_at, table.c.id))
    ]


def adoption(view: View, waiting: Sequence[Payee], author: Author) -> list[Planned]:
    """Return the facts that propose all accounts of release 0.1, for one approval."""
    planned: list[Planned] = []
    for payee in waiting:
        name = _id(payee.party, payee.wanted_from, author.at, str(view.size), str(len(planned)))
        fact = f.PayeeFact(id=name, party=payee.party, start=payee.wanted_from or None)
        planned.append(Planned(fact, dict(_details_of(payee))))
    return planned


def forget_earlier(connection: Connection, ids: Collection[str]) -> None:
    """Delete the rows of release 0.1 that have been adopted."""
    for name in ids:
        connection.execute(tables.PAYEE.delete().where(tables.PAYEE.c.id == name))


# --- forgetting -----------------------------------------------------------------------------------


def erase(connection: Connection, view: View, party: str) -> int:
    """Erase a party's accounts; return their number. The log still shows that there were accounts."""
    if not tables.exist(connection):
        return 0
    tables.ensure(connection)
    past = tables.PAID_BEFORE
    ids = [(KIND, payee.id) for payee in view.payees.values() if payee.party == party]
    erased = personal.erase(connection, ids)
    older = connection.execute(tables.PAYEE.delete().where(tables.PAYEE.c.party == party)).rowcount
    if older and connection.execute(select(past.c.party).where(past.c.party == party)).first() is None:
        connection.execute(past.insert().values(party=party))
    return erased + older


def _erased(connection: Connection) -> set[str]:
    """Return the parties whose account of release 0.1 was erased."""
    if not tables.made(connection, tables.PAID_BEFORE):
        return set()
    return set(connection.execute(select(tables.PAID_BEFORE.c.party)).scalars())
