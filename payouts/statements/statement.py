"""A statement: one party's amounts for a period, their sources, and the reasons for unpaid amounts.

It is a value; `payouts.statements.text` renders it. Every figure is in micro-units and every list adds up: opening +
earned + adjustments + deductions = net + carried, and the earnings add up to `earned`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.shown import exact_percent
from ledger.types import ASPECTS, MILLION, Digest, Influence, InfluenceVector, Period
from payouts.accounts.account import Account, Correction
from payouts.accounts.clauses import Advance, Agreed, Reserve, Withholding
from payouts.accounts.deductions import BESIDE, Converted, Deductions
from payouts.compute import Line
from payouts.division.breakdown import Piece
from payouts.money import format_amount
from payouts.protocols import UsageRow
from payouts.statements.line_factors import UNKNOWN, Factors

ADVICE: Final = {
    "permission": "the use was not permitted when the track was made; grant it, or agree with the operator",
    "dispute": "somebody contests who owns this; answer the dispute, its outcome pays the right party",
    "fraud": "streams look artificial; the money is paid or re-run when that is settled",
    "rights": "the right to use the work is being clarified; hand in what shows it",
    "payee-incomplete": "no account in force is on file; hand in your payee details",
    "legal": "a court or an authority asked for this hold; the operator can say which",
    "tax": "tax papers are missing; hand them in",
    "shares-short": "confirmed shares do not add up to the whole; confirm yours and have the others confirm theirs",
    "shares-in-conflict": "more than the whole is claimed; settle with the other claimants",
    "copy-contested": "it and a copy of it each are said to be the first; hand in what shows whose sound it is",
    "work-unknown": "the recording is not wholly linked to works; register the missing link",
    "works-in-conflict": "more than the whole recording is linked to works; correct the links",
    "no-vector": "the track had no influence vector at the close; it pays when one is assigned",
    "vector-unreliable": "the method's measured error is above what the pool's terms accept",
    "style-empty": "no recording stands in this style group; register members",
    "too-many-owners": "more owners than the rule can divide exactly",
}
"""What a party can do about money that is not paid, by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earning:
    """A part of the earnings: through one track and one source, with its basis.

    `ppm`: the source's influence on the track, None where the track was paid by vectors that differ in it;
    `low_ppm` and `high_ppm`: its interval, equal to it where it was declared.
    `track` is empty where tracks were summed before (style groups, training sets); `via` names the group.
    """

    track: str
    track_title: str
    source: str
    source_title: str
    aspect: str
    basis: str
    via: str
    ppm: int | None
    low_ppm: int | None
    high_ppm: int | None
    units: int
    micros: int
    aspect_ppm: int = MILLION
    """What part of the pool goes to the aspect."""
    share: int | None = None
    """The holder's own, of 10^12; None where influence x aspect x share x units x value does not make the amount."""
    late_units: int = 0
    """Units of earlier months among `units`, reported after those were closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Money that is allocated and not paid: held (the payee is known) or in suspense (it is not).

    `subject`: what it is about; for money held, the tracks it came from; for money in suspense, the right and the
    recording, work or track, whose `title` it is. `ref`: what two people release it by.
    """

    state: str
    subject: str
    title: str
    reason: str
    ref: str
    micros: int
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The streams of the earnings: their source, and whether it signed them (`signed by PARTY`, `unsigned`)."""

    source: str
    platform: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deducted:
    """One deduction, negative, or a release: under which terms (`terms` says them, `note` is their contract or law).

    `due`: the month that releases what a reserve keeps, or kept.
    """

    kind: str
    term: str
    terms: str
    note: str
    due: str
    micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A balance next to the account: a reserve kept until `due`, or an advance that is still to be recouped."""

    kind: str
    term: str
    terms: str
    note: str
    due: str
    opening_micros: int
    closing_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The payment: its reference, state and route; empty until a run is published."""

    state: str
    route: str
    reference: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The same pool before: the last month, and the calendar year up to and with this one."""

    last_period: str
    last_earned_micros: int
    last_net_micros: int
    year: str
    year_earned_micros: int
    year_net_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who issues the statement and pays; from the settings."""

    name: str = ""
    address: str = ""
    contact: str = ""


ANONYMOUS: Final = Issuer()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatement:
    """One party in one run. Only a `published` run is final."""

    run: Digest
    pool: str
    sequence: int
    state: str
    rule: str
    params: dict[str, int | str]
    currency: str
    opening_micros: int
    earned_micros: int
    adjustments_micros: int
    deductions_micros: int
    held_micros: int
    suspense_micros: int
    net_micros: int
    carried_micros: int
    minimum_micros: int
    adjustments: tuple[Correction, ...]
    deductions: tuple[Deducted, ...]
    beside: tuple[Beside, ...]
    converted: Converted | None
    earnings: tuple[Earning, ...]
    streams: tuple[Streams, ...]
    waiting: tuple[Waiting, ...]
    payment: Settled
    plays: int = 0
    """Streams behind the earnings."""
    territories: tuple[str, ...] = ()
    """Those that shares or permissions tell apart; WORLD stands for all others."""
    unit_value: str = ""
    """What a unit brings, in the pool's currency, where influence, aspect and share are whole."""
    earlier: Earlier | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A party's whole statement of a period. `nil`: nothing happened."""

    party: str
    name: str
    period: str
    nil: bool
    demo: bool
    opening_micros: int
    earned_micros: int
    adjustments_micros: int
    deductions_micros: int
    held_micros: int
    suspense_micros: int
    net_micros: int
    carried_micros: int
    currency: str
    pools: tuple[PoolStatement, ...]
    issuer: Issuer = ANONYMOUS

    @property
    def month(self) -> str:
        """Return the period for people: June 2026."""
        return Period.parse(self.period).start.strftime("%B %Y")


