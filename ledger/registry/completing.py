"""Round shares given as fractions or percentages so that they sum to the whole: three thirds are one.

A third is not a whole number of ppm, and three times 33.33 % is less than the whole. If the rows of one right of one
subject, from one day on, sum to within TOLERANCE of the whole, they are scaled to it, the last millionths by largest
remainder. Shares given in ppm do not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

from ledger.registry.model import WORLD
from ledger.registry.readers import RawRow
from ledger.types import MILLION
from ledger.units import share

TOLERANCE: Final = Fraction(6, 10_000)
"""How far from the whole shares may be and still be completed: 0.06 %, as between publishers (CWR)."""

_RIGHT: Final = ("subject", "right", "territory", "from", "to")
_DEFAULTS: Final = {"territory": WORLD}


def completed(rows: Iterable[RawRow]) -> Iterator[RawRow]:
    """Return the rows with whole ppm; shares given as fractions or percentages come after the others."""
    rights: dict[tuple[str, ...], list[tuple[RawRow, Fraction]]] = {}
    for row in rows:
        part = _part(row)
        if part is None:
            yield row
        else:
            right = tuple(str(row.value.get(name) or _DEFAULTS.get(name, "")) for name in _RIGHT)
            rights.setdefault(right, []).append((row, part))
    for same in rights.values():
        parts = to_ppm([part for _, part in same], [_party(row) for row, _ in same])
        for (row, _), ppm in zip(same, parts, strict=True):
            yield replace(row, value={**row.value, "ppm": str(ppm) if row.from_text else ppm})


def to_ppm(parts: Sequence[Fraction], names: Sequence[str]) -> list[int]:
    """Return parts in ppm: scaled to the whole if they come near it, else each rounded down."""
    total = sum(parts, Fraction())
    if not 1 - TOLERANCE <= total <= 1 + TOLERANCE:
        return [int(part * MILLION) for part in parts]
    exact = [part / total * MILLION for part in parts]
    ppm = [int(value) for value in exact]
    missing = MILLION - sum(ppm)
    largest = sorted(range(len(parts)), key=lambda n: (ppm[n] - exact[n], names[n], n))
    for n in largest[:missing]:
        ppm[n] += 1
    return ppm


def _part(row: RawRow) -> Fraction | None:
    value: Any = row.value.get("ppm") if row.list == "shares" and isinstance(row.value, dict) else None
    return share(value) if isinstance(value, str) else None


def _party(row: RawRow) -> str:
    return str(row.value.get("party", ""))
