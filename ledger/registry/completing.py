"""Round shares given as fractions or percentages so that they sum to the whole: three thirds are one.

A third is no whole number of ppm, and 33.33 % three times is short of the whole. Where the rows of one right of one
subject, from one day on, come within TOLERANCE of the whole, they are scaled to it, the last millionths by largest
remainder. Whole ppm are taken as they stand: who counts in millionths means them.
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
    """The rows, those of shares in people's units after the others, with whole ppm."""
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
    """Parts in ppm: of the whole where they come near it, else each as it is, rounded down."""
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
