"""The geometry of bar charts: what a template draws as SVG, beside the table that has the same figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH, HEIGHT, FOOT = 640, 150, 18
BARS_MAX: Final = 36
"""Months in a chart: three years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar, in the units of the chart's view box."""

    label: str
    x: int
    y: int
    width: int
    height: int


def bars(values: Sequence[tuple[str, int]]) -> list[Bar]:
    """Bars over a common foot, the last `BARS_MAX` of them; negative values have none, the table shows them."""
    chosen = values[-BARS_MAX:]
    most = max((value for _, value in chosen), default=0)
    step = WIDTH // max(len(chosen), 12)
    room = HEIGHT - FOOT
    return [
        Bar(label=label, x=n * step + 2, y=room - height, width=step - 4, height=height)
        for n, (label, value) in enumerate(chosen)
        for height in [max(0, value) * (room - 4) // most if most > 0 else 0]
    ]