def statement(
    *, party: str, name: str, period: str, demo: bool, pools: Sequence[PoolStatement], issuer: Issuer = ANONYMOUS
) -> Statement:
    """A party's statement over its runs; the sums stand at the top where all are in one currency."""
    currencies = {pool.currency for pool in pools}
    sums: dict[str, int] = defaultdict(int)
    if len(currencies) == 1:
        for pool in pools:
            for figure in _FIGURES:
                sums[figure] += getattr(pool, figure)
    return Statement(
        party=party,
        name=name,
        period=period,
        demo=demo,
        pools=tuple(pools),
        issuer=issuer,
        nil=not any(_anything(pool) for pool in pools),
        currency=currencies.pop() if len(currencies) == 1 else "",
        **{figure: sums[figure] for figure in _FIGURES},
    )


_FIGURES: Final = (
    "opening_micros",
    "earned_micros",
    "adjustments_micros",
    "deductions_micros",
    "held_micros",
    "suspense_micros",
    "net_micros",
    "carried_micros",
)


def _anything(pool: PoolStatement) -> bool:
    filled = pool.earnings or pool.waiting or pool.adjustments or pool.deductions or pool.beside
    return bool(filled or any(getattr(pool, name) for name in _FIGURES))


InfluenceRange = tuple[int | None, int, int]
"""A source's share in a track's vectors, None where they differ in it, and the widest interval of them."""


@dataclass(frozen=True, slots=True)
class Background:
    """The data that all statements of a run share: units and influences by track, and titles."""

    units: Mapping[str, int]
    influences: Mapping[str, Mapping[tuple[str, str, str], InfluenceRange]]
    """By track; the key names source, aspect and basis."""
    title: Callable[[str], str]

    @classmethod
    def of(
        cls, usage: Iterable[UsageRow], vectors: Mapping[Digest, InfluenceVector], title: Callable[[str], str]
    ) -> Background:
        units: dict[str, int] = defaultdict(int)
        bound: dict[str, set[Digest]] = defaultdict(set)
        for row in usage:
            units[row.track] += row.units
            if row.vector is not None:
                bound[row.track].add(row.vector)
        influences = {track: _influences([vectors[digest] for digest in digests]) for track, digests in bound.items()}
        return cls(units, influences, title)


