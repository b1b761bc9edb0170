"""The kinds of terms with a party or about a currency: advance, reserve, tax, currency, rate.

A clause is a value. Two people put it in force (`payouts.life.records.Agree`), from a period on. Several advances of a
party add up; of every other kind the newest replaces the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from fractions import Fraction
from typing import Any, ClassVar, Final

from ledger.proofs import canon
from ledger.shown import exact_percent
from ledger.types import MILLION, Period
from payouts.errors import TermsError
from payouts.money import scale

_TERRITORY = re.compile(r"[A-Z]{2}\Z", re.ASCII)
_RATE = re.compile(r"(\d{1,12})(?:\.(\d{1,12})|/(\d{1,12}))?\Z", re.ASCII)
_AMOUNT = re.compile(r"[1-9]\d{0,99}\Z", re.ASCII)
MONTHS_MAX: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """An advance: deducted at `ppm` of the party's money from one pool, until it is repaid."""

    kind: ClassVar[str] = "advance"
    party: str
    pool: str
    currency: str
    micros: int
    ppm: int

    def __post_init__(self) -> None:
        _named(self.party)
        scale(self.currency)
        _share(self.kind, self.ppm)
        if self.micros <= 0:
            raise TermsError(f"an advance of {self.micros} micros: expected more than zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """A reserve: `ppm` of a party's earnings is kept back for a number of months, then released."""

    kind: ClassVar[str] = "reserve"
    party: str
    ppm: int
    months: int

    def __post_init__(self) -> None:
        _named(self.party)
        _share(self.kind, self.ppm)
        if not 1 <= self.months <= MONTHS_MAX:
            raise TermsError(f"a reserve for {self.months} months: expected 1 to {MONTHS_MAX}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Withholding:
    """A withholding tax: `ppm` of a party's money is owed to the tax office of a territory."""

    kind: ClassVar[str] = "withhold"
    party: str
    ppm: int
    territory: str

    def __post_init__(self) -> None:
        _named(self.party)
        _share(self.kind, self.ppm)
        if not _TERRITORY.match(self.territory):
            raise TermsError(f"territory {self.territory!r}: expected an ISO 3166 alpha-2 code, such as SE")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidIn:
    """A party is paid in this currency, whatever the pool's."""

    kind: ClassVar[str] = "currency"
    party: str
    currency: str

    def __post_init__(self) -> None:
        _named(self.party)
        scale(self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """An exchange rate: the value of one `currency` in `to` on a day, such as "1.0861" or "10861/10000"."""

    kind: ClassVar[str] = "rate"
    currency: str
    to: str
    rate: str
    date: str

    def __post_init__(self) -> None:
        scale(self.currency)
        scale(self.to)
        if self.currency == self.to:
            raise TermsError(f"a rate from {self.currency} to itself; name two currencies")
        if not _RATE.match(self.rate) or not _positive(self.rate):
            raise TermsError(f"rate {self.rate!r}: expected a positive decimal or fraction, such as 1.0861 or 7/6")
        try:
            good = date.fromisoformat(self.date).isoformat() == self.date
        except ValueError:
            good = False
        if not good:
            raise TermsError(f"date {self.date!r}: expected YYYY-MM-DD, the day the rate is of")

    @property
    def value(self) -> Fraction:
        return Fraction(self.rate)


Clause = Advance | Reserve | Withholding | PaidIn | Rate
_KINDS: Final[dict[str, type[Clause]]] = {
    clause.kind: clause for clause in (Advance, Reserve, Withholding, PaidIn, Rate)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A clause and the period from which it applies (a rate applies to that period only).

    `note`: the contract, the law or the source behind it. `id` is a digest of the rest.
    """

    id: str
    period: str
    note: str
    clause: Clause

    @classmethod
    def of(cls, *, period: str, note: str, clause: Clause) -> Agreed:
        Period.parse(period)
        content = {"period": period, "note": note, "clause": clause_payload(clause)}
        return cls(id=f"terms-{canon.digest(canon.encode(content))[:20]}", period=period, note=note, clause=clause)

    def payload(self) -> dict[str, Any]:
        return {"id": self.id, "period": self.period, "note": self.note, "clause": clause_payload(self.clause)}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Agreed:
        """Read what `payload` wrote; refuse an id that is not the digest of the other fields."""
        agreed = cls.of(period=payload["period"], note=payload["note"], clause=read_clause(payload["clause"]))
        if agreed.id != payload["id"]:
            raise TermsError(f"terms {payload['id']}: their content makes {agreed.id}")
        return agreed

    @property
    def party(self) -> str:
        """The party of the clause; empty for a rate."""
        return "" if isinstance(self.clause, Rate) else self.clause.party

    @property
    def paid_in(self) -> str | None:
        """The payment currency, if the clause sets one."""
        return self.clause.currency if isinstance(self.clause, PaidIn) else None

    @property
    def slot(self) -> tuple[str, ...]:
        """The key of clauses that replace each other."""
        match self.clause:
            case Advance():
                return (self.id,)
            case Withholding(party=party, territory=territory):
                return ("withhold", party, territory)
            case Rate(currency=currency, to=to):
                return ("rate", currency, to)
            case Reserve(party=party) | PaidIn(party=party):
                return (self.clause.kind, party)

    def counts(self, *, pool: str, currency: str, period: str) -> bool:
        """Return whether the clause applies to a run of this pool and period."""
        match self.clause:
            case Advance():
                return (self.clause.pool, self.clause.currency) == (pool, currency) and self.period <= period
            case Rate():
                return self.clause.currency == currency and self.period == period
            case _:
                return self.period <= period


def in_force(agreed: Iterable[Agreed], *, pool: str, currency: str, period: str) -> tuple[Agreed, ...]:
    """Return the terms in force for a run, in the order of the log."""
    chosen: dict[tuple[str, ...], Agreed] = {}
    for agreed_term in agreed:
        if agreed_term.counts(pool=pool, currency=currency, period=period):
            chosen[agreed_term.slot] = agreed_term
    return tuple(chosen.values())


def clause_payload(clause: Clause) -> dict[str, Any]:
    """Return a clause as canonical JSON; amounts are decimal strings."""
    plain = {field.name: getattr(clause, field.name) for field in fields(clause)}
    return {"kind": clause.kind} | {name: str(value) if name == "micros" else value for name, value in plain.items()}


def read_clause(payload: Mapping[str, Any]) -> Clause:
    """Read what `clause_payload` wrote; refuse anything else."""
    arguments = dict(payload)
    kind = _KINDS.get(str(arguments.pop("kind", None)))
    if kind is None:
        raise TermsError(f"terms of kind {payload.get('kind')!r}: expected one of {', '.join(_KINDS)}")
    if arguments.keys() != {field.name for field in fields(kind)}:
        raise TermsError(f"{kind.kind} terms have the fields {sorted(arguments)}")
    for name, value in arguments.items():
        if type(value) is not (int if name in ("ppm", "months") else str):
            raise TermsError(f"{kind.kind} terms: {name} is {value!r}")
    if "micros" in arguments:
        text = arguments["micros"]
        arguments["micros"] = int(text) if _AMOUNT.match(text) else 0
    clause: Clause = kind(**arguments)
    return clause


def _positive(rate: str) -> bool:
    try:
        return Fraction(rate) > 0
    except ZeroDivisionError:
        return False


def _named(party: str) -> None:
    if not party:
        raise TermsError("terms name the party they are about")


def _share(kind: str, ppm: int) -> None:
    if not 1 <= ppm <= MILLION:
        raise TermsError(f"{kind} of {exact_percent(ppm)}: expected more than 0 % and at most 100 %, such as 15%")
