"""Plans of honest months: which terms, routes, rules and corrections one generated quarter has, from a number alone."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from payouts.accounts.clauses import Advance, Clause, PaidIn, Rate, Reserve, Withholding

TERMS: Final = ("currency", "tax", "advance", "reserve", "minimum")
Event = Literal["adjusted up", "adjusted down", "held", "failed", "written-off", "returned"]
EVENTS: Final[tuple[Event, ...]] = ("adjusted up", "adjusted down", "held", "failed", "written-off", "returned")
RULES: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("pro-rata", {}),
    ("thresholded", {"min_streams": "2", "min_influence": "150000"}),
    ("thresholded", {"min_influence": "300000", "below": "redistribute"}),
    ("shapley-capped", {"tau": "700000", "kappa": "300000"}),
    ("shapley-capped", {"kappa": "1"}),
    ("user-centric", {"anonymous": "together"}),
    ("artist-centric", {"min_streams": "2", "min_listeners": "0"}),
    ("training", {"model": "mdl", "model_version": "1"}),
)
POOLS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"reserve": "12345"},
    {"unattributed": "carry"},
    {"weight": "gross"},
    {"territories": "SE"},
    {"price": "0.333333"},
    {"unattributed": "carry", "reserve": "1"},
    {"unattributed": "training", "fallback": "training"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """June and July of one operator. Everything follows from `number`; the terms bear on ann, the rest on all."""

    number: int
    terms: frozenset[str]
    rule: tuple[str, dict[str, str]]
    pool: dict[str, str]
    amounts: tuple[str, str]
    events: frozenset[Event]
    chain: bool
    reversed: bool
    late: bool
    logs: int
    units: tuple[int, ...]

    @property
    def listeners(self) -> bool:
        """Whether each month has a listener whose streams are held; June's are rejected or released later."""
        return self.number % 5 == 3

    @property
    def minimum(self) -> int:
        return 50_000_000 if "minimum" in self.terms else 0

    @property
    def early(self) -> bool:
        """Whether July pays on account: where every stream has a price and divides alone."""
        return "price" in self.pool and self.rule[0] == "pro-rata"

    def clauses(self) -> list[tuple[Clause, str]]:
        """What ann agrees to, and for which period a rate is of."""
        random = Random(self.number)
        ppm = random.choice((1, 150_000, 333_333, 1_000_000))
        clauses: list[tuple[Clause, str]] = []
        if "reserve" in self.terms:
            clauses.append((Reserve(party="ann", ppm=min(ppm, 500_000), months=1), "2026-06"))
        if "advance" in self.terms:
            micros = random.choice((1, 70_000_003, 10**9))
            advance = Advance(party="ann", pool="default", currency="EUR", micros=micros, ppm=ppm)
            clauses.append((advance, "2026-06"))
        if "tax" in self.terms:
            clauses.append((Withholding(party="ann", ppm=ppm // 2 + 1, territory="SE"), "2026-06"))
        if "currency" in self.terms:
            clauses.append((PaidIn(party="ann", currency=random.choice(("USD", "JPY"))), "2026-06"))
            for period, rate in (("2026-06", "1.0861"), ("2026-07", "7/6")):
                clauses += [
                    (Rate(currency="EUR", to=to, rate=rate, date=f"{period}-30"), period) for to in ("USD", "JPY")
                ]
        return clauses


def plan(number: int) -> Plan:
    """The plan of this number: 32 in a row have every combination of terms, 8 in a row every rule."""
    random = Random(f"month {number}")
    amount = random.choice(("1000.00", "0.07", "1234567.89"))
    return Plan(
        number=number,
        terms=frozenset(name for bit, name in enumerate(TERMS) if number >> bit & 1),
        rule=RULES[(number + number // 2 ** len(TERMS)) % len(RULES)],
        pool=POOLS[random.randrange(len(POOLS))],
        amounts=(amount, random.choice((amount, "333.33"))),
        events=frozenset(random.sample(EVENTS, random.randrange(4))),
        chain=random.random() < 0.5,
        reversed=random.random() < 0.3,
        late=random.random() < 0.5,
        logs=2 if random.random() < 0.25 else 1,
        units=tuple(random.choice((1, 2, 7, 1000)) for _ in range(6)),
    )