def earnings_of(
    pieces: Iterable[Piece], behind: Background, factors: Factors | None = None, party: str = ""
) -> tuple[Earning, ...]:
    """Return pieces with the interval of their influence and their units, largest first."""
    out = []
    for piece in pieces:
        ppm, low, high = behind.influences.get(piece.track, {}).get(
            (piece.source, piece.aspect, piece.basis), (None, None, None)
        )
        factor = UNKNOWN if factors is None else factors.of(piece, party, ppm)
        out.append(
            Earning(
                track=piece.track,
                track_title=behind.title(piece.track),
                source=piece.source,
                source_title=behind.title(piece.source),
                aspect=piece.aspect,
                basis=piece.basis,
                via=piece.via,
                ppm=ppm,
                low_ppm=low,
                high_ppm=high,
                units=behind.units.get(piece.track, 0),
                micros=piece.micros,
                aspect_ppm=factor.aspect_ppm,
                share=factor.share,
                late_units=factor.late_units,
            )
        )
    return tuple(sorted(out, key=lambda one: (-one.micros, one.track, one.source, one.aspect, one.basis, one.via)))


def _influences(vectors: Iterable[InfluenceVector]) -> dict[tuple[str, str, str], InfluenceRange]:
    """The influences of one track's vectors, looked up by every line of the track."""
    sources: dict[tuple[str, str, str], list[Influence]] = defaultdict(list)
    for vector in vectors:
        for aspect in ASPECTS:
            for source in vector.aspect(aspect).sources:
                sources[source.id, aspect, source.basis].append(source)
    return {
        key: (
            same[0].ppm if len({source.ppm for source in same}) == 1 else None,
            min(source.low for source in same),
            max(source.high for source in same),
        )
        for key, same in sources.items()
    }


TRACKS_NAMED: Final = 3
"""Tracks named in what is held; explaining names them all."""


def waiting_of(
    run: Digest, lines: Iterable[tuple[Line, Sequence[Piece]]], title: Callable[[str], str]
) -> tuple[Waiting, ...]:
    """Return the held and suspended lines of a run for a party, largest first."""
    out = [
        Waiting(
            state=line.state,
            subject=_subject(line, pieces),
            title=_title(line, title),
            reason=line.reason,
            ref=_ref(run, line),
            micros=line.micros,
            advice=ADVICE.get(line.reason, "ask the operator"),
        )
        for line, pieces in lines
        if line.state != "allocated" and line.micros
    ]
    return tuple(sorted(out, key=lambda one: (-one.micros, one.state, one.subject, one.reason, one.ref)))


def _ref(run: Digest, line: Line) -> str:
    """Return the subject of a release: the hold, or the line itself if only the registry held it."""
    return line.ref or (held_line(run, line.party, line.reason) if line.state == "held" else "")


def held_line(run: Digest, party: str, reason: str) -> str:
    """Return the name of money that a run holds for a reason in the registry, such as a missing permission."""
    return f"{run}/{party}/{reason}"


def _subject(line: Line, pieces: Sequence[Piece]) -> str:
    if line.state == "suspense":
        return line.group.removeprefix("?")
    tracks = sorted({piece.track or piece.via for piece in pieces})
    more = f" and {len(tracks) - TRACKS_NAMED} more" if len(tracks) > TRACKS_NAMED else ""
    return ", ".join(tracks[:TRACKS_NAMED]) + more


def _title(line: Line, title: Callable[[str], str]) -> str:
    """Return the title of what has no known payee; held money is described by its tracks."""
    return title(line.group.partition(":")[2]) if line.state == "suspense" else ""


