"""What a holder sees of its own money while it plays: its accrual in every pool, and its part of one stream."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import InputError
from ledger.types import Period, format_time
from payouts.life.book import Book
from payouts.life.mandates import Mandate
from payouts.live.accrual import AccruedPart, parts
from payouts.protocols import UsageRow
from service.live.accruing import LivePool, Watch, given_so_far, open_month
from service.live.mandates import pool_of
from service.settlement.carrying import moved_on_account
from service.settlement.registered import ELSEWHERE
from service.settlement.runs import inputs_of
from service.settlement.step import read_book

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolAccrual:
    """One party's accrual in one pool: earned so far and not yet settled, held, and paid on account of the month."""

    pool: str
    currency: str
    price_micros: int
    rule: str
    earned_micros: int
    held_micros: int
    on_account_micros: int
    parts: tuple[AccruedPart, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAccrual:
    """A party's money of the open month. Nothing of it is settled: the month's run says what is owed.

    `size` is the log's now; the pools may be two seconds older.
    """

    party: str
    period: str
    at: str
    size: int
    pools: tuple[PoolAccrual, ...]


def mandates_in_force(book: Book, now: str) -> list[Mandate]:
    """Return the newest approved mandate of each pool and currency that has not ended; a stopped one still values."""
    newest: dict[tuple[str, str], Mandate] = {}
    for mandate in book.mandates.mandates.values():
        if book.approved(mandate.id) and now < mandate.until:
            newest[mandate.pool, mandate.currency] = mandate
    return list(newest.values())


def live_accrual(ws: Workspace, watches: MutableMapping[str, Watch], party: str) -> LiveAccrual:
    """Return a party's accrual in every pool that a mandate values. `watches`: sums of this process, by month."""
    now = ws.clock()
    period = str(Period(now.year, now.month))
    watch = watches.get(period)
    if watch is None or watch.ws is not ws:
        watches.clear()
        watch = watches[period] = Watch(ws, period)
    book = read_book(ws)
    mandates = [] if book.close(period) is not None else mandates_in_force(book, format_time(now))
    return LiveAccrual(
        party=party,
        period=period,
        at=format_time(now),
        size=book.size,
        pools=tuple(_pool_accrual(ws, watch, mandate, party) for mandate in mandates),
    )


def _pool_accrual(ws: Workspace, watch: Watch, mandate: Mandate, party: str) -> PoolAccrual:
    pool = pool_of(mandate, watch.period)
    computed = watch.computed(pool)
    own, book = computed.parties.get(party), computed.month.book
    records = book.mandates.of_month(mandate.pool, mandate.currency, watch.period)
    return PoolAccrual(
        pool=mandate.pool,
        currency=mandate.currency,
        price_micros=pool.terms.price_micros or 0,
        rule=pool.rule.name,
        earned_micros=0 if own is None else own.earned_micros,
        held_micros=0 if own is None else own.held_micros,
        on_account_micros=moved_on_account(ws.log, book, records).get(party, 0),
        parts=() if own is None else own.parts,
        unknown=computed.unknown,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamValue:
    """What one stream of a track brings now: the price, and the parts of it; the rest goes to others, or to nobody."""

    track: str
    vector: str | None
    territory: str
    pool: str
    currency: str
    price_micros: int
    parts: tuple[AccruedPart, ...]


def stream_values(ws: Workspace, track: str, party: str | None, territory: str = ELSEWHERE) -> list[StreamValue]:
    """Return what one stream of a track brings a party (all parties: None) in each pool that a mandate values."""
    if track not in ws.registry.view().tracks:
        raise InputError(f"track {track!r} is not registered")
    now = ws.clock()
    book, period = read_book(ws), str(Period(now.year, now.month))
    assigned = ws.log.assignments().get(track)
    vector = None if assigned is None else assigned[0]
    return [
        _stream_value(ws, book, pool_of(mandate, period), track, vector, party=party, territory=territory)
        for mandate in mandates_in_force(book, format_time(now))
    ]


def _stream_value(
    ws: Workspace, book: Book, pool: LivePool, track: str, vector: str | None, *, party: str | None, territory: str
) -> StreamValue:
    terms = pool.terms
    month = open_month(ws, terms.period, book=book)
    row = UsageRow(
        track=track,
        vector=vector,
        territory=terms.territories[0] if terms.territories and territory == ELSEWHERE else territory,
        at=format_time(ws.clock()),
        source=terms.sources[0] if terms.sources else "",
        product=terms.products[0] if terms.products else None,
        units=1,
    )
    inputs = inputs_of(ws, given_so_far(ws, month, pool), [row])
    return StreamValue(
        track=track,
        vector=vector,
        territory=row.territory or "",
        pool=terms.pool,
        currency=terms.currency,
        price_micros=terms.price_micros or 0,
        parts=tuple(parts(inputs, None if party is None else [party])),
    )
