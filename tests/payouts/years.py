"""Random years of accounts: a chain of months in which everything happens that happens to a payee's money.

Pure values only: what the log, the registry and the runs would hand over is drawn from a seeded source.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from payouts.accounts.account import Account, Correction, accounts
from payouts.accounts.clauses import Advance, Agreed, Clause, PaidIn, Rate, Reserve, Withholding, in_force
from payouts.accounts.deductions import Balance, Stages
from payouts.compute import Line, Outcome
from payouts.division.kernel import State
from payouts.division.waterfill import Level

PARTIES = ("ann", "bob", "cy", "dee")
PERIODS = tuple(f"2026-{month:02d}" for month in range(1, 13))
POOL, CURRENCY = "default", "EUR"
ABROAD = ("USD", "JPY", "KWD")


@dataclass(frozen=True, kw_only=True)
class MonthOf:
    """One standing run: what was shared out, the accounts, whose payment was handed over, what came back."""

    period: str
    outcome: Outcome
    stages: Stages
    minimum: int
    accounts: tuple[Account, ...]
    paid: frozenset[str]
    lost: frozenset[str] = frozenset()

    @property
    def by_party(self) -> dict[str, Account]:
        return {one.party: one for one in self.accounts}


@dataclass
class Year:
    """Months in order, and the runs that were undone (their payments are owed back)."""

    months: list[MonthOf] = field(default_factory=list)
    reversed: list[MonthOf] = field(default_factory=list)
    agreed: list[Agreed] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)


def amount(random: Random) -> int:
    """Nothing, dust, part of a cent, or real money."""
    return random.choice((0, 1, random.randrange(20_000), random.randrange(10**8), random.randrange(10**10)))


def clause(random: Random) -> Clause:
    party = random.choice(PARTIES)
    ppm = random.choice((1, 100_000, 500_000, random.randint(1, 10**6), 10**6))
    return random.choice(
        (
            Advance(party=party, pool=POOL, currency=CURRENCY, micros=1 + amount(random), ppm=ppm),
            Reserve(party=party, ppm=ppm, months=random.randint(1, 5)),
            Withholding(party=party, ppm=ppm, territory=random.choice(("SE", "US"))),
            PaidIn(party=party, currency=random.choice((CURRENCY, *ABROAD))),
        )
    )


def outcome(random: Random, allocated: dict[str, int], held: dict[str, int]) -> Outcome:
    """A pool of which so much is allocated and held; the rest is unattributed, in suspense or in reserve."""
    states: tuple[tuple[State, dict[str, int]], ...] = (("allocated", allocated), ("held", held))
    lines = tuple(
        Line(group=party, party=party, state=state, reason="", ref="h" * (state == "held"), weight=1, micros=micros)
        for state, amounts in states
        for party, micros in amounts.items()
    )
    rest = [amount(random) for _ in range(3)]
    return Outcome(
        pool=sum(allocated.values()) + sum(held.values()) + sum(rest),
        allocated=sum(allocated.values()),
        held=sum(held.values()),
        unattributed=rest[0],
        suspense=rest[1],
        reserve=rest[2],
        units=1,
        weight=1,
        weight_unattributed=0,
        level=Level(cap=None, numerator=1, denominator=1, unattributed=0, reserve=0),
        cutoff=None,
        groups=(),
        lines=lines,
    )


def year(seed: int) -> Year:
    """Twelve months from a seed: terms come and go, runs are held, corrected, undone, paid and sent back."""
    random = Random(seed)
    told = Year()
    waiting: list[Correction] = []
    for n, period in enumerate(PERIODS):
        _negotiate(random, told, period)
        made, booked = _run(random, told, period, waiting)
        waiting = [one for one in waiting if one not in booked]
        if random.random() < 0.15:
            told.reversed.append(made)
            waiting += booked
            waiting += [
                Correction(id=f"reversal-{n}", kind="reversal", party=one.party, micros=-one.payable, run="r")
                for one in made.accounts
                if one.party in made.paid
            ]
            made, booked = _run(random, told, period, waiting)
            waiting = [one for one in waiting if one not in booked]
        lost = frozenset(party for party in sorted(made.paid) if random.random() < 0.1)
        told.months.append(replace(made, lost=lost))
        waiting += _afterwards(random, n, made, lost)
    return told


def _negotiate(random: Random, told: Year, period: str) -> None:
    """New terms, ended terms, and this month's rates."""
    for k in range(random.randint(0, 3)):
        told.agreed.append(Agreed.of(period=period, note=f"contract {k}", clause=clause(random)))
    for one in told.agreed:
        if random.random() < 0.05:
            told.ended.add(one.id)
    for code in ABROAD:
        value = random.choice(("1.0861", "161.07", "10861/10000", "0.000001", f"{random.randint(1, 999)}/7"))
        rate = Rate(currency=CURRENCY, to=code, rate=value, date=f"{period}-28")
        told.agreed.append(Agreed.of(period=period, note="central bank", clause=rate))


def _run(random: Random, told: Year, period: str, waiting: list[Correction]) -> tuple[MonthOf, list[Correction]]:
    last = told.months[-1] if told.months else None
    standing = [one for one in told.agreed if one.id not in told.ended]
    before: dict[str, tuple[Balance, ...]] = (
        {one.party: one.deductions.after for one in last.accounts if one.deductions.after} if last else {}
    )
    stages = Stages(
        period=period, before=before, agreed=in_force(standing, pool=POOL, currency=CURRENCY, period=period)
    )
    allocated = {party: micros for party in PARTIES if (micros := amount(random))}
    held = {party: micros for party in PARTIES if random.random() < 0.1 and (micros := amount(random))}
    minimum = random.choice((0, 0, 20_000_000, 500_000_000))
    booked = list(waiting)
    found = accounts(
        currency=CURRENCY,
        minimum=minimum,
        earned=allocated,
        corrections=booked,
        stages=stages,
        opening={one.party: one.carried for one in last.accounts if one.carried} if last else {},
    )
    paid = frozenset(one.party for one in found if one.payable and random.random() < 0.9)
    made = MonthOf(
        period=period,
        outcome=outcome(random, allocated, held),
        stages=stages,
        minimum=minimum,
        accounts=tuple(found),
        paid=paid,
    )
    return made, booked


def _afterwards(random: Random, n: int, made: MonthOf, lost: frozenset[str]) -> list[Correction]:
    """What the next run books: payments that were lost, holds let go, adjustments two people made."""
    returned = [
        Correction(id=f"returned-{n}-{one.party}", kind="returned", party=one.party, micros=one.payable, run="r")
        for one in made.accounts
        if one.party in lost
    ]
    released = [
        Correction(id=f"release-{n}-{line.party}", kind="release", party=line.party, micros=line.micros, run="r")
        for line in made.outcome.lines
        if line.state == "held" and random.random() < 0.7
    ]
    adjusted = [
        Correction(
            id=f"adjust-{n}",
            kind="adjustment",
            party=random.choice(PARTIES),
            micros=random.choice((-1, 1)) * amount(random) or 1,
            run="r",
            reason='said "so"',
        )
        for _ in range(random.random() < 0.4)
    ]
    return returned + released + adjusted