def deducted_of(found: Deductions) -> tuple[Deducted, ...]:
    """Return the entries that changed the account, in the order of the stages."""
    return tuple(
        Deducted(
            kind=step.kind,
            term=step.term,
            terms=_said(found, step.term),
            note=found.note(step.term),
            due=step.due,
            micros=step.micros,
        )
        for step in found.entries
        if step.kind not in BESIDE
    )


def beside_of(found: Deductions) -> tuple[Beside, ...]:
    """Return reserves and advances, before and after the run."""
    opening = {(str(balance.kind), balance.term, balance.due): balance.micros for balance in found.before}
    opening |= {
        (balance.kind, balance.term, balance.due): balance.micros
        for balance in found.entries
        if balance.kind == "advance"
    }
    closing = {(str(balance.kind), balance.term, balance.due): balance.micros for balance in found.after}
    return tuple(
        Beside(
            kind=kind,
            term=term,
            terms=_said(found, term),
            note=found.note(term),
            due=due,
            opening_micros=opening.get((kind, term, due), 0),
            closing_micros=closing.get((kind, term, due), 0),
        )
        for kind, term, due in dict.fromkeys((*opening, *closing))
        if opening.get((kind, term, due)) or closing.get((kind, term, due))
    )


def _said(found: Deductions, term: str) -> str:
    """Return terms in words; empty if they are no longer in force."""
    agreed: Agreed | None = next((agreed_term for agreed_term in found.agreed if agreed_term.id == term), None)
    match agreed.clause if agreed is not None else None:
        case Advance(micros=micros, currency=currency, ppm=ppm):
            return f"advance of {format_amount(micros, currency)} {currency}, recouped at {exact_percent(ppm)}"
        case Reserve(ppm=ppm, months=months):
            return f"{exact_percent(ppm)} kept for {months} month{'s' * (months > 1)}"
        case Withholding(ppm=ppm, territory=territory):
            return f"{exact_percent(ppm)} withheld for {territory}"
        case _:
            return ""


def pool_statement(
    *,
    run: Digest,
    pool: str,
    sequence: int,
    state: str,
    rule: Mapping[str, object],
    currency: str,
    minimum: int,
    account: Account | None,
    earnings: Sequence[Earning],
    streams: Sequence[Streams],
    waiting: Sequence[Waiting],
    payment: Settled,
    territories: Sequence[str] = (),
    unit_value: str = "",
    earlier: Earlier | None = None,
) -> PoolStatement:
    """Return one party's part of a run, after checking its figures against each other."""
    params = rule["params"]
    if not isinstance(params, dict):
        raise TypeError(f"rule parameters are {params!r}")
    earned = 0 if account is None else account.earned
    if sum(earning.micros for earning in earnings) != earned:
        raise AssertionError(f"run {run}: the earnings do not add up to the account; nothing may be stated from this")
    return PoolStatement(
        run=run,
        pool=pool,
        sequence=sequence,
        state=state,
        rule=f"{rule['name']} {rule['version']}",
        params=params,
        currency=currency,
        minimum_micros=minimum,
        payment=payment,
        plays=sum(stream.count for stream in streams),
        territories=tuple(territories),
        unit_value=unit_value,
        earlier=earlier,
        opening_micros=0 if account is None else account.opening,
        earned_micros=earned,
        adjustments_micros=0 if account is None else account.corrected,
        deductions_micros=0 if account is None else account.deducted,
        held_micros=sum(earning.micros for earning in waiting if earning.state == "held"),
        suspense_micros=sum(earning.micros for earning in waiting if earning.state == "suspense"),
        net_micros=0 if account is None else account.payable,
        carried_micros=0 if account is None else account.carried,
        adjustments=() if account is None else account.corrections,
        deductions=() if account is None else deducted_of(account.deductions),
        beside=() if account is None else beside_of(account.deductions),
        converted=None if account is None else account.converted,
        earnings=tuple(earnings),
        streams=tuple(streams),
        waiting=tuple(waiting),
    )
