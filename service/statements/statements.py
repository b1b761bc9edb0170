"""Statements: what a party is told of a period, in every format, and the bundle that proves it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from ledger.errors import InputError, StateError
from ledger.registry.view import View
from ledger.types import Period
from payouts.accounts.payment import reference
from payouts.compute import Line
from payouts.division.breakdown import Piece, break_down
from payouts.life.book import Book
from payouts.life.records import Run
from payouts.statements.line_factors import Factors, value_in_words
from payouts.statements.statement import (
    Background,
    Earlier,
    Issuer,
    PoolStatement,
    Settled,
    Statement,
    earnings_of,
    pool_statement,
    statement,
    waiting_of,
)
from service.registry.naming import unknown_party
from service.settlement.approvers import is_demo
from service.settlement.blocking import blocked_parties
from service.settlement.carrying import transfers
from service.settlement.finding import runs_of
from service.settlement.life import intents_of
from service.settlement.runs import again
from service.settlement.step import read_book
from service.settlement.stored import Stored, load
from service.statements.platforms import behind, counted
from service.statements.proving import statement_bundle

if TYPE_CHECKING:
    from service.workspace import Workspace


def state(ws: Workspace, party: str, period: str) -> Statement:
    """A party's statement for a period; a nil statement where nothing happened."""
    book = read_book(ws)
    runs = _runs(book, period)
    if party not in ws.registry.view().parties and not any(party in load(ws.log, run).accounts for run in runs):
        raise unknown_party(ws, party)
    return _statement(ws, book, [Drawn(ws, book, load(ws.log, run), {party}) for run in runs], party, period)


def state_all(ws: Workspace, period: str) -> Iterator[Statement]:
    """The statement of everybody who has an account, a line or a claim in the period, by party."""
    book = read_book(ws)
    drawn = [Drawn(ws, book, load(ws.log, run), None) for run in _runs(book, period)]
    for party in sorted({party for drawn_run in drawn for party in drawn_run.parties()}):
        yield _statement(ws, book, drawn, party, period)


def _statement(ws: Workspace, book: Book, drawn: list[Drawn], party: str, period: str) -> Statement:
    demo = is_demo(ws, book, [drawn_run.stored.record.run for drawn_run in drawn])
    name = str(ws.registry.personal("party", party).get("name", ""))
    issuer = Issuer(**{field: ws.settings.text(f"payouts.issuer_{field}") for field in ("name", "address", "contact")})
    pools = [drawn_run.of(party) for drawn_run in drawn]
    return statement(party=party, name=name, period=period, demo=demo, pools=pools, issuer=issuer)


def prove(ws: Workspace, party: str, period: str, pool: str | None = None) -> bytes:
    """The bundle with which the party, or anybody, verifies its lines in a published run."""
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


class Drawn:
    """One run taken apart once, to be stated party by party: those asked for, or everybody (None)."""

    def __init__(self, ws: Workspace, book: Book, stored: Stored, parties: Collection[str] | None) -> None:
        self.stored = stored
        self._book = book
        inputs = again(ws, stored)
        view = ws.registry.view(stored.payload["inputs"]["registry_size"])
        self._behind = Background.of(stored.usage, inputs.vectors, lambda name: title(view, name))
        self._factors = Factors(
            period=stored.record.period,
            aspects=stored.terms.aspects,
            usage=stored.usage,
            view=inputs.view,
            outcome=stored.outcome,
        )
        self._before = _before(ws, book, stored)
        self._streams = counted(ws, stored)
        self._lines: dict[str, list[tuple[Line, Sequence[Piece]]]] = defaultdict(list)
        for line, pieces in break_down(inputs, stored.outcome, parties):
            if line.party:
                self._lines[line.party].append((line, pieces))
        for party, line in _suspended(view, stored):
            self._lines[party].append((line, ()))
        published = stored.record.run in book.published
        self._intents = {intent["party"]: intent for intent in intents_of(ws.log, book, stored)} if published else None
        self._transfers = transfers(ws.log, book, stored)
        self._stopped = blocked_parties(ws, book, stored) if published else {}

    def parties(self) -> set[str]:
        """Everybody with something to be told."""
        return {*self._lines, *self.stored.accounts}

    def of(self, party: str) -> PoolStatement:
        """One party's part of the run."""
        stored, record = self.stored, self.stored.record
        lines = self._lines.get(party, [])
        pieces = [
            piece for line, line_pieces in lines if line.state == "allocated" for piece in line_pieces if piece.micros
        ]
        tracks = {piece.track for piece in pieces}
        return pool_statement(
            run=record.run,
            pool=record.pool,
            sequence=record.sequence,
            state=self._book.state_of(record.run),
            rule=stored.payload["inputs"]["rule"],
            currency=stored.currency,
            minimum=int(stored.payload["inputs"]["minimum_micros"]),
            account=stored.accounts.get(party),
            earnings=earnings_of(pieces, self._behind, self._factors, party),
            streams=behind(self._streams, tracks),
            territories=sorted({place for track in tracks for place in self._factors.territories.get(track, ())}),
            unit_value=value_in_words(self._factors.value),
            earlier=self._earlier(party),
            waiting=waiting_of(record.run, lines, self._behind.title),
            payment=self._payment(party),
        )

    def _earlier(self, party: str) -> Earlier | None:
        """The pool's last month for this party, and the year so far."""
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
        """Where the party's one payment of this run stands."""
        run = self.stored.record.run
        if self._intents is None:
            return Settled(state="not published", route="", reference="")
        intent = self._intents.get(party)
        if intent is None:
            return Settled(state="nothing to pay", route="", reference="")
        news = self._book.payment_of(run, party)
        transfer = self._transfers[party]
        name = reference(run, party, max(1, len(transfer.attempts)))
        reason = ""
        if news is not None and not (news.outcome == "failed" and not transfer.due):
            outcome: str = news.outcome
        elif not transfer.due:
            outcome = "handed over"
        else:
            reason = self._stopped.get(party, "")
            outcome = "blocked" if reason else "to be paid"
        return Settled(state=outcome, route=intent["route"], reference=name, reason=reason)


def _before(ws: Workspace, book: Book, stored: Stored) -> list[Stored]:
    """The pool's standing runs of earlier months in this currency, oldest first: those of the year and the last one."""
    record = stored.record
    runs = book.standing(record.pool, before=record.period)
    relevant = [run for run in runs if run.period[:4] == record.period[:4]] or runs[-1:]
    return [before for run in relevant if (before := load(ws.log, run)).currency == stored.currency]


def title(view: View, one: str) -> str:
    """What a track, a recording or a work is called; empty where nothing of this id has a title."""
    for records in (view.tracks, view.all_recordings, view.works):
        if one in records:
            return records[one].title or ""
    return ""


def _suspended(view: View, stored: Stored) -> Iterator[tuple[str, Line]]:
    """Lines in suspense, by everybody who claims a share of what they are about."""
    for line in stored.outcome.lines:
        right, colon, subject = line.group.removeprefix("?").partition(":")
        if line.state == "suspense" and colon:
            for party in sorted({share.party for share in view.shares_of.get((subject, right), ())}):
                yield party, line
