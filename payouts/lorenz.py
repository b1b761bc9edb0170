"""Lorenz curves as SVG: one line per rule, drawn from integers, the same bytes every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from ledger.types import MILLION

SIDE: Final = 400
MARGIN: Final = 48
COLOURS: Final = ("#1f5fa8", "#b3541e", "#2d7d46", "#7a3b8f", "#8a6d00", "#b02a4c", "#1b7f86", "#555555")


def svg(curves: Mapping[str, Sequence[int]]) -> str:
    """`curves`: ppm of the money that the least-paid 0 ... 100 per cent get, by rule."""
    width, height = SIDE + 2 * MARGIN, SIDE + 2 * MARGIN + 18 * len(curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="Lorenz">',
        "<style>text{font:12px sans-serif}</style>",
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>',
        f'<line x1="{MARGIN}" y1="{MARGIN + SIDE}" x2="{MARGIN + SIDE}" y2="{MARGIN}" stroke="#bbb"/>',
        f'<text x="{MARGIN}" y="{MARGIN - 10}">part of the money, against part of the holders, least paid first</text>',
    ]
    for n, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[n % len(COLOURS)]
        points = " ".join(_point(place, len(curve) - 1, ppm) for place, ppm in enumerate(curve))
        below = MARGIN + SIDE + 20 + 18 * n
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<rect x="{MARGIN}" y="{below - 9}" width="12" height="10" fill="{colour}"/>',
            f'<text x="{MARGIN + 20}" y="{below}">{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>"])


def _point(place: int, last: int, ppm: int) -> str:
    """A point in hundredths of a pixel, so that no float's rounding shows."""
    x = 100 * MARGIN + 100 * SIDE * place // last
    y = 100 * (MARGIN + SIDE) - 100 * SIDE * ppm // MILLION
    return f"{x // 100}.{x % 100:02d},{y // 100}.{y % 100:02d}"
