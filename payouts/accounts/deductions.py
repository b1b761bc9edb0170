"""Compute the stages between allocated and paid: reserve, release, recoupment, tax, conversion.

Every stage deducts its part of the money that has not been through the stages yet ("fresh"), less a debt carried from
before, and never more than the balance. So carried, returned and reversed money is not deducted from twice, and no
deduction makes a line negative. Reserve and recoupment are rounded down to the micro-unit, tax to the whole minor unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from ledger.types import MILLION, Period
from payouts.accounts.clauses import Advance, Agreed, Rate, Reserve, Withholding
from payouts.errors import TermsError
from payouts.money import payable

Kind = Literal["advance", "reserve", "released", "recouped", "tax", "given-up"]
BalanceKind = Literal["reserve", "advance"]
BESIDE: Final = ("advance", "given-up")
"""Entries about the debt alone: they move nothing on the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeductionStep:
    """One entry, with its terms. `micros` has the party's sign: a deduction is negative.

    `advance` adds to what is to be recouped, `recouped` and `given-up` (the terms were ended) take from it. `due`: the
    period that releases a `reserve`.
    """

    kind: Kind
    term: str
    micros: int
    due: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A balance next to the account: a reserve kept until `due`, or the remainder of an advance."""

    kind: BalanceKind
    term: str
    micros: int
    due: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deductions:
    """The result of the stages for one account: terms, opening balances, entries, closing balances."""

    agreed: tuple[Agreed, ...] = ()
    before: tuple[Balance, ...] = ()
    entries: tuple[DeductionStep, ...] = ()
    after: tuple[Balance, ...] = ()

    @property
    def total(self) -> int:
        """Return the sum of the entries: negative, unless more is released than deducted."""
        return sum(step.micros for step in self.entries if step.kind not in BESIDE)

    def left(self, kind: BalanceKind) -> int:
        """The reserve, or the amount still to be recouped, after the run."""
        return sum(balance.micros for balance in self.after if balance.kind == kind)

    def __bool__(self) -> bool:
        return bool(self.before or self.entries)

    def note(self, term: str) -> str:
        """Return the contract or law of an entry; empty if its terms are no longer in force."""
        return next((term_.note for term_ in self.agreed if term_.id == term), "")

    def payload(self) -> dict[str, Any]:
        return {
            "agreed": [agreed.payload() for agreed in self.agreed],
            "before": [_row(balance) for balance in self.before],
            "entries": [_row(step) for step in self.entries],
            "after": [_row(balance) for balance in self.after],
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Deductions:
        """The inverse of `payload`."""
        balances_before, entries, balances_after = (
            [row | {"micros": int(row["micros"])} for row in payload[name]] for name in ("before", "entries", "after")
        )
        return cls(
            agreed=tuple(Agreed.from_payload(fields) for fields in payload["agreed"]),
            before=tuple(Balance(**row) for row in balances_before),
            entries=tuple(DeductionStep(**row) for row in entries),
            after=tuple(Balance(**row) for row in balances_after),
        )


NONE: Final = Deductions()


def _row(one: DeductionStep | Balance) -> dict[str, Any]:
    return {"kind": one.kind, "term": one.term, "micros": str(one.micros), "due": one.due}


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """The payment in another currency; `rounding` is the fraction of its minor unit, booked to Equity:FX."""

    currency: str
    micros: int
    rounding: int
    rate: str
    date: str
    source: str

    @property
    def sent(self) -> dict[str, str]:
        """The payment as sent to a bank."""
        return {"currency": self.currency, "micros": str(self.micros)}

    def payload(self) -> dict[str, Any]:
        return {
            "currency": self.currency,
            "micros": str(self.micros),
            "rounding": str(self.rounding),
            "rate": self.rate,
            "date": self.date,
            "source": self.source,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Converted:
        """The inverse of `payload`."""
        return cls(**{**payload, "micros": int(payload["micros"]), "rounding": int(payload["rounding"])})


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The inputs of the stages: the terms in force, and each party's balances from the run before."""

    period: str
    agreed: tuple[Agreed, ...] = ()
    before: Mapping[str, tuple[Balance, ...]] = field(default_factory=dict)

    @property
    def terms(self) -> tuple[str, ...]:
        """Return the ids of all terms with a party, in order."""
        return tuple(sorted(agreed.id for agreed in self.agreed if agreed.party))

    @property
    def rates(self) -> tuple[Agreed, ...]:
        return tuple(sorted((agreed for agreed in self.agreed if not agreed.party), key=lambda agreed: agreed.id))

    @cached_property
    def _by_party(self) -> dict[str, tuple[Agreed, ...]]:
        by_party: dict[str, list[Agreed]] = {}
        for agreed in self.agreed:
            if agreed.party:
                by_party.setdefault(agreed.party, []).append(agreed)
        return {party: tuple(clauses) for party, clauses in by_party.items()}

    @property
    def parties(self) -> set[str]:
        """Return every party that the stages may concern."""
        return {*self.before, *self._by_party}

    def of(self, party: str) -> tuple[Agreed, ...]:
        return self._by_party.get(party, ())

    def unpriced(self, currency: str) -> list[Agreed]:
        """Return the terms that pay in a currency for which the period has no rate."""
        priced = {agreed.clause.to for agreed in self.agreed if isinstance(agreed.clause, Rate)} | {currency}
        return [agreed for agreed in self.agreed if agreed.paid_in is not None and agreed.paid_in not in priced]

    def deduct(self, party: str, *, currency: str, opening: int, fresh: int, settled: int) -> Deductions:
        """Compute the stages of one account, whose balance is the sum of the three amounts.

        `fresh` has not been through the stages; `settled` has: payments that came back or are owed back.
        """
        agreed, balances = self.of(party), self.before.get(party, ())
        line = _Line(fresh=fresh, own=opening + fresh, balance=opening + fresh + settled)
        reserves = [balance for balance in balances if balance.kind == "reserve"]
        reserves += _reserve(line, agreed, self.period)
        reserves = _release(line, reserves, self.period)
        owed = _recoup(line, agreed, [balance for balance in balances if balance.kind == "advance"])
        _withhold(line, agreed, currency)
        return Deductions(agreed=agreed, before=balances, entries=tuple(line.entries), after=(*reserves, *owed))

    def convert(self, party: str, micros: int, currency: str) -> Converted | None:
        """Return the payment for an amount in the pool's currency, if the party is paid in another one."""
        target = next((agreed.paid_in for agreed in self.of(party) if agreed.paid_in is not None), currency)
        if target == currency:
            return None
        for agreed in self.agreed:
            if isinstance(agreed.clause, Rate) and agreed.clause.to == target:
                value = agreed.clause.value
                exact = micros * value.numerator // value.denominator
                paid, remainder = payable(exact, target)
                return Converted(
                    currency=target,
                    micros=paid,
                    rounding=remainder,
                    rate=agreed.clause.rate,
                    date=agreed.clause.date,
                    source=agreed.note,
                )
        raise TermsError(f"{party} is paid in {target}, and {self.period} has no rate; nothing may be paid from this")


