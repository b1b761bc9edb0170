"""What an open month comes to so far: gathered from the logs as a run of it would be, if it were closed now.

Two ways lead to the same rows: the run's own summing over all events of the month, and a fold that continues where
it stopped. Money moves by the first alone; the second is what people watch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import InputError, VerificationError
from ledger.files import write_whole
from ledger.proofs import canon
from ledger.types import Period, format_time
from payouts.document import Given
from payouts.life.book import Book
from payouts.life.records import LogSize
from payouts.live.accrual import OPEN, Accrual, AccruedPart, accrue, check_linear, parts
from payouts.live.usage_fold import UsageFold
from payouts.protocols import UsageRow
from payouts.rules.base import Rule
from payouts.rules.catalogue import make_rule
from payouts.terms import Terms, parse_terms
from payouts.usage.grain import grain_of
from payouts.usage.plain import EntrySelection
from service.log.logs import Listed, check_claims, listed_open, sizes
from service.settlement.runs import holds_of, inputs_of
from service.settlement.step import read_book
from service.settlement.usage import PLAIN, assigned_in, check_listener_lists, listeners_under, summed

if TYPE_CHECKING:
    from payouts.compute import Inputs
    from service.workspace import Workspace

FOLDER: Final = "live"
AGAIN: Final = timedelta(seconds=2)
"""How old what people watch may be; their pages ask again as often (`service.web.api.live`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePool:
    """A pool whose streams are valued as they come."""

    terms: Terms
    rule: Rule


def live_pool(*, period: str, currency: str, rule: str, params: Mapping[str, str], name: str = "default") -> LivePool:
    """Convert finance's input to a pool; refuses one whose streams cannot be valued one by one."""
    terms, rule_params = parse_terms(period=period, currency=currency, pool=name, params=params)
    pool = LivePool(terms=terms, rule=make_rule(rule, rule_params))
    check_linear(pool.terms, pool.rule)
    return pool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMonth:
    """An open month at one moment: its book, the sizes of its logs, and the logs."""

    period: str
    book: Book
    sizes: tuple[LogSize, ...]
    logs: list[Listed]

    @property
    def registry_size(self) -> int:
        return self.sizes[0].size


def open_month(ws: Workspace, period: str, *, book: Book | None = None, at: Sequence[LogSize] = ()) -> OpenMonth:
    """Read where an open month stands now, or at these sizes; refuses a closed one."""
    book = read_book(ws) if book is None else book
    if book.close(str(Period.parse(period))) is not None:
        raise InputError(f"period {period} is closed: its run says what it comes to, settle run --period {period}")
    listed_sizes = tuple(at) or sizes(ws, book, ws.log.head(book.size))
    return OpenMonth(period=period, book=book, sizes=listed_sizes, logs=listed_open(ws, book, period, listed_sizes))


def given_so_far(ws: Workspace, month: OpenMonth, pool: LivePool) -> Given:
    """The inputs of a run of this month, as far as they are known."""
    return Given(
        period_root=OPEN,
        registry_size=month.registry_size,
        sequence=1,
        terms=pool.terms,
        rule=pool.rule,
        holds=holds_of(month.book),
        follows=None,
        entries=(),
        minimum=ws.settings.number("payouts.minimum_micros"),
    )


def whole_inputs(ws: Workspace, month: OpenMonth, pool: LivePool) -> Inputs:
    """The inputs of the accrual, every event of the month summed again from its leaf."""
    so_far = given_so_far(ws, month, pool)
    check_listener_lists(ws.log, (month.book.holds[hold.id] for hold in so_far.holds))
    rows = summed(
        month.logs,
        engine=PLAIN,
        view=ws.registry.view(month.registry_size),
        terms=pool.terms,
        rule=pool.rule,
        holds=so_far.holds,
        on_progress=None,
    )
    return inputs_of(ws, so_far, rows)


class Watch:
    """Follow an open month: each reading takes the events since the one before it.

    The sums are written down now and then, so that a new process continues; they are believed for display only.
    """

    def __init__(self, ws: Workspace, period: str) -> None:
        self.ws = ws
        self.period = period
        self._fold: UsageFold | None = None
        self._computed: dict[tuple[str, str], ComputedPool] = {}

    def month(self) -> OpenMonth:
        """Take what is new in the logs, and return where the month stands."""
        month = open_month(self.ws, self.period)
        fold = self._fold_for(month)
        for listed in month.logs:
            start = fold.position.get(listed.log.origin, 0)
            entries = listed.log.entries(types={"event"}, start=start, stop=listed.membership.size)
            fold.take(EntrySelection(origin=listed.log.origin, membership=listed.membership, entries=entries))
        return month

    def inputs(self, month: OpenMonth, pool: LivePool) -> Inputs:
        """The inputs of the accrual from the sums so far; each territory is told apart."""
        fold = self._fold_for(month)
        home = month.logs[0]
        assigned = assigned_in(home.log, home.membership.size)
        sums: dict[str, list[UsageRow]] = {
            listed.log.origin: fold.rows(listed.log.origin, assigned=assigned, terms=pool.terms)
            for listed in month.logs
        }
        if len(month.logs) > 1:
            check_claims(home.log, sums)
        return inputs_of(self.ws, given_so_far(self.ws, month, pool), list(chain.from_iterable(sums.values())))

    def computed(self, pool: LivePool) -> ComputedPool:
        """Return what a pool comes to; computed again after AGAIN_SECONDS at the earliest, and if the logs grew.

        Others wait meanwhile, and in a busy month every request would find new events.
        """
        name, now = (pool.terms.pool, pool.terms.currency), self.ws.clock()
        last = self._computed.get(name)
        if last is None or last.pool != pool or not timedelta(0) <= now - last.looked_at < AGAIN:
            month = self.month()
            if last is not None and (last.pool, last.month.sizes) == (pool, month.sizes):
                last = replace(last, looked_at=now)
            else:
                inputs = self.inputs(month, pool)
                last = ComputedPool(
                    pool=pool,
                    looked_at=now,
                    month=month,
                    parties={accrual.party: accrual for accrual in _by_party(accrue(inputs), inputs, None)},
                    unknown=tuple(unknown_of(month, inputs.usage)),
                )
            self._computed[name] = last
        return last

    def save(self) -> None:
        """Write the sums down."""
        if self._fold is not None:
            write_whole(self.ws.home / FOLDER / f"{self.period}.json", self._fold.encode(), mode=0o600)

    def _fold_for(self, month: OpenMonth) -> UsageFold:
        """The sums so far; made anew where shares now change at other times, or other listeners are under holds."""
        view = self.ws.registry.view(month.registry_size)
        everything = Terms(period=self.period, currency="EUR", price_micros=1)
        grain = grain_of(view, everything, make_rule("pro-rata", {}))
        holds = listeners_under(month.logs[0].log, holds_of(month.book))
        basis: dict[str, Any] = {
            "period": self.period,
            "cuts": list(grain.cuts),
            "earlier": {
                listed.log.origin: None
                if listed.membership.earlier is None or listed.membership.earlier[0] >= listed.membership.size
                else listed.membership.earlier[0]
                for listed in month.logs
            },
            "closed": sorted(month.book.closes),
            "listeners": sorted([*key, hold] for key, hold in holds.items()),
        }
        name = canon.digest(canon.encode(basis))
        behind = {log.origin: log.size for log in month.sizes}
        if self._fold is None or self._fold.basis != name:
            self._fold = UsageFold(name, grain=grain, holds=holds)
            with suppress(OSError, VerificationError):
                self._fold.restore((self.ws.home / FOLDER / f"{self.period}.json").read_bytes())
        if any(position > behind.get(origin, -1) for origin, position in self._fold.position.items()):
            self._fold = UsageFold(name, grain=grain, holds=holds)  # the file is of a log that was rolled back since
        return self._fold


# --- what people read ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAccrual:
    """One party's part: earned so far, and held; `parts` take both apart by track, source and territory."""

    party: str
    earned_micros: int
    held_micros: int
    parts: tuple[AccruedPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedPool:
    """Every party's accrual in a pool of a month, and what was not known; the logs were looked at `looked_at`."""

    pool: LivePool
    looked_at: datetime
    month: OpenMonth
    parties: dict[str, PartyAccrual]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccrualShown:
    """An open month so far. Nothing of it is settled: the month's run alone says what is owed.

    `undecided_micros` wait for the period root, which decides ties. `unknown` says what cannot be known yet.
    """

    period: str
    pool: str
    currency: str
    price_micros: int
    rule: str
    at: str
    logs: tuple[LogSize, ...]
    units: int
    pool_micros: int
    allocated_micros: int
    held_micros: int
    suspense_micros: int
    unattributed_micros: int
    undecided_micros: int
    parties: tuple[PartyAccrual, ...]
    unknown: tuple[str, ...]


def shown(ws: Workspace, watch: Watch, pool: LivePool, parties: Collection[str] | None = None) -> AccrualShown:
    """The accrual of a pool now, with the lines of some parties (of all: None)."""
    month = watch.month()
    inputs = watch.inputs(month, pool)
    accrual = accrue(inputs)
    return AccrualShown(
        period=month.period,
        pool=pool.terms.pool,
        currency=pool.terms.currency,
        price_micros=pool.terms.price_micros or 0,
        rule=pool.rule.name,
        at=format_time(ws.clock()),
        logs=month.sizes,
        units=accrual.units,
        pool_micros=accrual.pool,
        allocated_micros=accrual.micros("allocated"),
        held_micros=accrual.micros("held"),
        suspense_micros=accrual.micros("suspense"),
        unattributed_micros=accrual.unattributed,
        undecided_micros=accrual.undecided,
        parties=_by_party(accrual, inputs, parties),
        unknown=tuple(unknown_of(month, inputs.usage)),
    )


def _by_party(accrual: Accrual, inputs: Inputs, parties: Collection[str] | None) -> tuple[PartyAccrual, ...]:
    by_party: dict[str, list[AccruedPart]] = {}
    for part in parts(inputs, parties):
        if part.party:
            by_party.setdefault(part.party, []).append(part)
    sums: dict[tuple[str, str], int] = {}
    for line in accrual.lines:
        sums[line.party, line.state] = sums.get((line.party, line.state), 0) + line.micros
    return tuple(
        PartyAccrual(
            party=party,
            earned_micros=sums.get((party, "allocated"), 0),
            held_micros=sums.get((party, "held"), 0),
            parts=tuple(by_party[party]),
        )
        for party in sorted(by_party)
    )


def unknown_of(month: OpenMonth, rows: Iterable[UsageRow]) -> Iterable[str]:
    """What may still change before the month is closed."""
    period = Period.parse(month.period)
    waiting = sum(row.units for row in rows if row.vector is None)
    if waiting:
        yield f"{waiting} streams are of tracks without a vector; whom they pay is known when one is assigned"
    if str(period.previous()) not in month.book.closes:
        yield f"{period.previous()} is open: its streams, and those before it, are not counted here"
    yield (
        "deductions, exchange rates, the minimum payout, corrections and late changes of shares, holds and assignments "
        "are the month's: its run says what is paid"
    )
