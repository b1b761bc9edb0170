"""The factors of a line, with which a reader can compute it again: own share, units, value of a unit.

amount = influence x aspect's part of the pool x own share x units x value of a unit, but for the rounding. Lines for
which that is not so (rules that weigh listeners or coalitions, shares that changed within the month) say so by having
no share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from ledger.types import MILLION, Aspect
from payouts.compute import Outcome
from payouts.division.breakdown import Piece
from payouts.division.kernel import BILLION
from payouts.division.ownership import Ownership
from payouts.protocols import RegistryAnswers, UsageRow

WHOLE_SHARE: Final = MILLION * MILLION
"""A share is in parts of this: the link of a recording to a work, times the share in the work."""
VALUE_DIGITS: Final = 12
"""Decimals of the value of a unit: enough for a billion units to come out to the cent."""


@dataclass(frozen=True, slots=True)
class LineFactors:
    """A line's factors. `share`: of WHOLE_SHARE; None where they do not make the amount."""

    aspect_ppm: int
    share: int | None
    late_units: int


UNKNOWN: Final = LineFactors(MILLION, None, 0)


class Factors:
    """The factors of every line of a run, each look-up done once."""

    def __init__(
        self,
        *,
        period: str,
        aspects: Iterable[tuple[Aspect, int]],
        usage: Iterable[UsageRow],
        view: RegistryAnswers,
        outcome: Outcome,
    ) -> None:
        self._aspects: dict[str, int] = dict(aspects)
        self._ownership = Ownership(view)
        self._places: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._units: dict[str, int] = defaultdict(int)
        self._late: dict[str, int] = defaultdict(int)
        self.territories: dict[str, set[str]] = defaultdict(set)
        self.value = value_of_unit(outcome)
        for row in usage:
            self._places[row.track].add(view.like(row.territory, row.at))
            self._units[row.track] += row.units
            self.territories[row.track].add(row.territory)
            if row.at[:7] < period:
                self._late[row.track] += row.units

    def of(self, piece: Piece, party: str, influence_ppm: int | None) -> LineFactors:
        aspect_ppm = self._aspects.get(piece.aspect, 0)
        late = self._late.get(piece.track, 0)
        share = None if influence_ppm is None or piece.via else self._share(piece, party)
        if share is not None and influence_ppm is not None:
            exact = amount_of(influence_ppm, aspect_ppm, share, self._units[piece.track], self.value)
            rounding = 2 + self.value * self._units[piece.track] * 2 / BILLION
            if abs(exact - piece.micros) > rounding:
                share = None
        return LineFactors(aspect_ppm, share, late)

    def _share(self, piece: Piece, party: str) -> int | None:
        aspects: Mapping[str, Aspect] = {"recording": "recording", "composition": "composition"}
        if piece.aspect not in aspects:
            return None
        shares = {
            sum(
                owner.part
                for owner in self._ownership.owners(piece.source, aspects[piece.aspect], territory, at)
                if owner.party == party
            )
            for territory, at in self._places.get(piece.track, ())
        }
        return shares.pop() if len(shares) == 1 else None


def value_of_unit(outcome: Outcome) -> Fraction:
    """Micros that one unit brings whose influence, aspect and share are whole."""
    return Fraction(outcome.level.numerator * BILLION, outcome.level.denominator) if outcome.weight else Fraction(0)


def amount_of(influence_ppm: int, aspect_ppm: int, share: int, units: int, value: Fraction) -> Fraction:
    """A line's exact amount in micros, from its factors."""
    return Fraction(influence_ppm * aspect_ppm * share * units, MILLION * MILLION * WHOLE_SHARE) * value


def share_in_words(share: int) -> str:
    """A share in percent, every digit it has up to the millionth of a percent."""
    hundredths = share * 100 * MILLION // WHOLE_SHARE
    digits = f"{hundredths % MILLION:06d}".rstrip("0")
    return f"{hundredths // MILLION}{'.' + digits if digits else ''} %"


def value_in_words(value: Fraction) -> str:
    """The value of a unit as a decimal amount of the currency, rounded to VALUE_DIGITS places, two of them always."""
    scaled = round(value * 10**VALUE_DIGITS / MILLION)
    whole, part = divmod(scaled, 10**VALUE_DIGITS)
    return f"{whole:,}.{f'{part:0{VALUE_DIGITS}d}'.rstrip('0'):0<2}"
