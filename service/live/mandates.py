"""Mandates: propose the payments on account that leave without another signature, stop them, and start them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ledger.errors import InputError, StateError
from ledger.types import MILLION, format_time, parse_time
from payouts.accounts.payment import ROUTES, Route
from payouts.life.book import Book
from payouts.life.mandates import HOURS, Mandate, Resume, Stop, pool_terms
from payouts.money import parse_amount
from payouts.rules.catalogue import make_rule
from service.live.accruing import LivePool, live_pool
from service.settlement.holds import Proposed, name_of, proposed, said
from service.settlement.step import DecidedStep, read_book, signed, take

if TYPE_CHECKING:
    from service.workspace import Workspace


def pool_of(mandate: Mandate, period: str) -> LivePool:
    """Return a mandate's pool in one month."""
    rule = mandate.rule
    return LivePool(
        terms=pool_terms(mandate.terms, period),
        rule=make_rule(str(rule["name"]), {name: str(value) for name, value in rule["params"].items()}),
    )


def propose(
    ws: Workspace,
    *,
    currency: str,
    rule: str,
    params: Mapping[str, str],
    pool_name: str = "default",
    early_ppm: int,
    hour: str,
    party: str,
    hours: int,
    via: str,
    until: str,
    note: str,
) -> Proposed:
    """Propose a mandate; it has no effect until a second person approves it.

    `hour` and `party`: the most that leaves per hour, and per party and month. `hours`: between two instalments.
    """
    said(note, "a mandate")
    now = ws.clock()
    pool = live_pool(
        period=f"{now.year:04d}-{now.month:02d}", currency=currency, rule=rule, params=params, name=pool_name
    )
    terms = pool.terms.payload()
    del terms["period"]
    maker = ws.signer("operator")
    record = Mandate(
        at=format_time(now),
        by=ws.operator,
        key=maker.public.id,
        id="",
        terms=terms,
        rule=pool.rule.payload(),
        early_ppm=early_ppm,
        hour_micros=parse_amount(hour),
        party_micros=parse_amount(party),
        hours=hours,
        via=_route(via),
        until=_end(until, now),
        note=note,
    )
    if not 1 <= early_ppm <= MILLION:
        raise InputError(f"{early_ppm} ppm are to be paid early; expected from 1 to {MILLION}, such as --early 50%")
    if not HOURS[0] <= hours <= HOURS[1]:
        raise InputError(f"instalments every {hours} hours; expected from {HOURS[0]} to {HOURS[1]}: --hours 24")
    if record.hour_micros <= 0 or record.party_micros <= 0:
        raise InputError("a ceiling is zero; expected amounts above zero, such as --hour 1000.00 --party 500.00")
    name = name_of("mandate", **record.content())

    def decide(book: Book) -> DecidedStep[Proposed]:
        existing = book.mandates.mandates.get(name)
        if existing is not None:
            return DecidedStep(
                Proposed(id=name, kind="mandate", by=existing.by, approved=book.approved(name), already=True)
            )
        _check_apart(book, record, format_time(now))
        named = Mandate(**{**_fields(record), "id": name})
        return DecidedStep(proposed(name, "mandate", ws), leaves=[signed(named, maker)])

    return take(ws, decide)


def _check_apart(book: Book, mandate: Mandate, now: str) -> None:
    """Refuse a mandate over streams that one of another pool pays, or paid this month.

    The month's run takes back the instalments of its own pool and currency alone.
    """
    terms = pool_terms(mandate.terms, now[:7])
    paid = book.mandates.beside(terms)
    for other in book.mandates.mandates.values():
        runs = (
            book.approved(other.id)
            and now < other.until
            and (other.pool, other.currency) != (mandate.pool, mandate.currency)
        )
        if other in paid or (runs and terms.overlaps(pool_terms(other.terms, now[:7]))):
            raise StateError(
                f"mandate {other.id} pays pool {other.pool} in {other.currency} for the same streams; limit the pools "
                "to streams of their own, --param sources=..., products=... or territories=..."
            )


def _fields(record: Mandate) -> dict[str, Any]:
    return {name: getattr(record, name) for name in Mandate.__dataclass_fields__}


def _route(via: str) -> Route:
    if via == "chain":
        raise InputError("instalments leave by file only; on a chain the month's run pays: settle pay RUN --via chain")
    if via not in ROUTES:
        raise InputError(f"route {via!r}: expected file")
    return "file"