@dataclass(slots=True)
class _Line:
    """An account between two stages."""

    fresh: int
    own: int
    balance: int
    entries: list[DeductionStep] = field(default_factory=list)

    @property
    def base(self) -> int:
        """Return the amount from which a stage deducts."""
        return max(0, min(self.fresh, self.own))

    def at_most(self, micros: int) -> int:
        """Return the amount, or the balance if it is smaller."""
        return min(micros, max(0, self.balance))

    def book(self, kind: Kind, term: str, micros: int, due: str = "") -> None:
        if micros:
            self.entries.append(DeductionStep(kind=kind, term=term, micros=micros, due=due))
            if kind not in BESIDE:
                self.fresh += micros
                self.own += micros
                self.balance += micros


def _reserve(line: _Line, agreed: Iterable[Agreed], period: str) -> list[Balance]:
    new = []
    for term in agreed:
        if isinstance(term.clause, Reserve) and (micros := line.at_most(line.base * term.clause.ppm // MILLION)):
            due = later(period, term.clause.months)
            line.book("reserve", term.id, -micros, due)
            new.append(Balance(kind="reserve", term=term.id, micros=micros, due=due))
    return new


def _release(line: _Line, kept: Iterable[Balance], period: str) -> list[Balance]:
    """Release reserves whose months are over; they are fresh money, and recoupment and tax apply to them."""
    still = []
    for balance in kept:
        if balance.due <= period:
            line.book("released", balance.term, balance.micros, balance.due)
        else:
            still.append(balance)
    return still


def _recoup(line: _Line, agreed: Iterable[Agreed], before: Iterable[Balance]) -> list[Balance]:
    """Recoup: each advance deducts its part of the same money, the oldest first if it does not suffice."""
    owed = {balance.term: balance.micros for balance in before}
    base, remaining = line.base, []
    for term in agreed:
        if isinstance(term.clause, Advance):
            if term.id not in owed:
                line.book("advance", term.id, term.clause.micros)
            outstanding = owed.pop(term.id, term.clause.micros)
            recouped = line.at_most(min(outstanding, base * term.clause.ppm // MILLION))
            line.book("recouped", term.id, -recouped)
            remaining.append(Balance(kind="advance", term=term.id, micros=outstanding - recouped))
    for ended, outstanding in owed.items():
        line.book("given-up", ended, -outstanding)
    return remaining


def _withhold(line: _Line, agreed: Iterable[Agreed], currency: str) -> None:
    base = line.base
    for term in agreed:
        if isinstance(term.clause, Withholding):
            line.book("tax", term.id, -payable(line.at_most(base * term.clause.ppm // MILLION), currency)[0])


def later(period: str, months: int) -> str:
    """Return the period a number of months later."""
    month = Period.parse(period)
    for _ in range(months):
        month = month.next()
    return str(month)
