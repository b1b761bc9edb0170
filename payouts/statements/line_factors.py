"""The factors of a line, with which a reader can compute it again: own share, units, value of a unit.

amount = influence x aspect's part of the pool x own share x units x value of a unit, but for the rounding. Lines for
which this does not hold (rules that weigh listeners or coalitions, shares that changed within the month) have no share.
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
_PRODUCT_WHOLE: Final = MILLION * MILLION * WHOLE_SHARE
"""The product of a whole influence, a whole aspect and a whole share."""
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
        self._shares: dict[tuple[str, Aspect, str, str], dict[str, int]] = {}
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
            units = self._units[piece.track]
            if not _makes(influence_ppm * aspect_ppm * share * units, units, self.value, piece.micros):
                share = None
        return LineFactors(aspect_ppm, share, late)

    def _share(self, piece: Piece, party: str) -> int | None:
        aspect = _OWNED.get(piece.aspect)
        if aspect is None:
            return None
        shares = {
            self._by_party(piece.source, aspect, territory, at).get(party, 0)
            for territory, at in self._places.get(piece.track, ())
        }
        return shares.pop() if len(shares) == 1 else None

    def _by_party(self, source: str, aspect: Aspect, territory: str, at: str) -> dict[str, int]:
        """What each party owns of a source; all its owners' lines ask for it."""
        key = (source, aspect, territory, at)
        shares = self._shares.get(key)
        if shares is None:
            shares = self._shares[key] = defaultdict(int)
            for owner in self._ownership.owners(source, aspect, territory, at):
                shares[owner.party] += owner.part
        return shares


_OWNED: Final[Mapping[str, Aspect]] = {"recording": "recording", "composition": "composition"}
"""The aspects that have owners."""


def _makes(product: int, units: int, value: Fraction, micros: int) -> bool:
    """Return whether the factors make the amount, but for rounding: two micros, and two billionths of each unit.

    In whole numbers, both sides multiplied by the denominators: a run has as many lines as holders times sources.
    """
    whole = _PRODUCT_WHOLE * value.denominator
    rounding = 2 * whole + 2 * value.numerator * units * (_PRODUCT_WHOLE // BILLION)
    return abs(product * value.numerator - micros * whole) <= rounding


def value_of_unit(outcome: Outcome) -> Fraction:
    """Return the micros of one unit with full influence, aspect and share."""
    return Fraction(outcome.level.numerator * BILLION, outcome.level.denominator) if outcome.weight else Fraction(0)


def share_in_words(share: int) -> str:
    """Format a share in percent, with all digits up to the millionth of a percent."""
    hundredths = share * 100 * MILLION // WHOLE_SHARE
    digits = f"{hundredths % MILLION:06d}".rstrip("0")
    return f"{hundredths // MILLION}{'.' + digits if digits else ''} %"


def value_in_words(value: Fraction) -> str:
    """Format the value of a unit as an amount with at least two and at most VALUE_DIGITS decimals."""
    scaled = round(value * 10**VALUE_DIGITS / MILLION)
    whole, part = divmod(scaled, 10**VALUE_DIGITS)
    return f"{whole:,}.{f'{part:0{VALUE_DIGITS}d}'.rstrip('0'):0<2}"
