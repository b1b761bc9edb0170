"""Where a party's money goes: bank and chain accounts, outside the log and under four eyes.

The operator's first account of a party counts at once; a party whose accounts were erased has had its
first. Every later change is proposed by one person and approved by another with another key, and takes
effect only after a cooling-off time, so that neither a stolen session nor one dishonest insider can
redirect a payout.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from ledger.errors import InputError, StateError
from ledger.registry import tables
from ledger.registry.model import BEGINNING, Instant
from ledger.registry.rows import PayeeRow
from ledger.registry.statement import Signer
from ledger.types import format_time, parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """One account of a party; it counts from `effective_from` on, once it has one."""

    id: str
    party: str
    method: str
    account: str
    wanted_from: Instant
    proposed_by: str
    proposed_at: Instant
    approved_by: str | None
    approved_at: Instant | None
    effective_from: Instant | None

    @property
    def state(self) -> str:
        return "proposed" if self.effective_from is None else "approved"


COOLING_OFF_MINIMUM: Final = 1
"""Hours. Less would let whoever holds both keys for a minute redirect the next payment."""

_FIELDS = (
    "id",
    "party",
    "method",
    "account",
    "wanted_from",
    "proposed_by",
    "proposed_at",
    "approved_by",
    "approved_at",
    "effective_from",
)


def payee_id(row: PayeeRow) -> str:
    """The same account of the same party from the same day is the same payee."""
    parts = "|".join((row.party, row.method, row.account, row.start or BEGINNING))
    return f"pay-{hashlib.sha256(parts.encode()).hexdigest()[:20]}"


def propose(connection: Connection, row: PayeeRow, signer: Signer, at: Instant, *, first: bool) -> Payee | None:
    """Put an account in the book; None if it stands there already.

    `first`: the party had no account before, so that the operator's act counts without a second person.
    """
    tables.ensure(connection)
    name = payee_id(row)
    if _find(connection, name) is not None:
        return None
    at_once = first and signer.role == "operator"
    connection.execute(
        tables.PAYEE.insert().values(
            id=name,
            party=row.party,
            method=row.method,
            account=row.account,
            wanted_from=row.start or BEGINNING,
            proposed_by=signer.party,
            proposed_key=signer.key.public.id,
            proposed_at=at,
            effective_from=(row.start or BEGINNING) if at_once else None,
        )
    )
    return _find(connection, name)


def approve(connection: Connection, name: str, signer: Signer, at: Instant, cooling_off_hours: int) -> Payee:
    """A second person's consent; the account counts when the cooling-off time has passed."""
    if cooling_off_hours < COOLING_OFF_MINIMUM:
        raise StateError(
            f"a cooling-off time of {cooling_off_hours} hours protects nobody: set registry.cooling_off_hours to "
            f"{COOLING_OFF_MINIMUM} or more"
        )
    table = tables.PAYEE
    row = connection.execute(select(table).where(table.c.id == name)).first() if tables.exist(connection) else None
    if row is None:
        raise InputError(f"payee {name!r} is not in the book; see `settle registry payee list`")
    if row.effective_from is not None:
        raise StateError(f"payee {name} counts from {row.effective_from or 'the beginning'} on already")
    if row.proposed_by == signer.party or row.proposed_key == signer.key.public.id:
        raise StateError(
            f"payee {name} was proposed by {row.proposed_by}; another person with another key must approve"
        )
    if signer.role not in ("operator", "approver"):
        raise StateError(f"payee {name}: a {signer.role} key cannot approve, an operator's or approver's can")
    cooled = format_time(parse_time(at) + timedelta(hours=cooling_off_hours))
    connection.execute(
        update(table)
        .where(table.c.id == name)
        .values(
            approved_by=signer.party,
            approved_key=signer.key.public.id,
            approved_at=at,
            effective_from=max(cooled, row.wanted_from),
        )
    )
    return _payee(connection.execute(select(table).where(table.c.id == name)).one())


def listed(connection: Connection, party: str | None = None) -> list[Payee]:
    """The book, or one party's page of it, oldest first."""
    if not tables.exist(connection):
        return []
    table = tables.PAYEE
    query = select(table).order_by(table.c.proposed_at, table.c.id)
    return [_payee(row) for row in connection.execute(query if party is None else query.where(table.c.party == party))]


def paid_before(connection: Connection) -> set[str]:
    """The parties that have an account or had one before it was erased."""
    known = {one.party for one in listed(connection)}
    if tables.made(connection, tables.PAID_BEFORE):
        known |= set(connection.execute(select(tables.PAID_BEFORE.c.party)).scalars())
    return known


def current(connection: Connection, party: str, at: Instant) -> Payee | None:
    """The account a payment to a party made at this instant goes to."""
    counting = [one for one in listed(connection, party) if one.effective_from is not None and one.effective_from <= at]
    return max(counting, key=lambda one: (one.effective_from or "", one.proposed_at, one.id), default=None)


def erase(connection: Connection, party: str) -> int:
    """Forget a party's accounts; how many there were. That there were any stays known, by the party's id alone."""
    if not tables.exist(connection):
        return 0
    tables.ensure(connection)
    past = tables.PAID_BEFORE
    erased = connection.execute(tables.PAYEE.delete().where(tables.PAYEE.c.party == party)).rowcount
    if erased and connection.execute(select(past.c.party).where(past.c.party == party)).first() is None:
        connection.execute(past.insert().values(party=party))
    return erased


def _find(connection: Connection, name: str) -> Payee | None:
    row = connection.execute(select(tables.PAYEE).where(tables.PAYEE.c.id == name)).first()
    return None if row is None else _payee(row)


def _payee(row: Row[Any]) -> Payee:
    return Payee(**{field: getattr(row, field) for field in _FIELDS})
