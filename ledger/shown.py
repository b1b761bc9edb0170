"""Format figures for people: the only place where a figure is rounded for a page or a terminal.

Rounded figures are never computed with; the JSON has the exact ones. Parts of a whole are rounded together, so that the
parts shown add up to the whole shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

NOTHING: Final = "-"
"""What stands in a cell that has nothing to say; a list that is empty says "none"."""

HUNDREDTH: Final = 100
"""ppm in a hundredth of a percent: what is shown of a percentage."""
PERCENT: Final = 10_000
"""ppm in one percent: what is shown in a sentence."""
CENT: Final = 10_000
"""Micro-units in a hundredth of a currency unit."""


def money(micros: int, currency: str = "") -> str:
    """Format micro-units as a decimal amount with all six places: nothing is rounded."""
    sign, magnitude = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}{magnitude // 1_000_000:,}.{magnitude % 1_000_000:06d}{' ' + currency if currency else ''}"


def cents(micros: int) -> str:
    """Round one amount to hundredths, half up: for comparisons, never for what is paid."""
    return _digits((micros + CENT // 2) // CENT)


def cents_together(parts: Sequence[int]) -> list[str]:
    """Format parts of an amount so that they add up to their sum as `cents` shows it."""
    return [_digits(part) for part in _together(parts, CENT)]


def percent(ppm: int) -> str:
    """Round one figure (ppm) to hundredths of a percent, half up."""
    return f"{_digits((ppm + HUNDREDTH // 2) // HUNDREDTH)} %"


def percents(parts: Sequence[int]) -> list[str]:
    """Format parts of a whole (ppm) as percentages that add up to their sum as `percent` shows it."""
    return [f"{_digits(part)} %" for part in _together(parts, HUNDREDTH)]


def whole_percents(parts: Sequence[int]) -> list[str]:
    """Do the same without decimals, for sentences and bars; a part below one percent is shown as such."""
    shown = zip(_together(parts, PERCENT), parts, strict=True)
    return [f"{whole} %" if whole or not ppm else "under 1 %" for whole, ppm in shown]


def exact_percent(ppm: int) -> str:
    """Format an agreed rate, such as a tax, with all of its digits and without trailing zeros."""
    digits = f"{ppm % PERCENT:04d}".rstrip("0")
    return f"{ppm // PERCENT}{'.' + digits if digits else ''} %"


def interval(low: int, high: int) -> str:
    """Format an interval, its ends rounded outwards, so that the figure shown never lies outside of it."""
    return f"{_digits(low // HUNDREDTH)} to {_digits(-(-high // HUNDREDTH))}"


def with_interval(share: str, low: int, high: int) -> str:
    """Format a percentage with its interval, `39.64 % (19.52 to 59.75)`; an exact one has no interval."""
    return share if low == high else f"{share} ({interval(low, high)})"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 key`, `2 keys`: a number with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def added_up(read: int, parts: Mapping[str, int]) -> str:
    """Format the counts of rows as a sum: `6 rows read = 4 accepted + 1 duplicate + 1 conflict + 0 quarantined`."""
    texts = (f"{count:,} {name}" if name.endswith("ed") else counted(count, name) for name, count in parts.items())
    return f"{counted(read, 'row')} read = {' + '.join(texts)}"


def _together(parts: Sequence[int], unit: int) -> list[int]:
    """Largest remainder: whole units for each part, adding up to the sum rounded half up; ties to the earlier part."""
    floors = [part // unit for part in parts]
    left = (sum(parts) + unit // 2) // unit - sum(floors)
    for position in sorted(range(len(parts)), key=lambda position: -(parts[position] % unit))[:left]:
        floors[position] += 1
    return floors


def _digits(hundredths: int) -> str:
    sign, magnitude = ("-" if hundredths < 0 else ""), abs(hundredths)
    return f"{sign}{magnitude // 100:,}.{magnitude % 100:02d}"
