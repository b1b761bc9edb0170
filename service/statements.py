"""Statements: what a party is told of a period, in every format, and the bundle that proves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ledger.errors import InputError, StateError
from ledger.registry.view import View
from ledger.types import Period
from payouts.breakdown import break_down
from payouts.compute import Line
from payouts.life.book import Book
from payouts.life.records import Run
from payouts.payment import reference
from payouts.statement import (
    PoolStatement,
    Settled,
    Statement,
    earnings_of,
    pool_statement,
    statement,
    waiting_of,
)
from service.blocking import blocked_parties
from service.paying import handed_over
from service.proving import statement_bundle
from service.runs import Stored, again, load
from service.settlement import intents_of, is_demo
from service.settling import read_book

if TYPE_CHECKING:
    from service.workspace import Workspace


def runs_of(book: Book, period: str) -> list[Run]:
    """The run that speaks for each pool of a period: the published one, else the approved, else the newest."""
    chosen: dict[str, Run] = {}
    rank = {"reversed": 0, "calculated": 1, "approved": 2, "published": 3, "paying": 3}
    for run in book.runs.values():
        if run.period == period:
            other = chosen.get(run.pool)
            if other is None or rank[book.state_of(run.run)] >= rank[book.state_of(other.run)]:
                chosen[run.pool] = run
    return [chosen[pool] for pool in sorted(chosen)]


def state(ws: Workspace, party: str, period: str) -> Statement:
    """A party's statement for a period; a nil statement where nothing happened."""
    book = read_book(ws)
    runs = _runs(ws, book, party, period)
    pools = [_pool(ws, book, load(ws.log, run), party) for run in runs]
    demo = any(is_demo(ws, book, run.run) for run in runs)
    name = str(ws.registry.personal("party", party).get("name", ""))
    return statement(party=party, name=name, period=period, demo=demo, pools=pools)


def prove(ws: Workspace, party: str, period: str, pool: str | None = None) -> bytes:
    """The bundle with which the party, or anybody, verifies its lines in a published run."""
    book = read_book(ws)
    runs = [run for run in _runs(ws, book, party, period) if pool in (None, run.pool)]
    if len(runs) != 1:
        listed = ", ".join(run.pool for run in runs) or "none"
        raise InputError(f"{period} has runs of pools {listed}: name one with --pool-name")
    return statement_bundle(ws.log, ws.trust.policy, book, load(ws.log, runs[0]), party)


def _runs(ws: Workspace, book: Book, party: str, period: str) -> list[Run]:
    Period.parse(period)
    close = book.close(period)
    if close is None:
        raise StateError(f"period {period} is open; there is nothing to state before: settle period close {period}")
    runs = runs_of(book, period)
    if not runs:
        raise StateError(f"period {period} is closed and nothing was run; run it first: settle run --period {period}")
    if party not in ws.registry.view().parties and not any(party in load(ws.log, run).accounts for run in runs):
        raise InputError(f"party {party!r} is not in the registry, and no run of {period} knows it")
    return runs


def _pool(ws: Workspace, book: Book, stored: Stored, party: str) -> PoolStatement:
    inputs = again(ws, stored)
    view = ws.registry.view(stored.payload["inputs"]["registry_size"])
    broken = list(break_down(inputs, stored.outcome, {party}))
    pieces = [piece for line, found in broken if line.state == "allocated" for piece in found if piece.micros]
    waiting = [one for one in broken if one[0].state == "held"]
    waiting += [(line, ()) for line in _suspended(view, stored, party)]
    record = stored.record
    return pool_statement(
        run=record.run, pool=record.pool, sequence=record.sequence, state=book.state_of(record.run),
        rule=stored.payload["inputs"]["rule"], currency=stored.currency,
        minimum=int(stored.payload["inputs"]["minimum_micros"]), account=stored.accounts.get(party),
        earnings=earnings_of(pieces, inputs.vectors, stored.usage, lambda one: title(view, one)),
        waiting=waiting_of(waiting),
        payment=_payment(ws, book, stored, party),
    )  # fmt: skip


def title(view: View, one: str) -> str:
    """What a track, a recording or a work is called; empty where nothing of this id has a title."""
    for known in (view.tracks, view.all_recordings, view.works):
        if one in known:
            return known[one].title or ""
    return ""


def _suspended(view: View, stored: Stored, party: str) -> Iterator[Line]:
    """Lines in suspense over something the party claims a share of."""
    for line in stored.outcome.lines:
        right, colon, subject = line.group.removeprefix("?").partition(":")
        if line.state == "suspense" and colon and right in ("master", "publishing"):
            claims = {share.party for share, _ in view.share_lines(subject) if share.right == right}
            if party in claims:
                yield line


def _payment(ws: Workspace, book: Book, stored: Stored, party: str) -> Settled:
    """Where the party's one payment of this run stands."""
    run = stored.record.run
    published = book.published.get(run)
    if published is None:
        return Settled(state="not published", route="", reference="")
    intent = next((one for one in intents_of(ws.log, published) if one["party"] == party), None)
    if intent is None:
        return Settled(state="nothing to pay", route="", reference="")
    heard = book.payment_of(run, party)
    stopped = {} if party in handed_over(ws, book, run) else blocked_parties(ws, book, stored)
    if heard is not None:
        paid = heard.outcome
    elif party in handed_over(ws, book, run):
        paid = "handed over"
    else:
        paid = "blocked" if party in stopped else "to be paid"
    return Settled(state=paid, route=intent["route"], reference=reference(run, party), reason=stopped.get(party, ""))