def _end(until: str, now: datetime) -> str:
    """Return the end as leaves write it: a day means its beginning, in UTC."""
    end = parse_time(f"{until}T00:00:00Z" if len(until) == len("2026-01-01") else until)
    if end <= now:
        raise InputError(f"--until {until} has passed; give a later day")
    return format_time(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A stop: no instalment of the mandate follows it, until two people lift it."""

    mandate: str
    stop: str
    already: bool


def stop(ws: Workspace, name: str, *, reason: str) -> Stopped:
    """Stop a mandate at once; one person is enough."""
    said(reason, "a stop")
    at, maker = format_time(ws.clock()), ws.signer("operator")

    def decide(book: Book) -> DecidedStep[Stopped]:
        mandate = book.mandates.mandate(name)
        standing = book.mandates.stop_of(mandate.id)
        if standing is not None:
            return DecidedStep(Stopped(mandate=mandate.id, stop=standing.id, already=True))
        earlier = sum(stop.mandate == mandate.id for stop in book.mandates.stops.values())
        stop_id = name_of("stop", mandate=mandate.id, nth=earlier)
        record = Stop(at=at, by=ws.operator, key=maker.public.id, id=stop_id, mandate=mandate.id, reason=reason)
        return DecidedStep(Stopped(mandate=mandate.id, stop=stop_id, already=False), leaves=[signed(record, maker)])

    return take(ws, decide)


def resume(ws: Workspace, name: str, *, note: str) -> Proposed:
    """Propose to lift a mandate's stop; instalments go on when a second person approves."""
    said(note, "a resumption")
    at, maker = format_time(ws.clock()), ws.signer("operator")

    def decide(book: Book) -> DecidedStep[Proposed]:
        standing = book.mandates.stop_of(book.mandates.mandate(name).id)
        if standing is None:
            raise StateError(f"mandate {name} is not stopped")
        for existing in book.mandates.resumes.values():
            if existing.stop == standing.id:
                return DecidedStep(
                    Proposed(id=existing.id, kind="resume", by=existing.by, approved=False, already=True)
                )
        resume_id = name_of("resume", stop=standing.id)
        record = Resume(at=at, by=ws.operator, key=maker.public.id, id=resume_id, stop=standing.id, note=note)
        return DecidedStep(proposed(resume_id, "resume", ws), leaves=[signed(record, maker)])

    return take(ws, decide)


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateShown:
    """A mandate and its state: proposed, running, stopped or ended; `paid_micros` is what its instalments came to."""

    id: str
    state: str
    reason: str
    pool: str
    currency: str
    price_micros: int
    rule: str
    early_ppm: int
    hour_micros: int
    party_micros: int
    hours: int
    via: str
    until: str
    made_by: str
    approved_by: tuple[str, ...]
    instalments: int
    paid_micros: int
    last_at: str
    note: str


def status(ws: Workspace) -> list[MandateShown]:
    """List all mandates, oldest first."""
    book, now = read_book(ws), format_time(ws.clock())
    return [_shown(book, mandate, now) for mandate in book.mandates.mandates.values()]


def _shown(book: Book, mandate: Mandate, now: str) -> MandateShown:
    standing = book.mandates.stop_of(mandate.id)
    instalments = book.mandates.instalments_of(mandate.id)
    if not book.approved(mandate.id):
        state = "proposed"
    elif mandate.until <= now:
        state = "ended"
    else:
        state = "running" if standing is None else "stopped"
    return MandateShown(
        id=mandate.id,
        state=state,
        reason="" if standing is None else standing.reason,
        pool=mandate.pool,
        currency=mandate.currency,
        price_micros=int(mandate.terms["price_micros"]),
        rule=str(mandate.rule["name"]),
        early_ppm=mandate.early_ppm,
        hour_micros=mandate.hour_micros,
        party_micros=mandate.party_micros,
        hours=mandate.hours,
        via=mandate.via,
        until=mandate.until,
        made_by=mandate.by,
        approved_by=tuple(approval.by for approval in book.approvals.get(mandate.id, [])),
        instalments=len(instalments),
        paid_micros=sum(instalment.micros for instalment in instalments),
        last_at=instalments[-1].at if instalments else "",
        note=mandate.note,
    )
