"""Build a party's statement of a period in every format, and the bundle that proves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, StateError
from ledger.registry.personal import Fields
from ledger.types import Period
from payouts.accounts.payment import reference
from payouts.life.book import Book
from payouts.life.records import Run
from payouts.statements.statement import (
    Earlier,
    Issuer,
    PoolStatement,
    Settled,
    Statement,
    pool_statement,
    statement,
)
from service.registry.naming import unknown_party
from service.settlement.approvers import is_demo
from service.settlement.blocking import blocked_parties
from service.settlement.carrying import transfers
from service.settlement.finding import runs_of
from service.settlement.life import intents_of
from service.settlement.payment_list import payment_state
from service.settlement.step import read_book
from service.settlement.stored import Stored, load
from service.statements.parts import StatementParts
from service.statements.proving import statement_bundle

if TYPE_CHECKING:
    from service.workspace import Workspace


ISSUER: Final = ("name", "address", "contact")


def state(ws: Workspace, party: str, period: str) -> Statement:
    """Return a party's statement for a period; a nil statement if nothing happened."""
    book = read_book(ws)
    runs = _runs(book, period)
    if party not in ws.registry.view_of(party).parties and not any(party in load(ws.log, run).accounts for run in runs):
        raise unknown_party(ws, party)
    with closing(_StatedPeriod(ws, book, period, runs)) as stated:
        return stated.of(party, _name(ws.registry.personal("party", party)))


def state_all(ws: Workspace, period: str) -> Iterator[Statement]:
    """Yield the statement of everybody with an account, a line or a claim in the period, by party."""
    book = read_book(ws)
    people = ws.registry.personal_of_all("party")
    with closing(_StatedPeriod(ws, book, period, _runs(book, period))) as stated:
        for party in sorted({party for run in stated.runs for party in run.parties()}):
            yield stated.of(party, _name(people.get(party, {})))


def _name(fields: Fields) -> str:
    return str(fields.get("name", ""))


class _StatedPeriod:
    """The runs of a period for statements, and the data that all statements of the workspace share."""

    def __init__(self, ws: Workspace, book: Book, period: str, runs: Sequence[Run]) -> None:
        self._period = period
        self._demo = is_demo(ws, book, [run.run for run in runs])
        self._issuer = Issuer(**{field: ws.settings.text(f"payouts.issuer_{field}") for field in ISSUER})
        self.runs = [StatedRun(ws, book, run) for run in runs]

    def close(self) -> None:
        for run in self.runs:
            run.close()

    def of(self, party: str, name: str) -> Statement:
        return statement(
            party=party,
            name=name,
            period=self._period,
            demo=self._demo,
            pools=[run.of(party) for run in self.runs],
            issuer=self._issuer,
        )


def prove(ws: Workspace, party: str, period: str, pool: str | None = None) -> bytes:
    """Return the bundle with which anybody can verify a party's lines in a published run."""
    book = read_book(ws)
    runs = [run for run in _runs(book, period) if pool in (None, run.pool)]
    if len(runs) != 1:
        listed = ", ".join(run.pool for run in runs) or "none"
        raise InputError(f"{period} has runs of pools {listed}: name one with --pool-name")
    return statement_bundle(ws.log, ws.trust.policy, book, load(ws.log, runs[0]), party)


def _runs(book: Book, period: str) -> list[Run]:
    Period.parse(period)
    close = book.close(period)
    if close is None:
        raise StateError(f"period {period} is open; there is nothing to state before: settle period close {period}")
    runs = runs_of(book, period)
    if not runs:
        raise StateError(f"period {period} is closed and nothing was run; run it first: settle run --period {period}")
    return runs


class StatedRun:
    """One run for statements, party by party."""

    def __init__(self, ws: Workspace, book: Book, run: Run) -> None:
        self.stored = stored = load(ws.log, run)
        self._book = book
        self._parts = StatementParts.of(ws, book, stored)
        self._before = _before(ws, book, stored)
        published = run.run in book.published
        self._intents = {intent["party"]: intent for intent in intents_of(ws.log, book, stored)} if published else None
        self._transfers = transfers(ws.log, book, stored)
        self._stopped = blocked_parties(ws, book, stored) if published else {}

    def close(self) -> None:
        self._parts.close()

    def parties(self) -> set[str]:
        """Return the parties that get a statement."""
        return {*self._parts.parties(), *self.stored.accounts}

    def of(self, party: str) -> PoolStatement:
        """Return one party's part of the run."""
        stored, record, part = self.stored, self.stored.record, self._parts.part(party)
        return pool_statement(
            run=record.run,
            pool=record.pool,
            sequence=record.sequence,
            state=self._book.state_of(record.run),
            rule=stored.payload["inputs"]["rule"],
            currency=stored.currency,
            minimum=int(stored.payload["inputs"]["minimum_micros"]),
            account=stored.accounts.get(party),
            earnings=part.earnings,
            streams=part.streams,
            territories=part.territories,
            unit_value=part.unit_value,
            earlier=self._earlier(party),
            waiting=part.waiting,
            payment=self._payment(party),
        )

    def _earlier(self, party: str) -> Earlier | None:
        """Return the pool's last month for this party, and the year so far."""
        if not self._before:
            return None
        period, accounts = self.stored.record.period, self.stored.accounts
        year = [
            accounts.get(party),
            *(run.accounts.get(party) for run in self._before if run.record.period[:4] == period[:4]),
        ]
        last = self._before[-1]
        then = last.accounts.get(party)
        return Earlier(
            last_period=last.record.period,
            last_earned_micros=0 if then is None else then.earned,
            last_net_micros=0 if then is None else then.payable,
            year=period[:4],
            year_earned_micros=sum(account.earned for account in year if account is not None),
            year_net_micros=sum(account.payable for account in year if account is not None),
        )

    def _payment(self, party: str) -> Settled:
        """Return the state of the party's payment of this run."""
        run = self.stored.record.run
        if self._intents is None:
            return Settled(state="not published", route="", reference="")
        intent = self._intents.get(party)
        if intent is None:
            return Settled(state="nothing to pay", route="", reference="")
        news = self._book.payment_of(run, party)
        transfer = self._transfers[party]
        name = reference(run, party, max(1, len(transfer.attempts)))
        state, reason = payment_state(transfer, news, self._stopped.get(party, ""))
        return Settled(state=state, route=intent["route"], reference=name, reason=reason)


def _before(ws: Workspace, book: Book, stored: Stored) -> list[Stored]:
    """Return the pool's runs in force of earlier months in this currency, oldest first.

    These are this year's and the last one.
    """
    record = stored.record
    runs = book.standing(record.pool, before=record.period)
    relevant = [run for run in runs if run.period[:4] == record.period[:4]] or runs[-1:]
    return [before for run in relevant if (before := load(ws.log, run)).currency == stored.currency]
