"""Lorenz curves: one line per rule, drawn from integers, as SVG (the same bytes every time) and as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from ledger.types import MILLION

SIDE: Final = 400
LEFT: Final = 56
TOP: Final = 34
BELOW: Final = 44
ROW: Final = 20
COLOURS: Final = ("#2f6db5", "#c2632a", "#3a8a52", "#8a4f9e", "#a17d12", "#c03a5b", "#25898f", "#777777")
FRAME: Final = "#8a8f98"
EVEN: Final = "#b9bec7"
WORDS: Final = "#5b6675"
TICKS: Final = (0, 25, 50, 75, 100)
ACROSS: Final = "holders, least paid first"
TITLE: Final = "part of the money that the least paid get"

Curves = Mapping[str, Sequence[int]]
"""By label, in ppm of the money, what the least-paid 0 ... 100 per cent get together."""


def colour(place: int) -> str:
    """Return the colour of the n-th rule, in the plot and in tables."""
    return COLOURS[place % len(COLOURS)]


def _legend(curves: Curves) -> list[str]:
    """Return the legend; a rule that pays like an earlier one says so, because its curve is hidden beneath."""
    first: dict[tuple[int, ...], str] = {}
    return [
        label if (same := first.setdefault(tuple(curve), label)) == label else f"{label} (the curve of {same})"
        for label, curve in curves.items()
    ]


def _size(curves: Curves) -> tuple[int, int]:
    return LEFT + SIDE + 24, TOP + SIDE + BELOW + ROW * len(curves) + 8


def _point(place: int, last: int, ppm: int) -> tuple[int, int]:
    """Return a point in hundredths of a pixel, so that rounding of floats cannot show."""
    return 100 * LEFT + 100 * SIDE * place // last, 100 * (TOP + SIDE) - 100 * SIDE * ppm // MILLION


def svg(curves: Curves) -> str:
    """Return the plot as SVG, which takes its text's colour from the page."""
    width, height = _size(curves)
    right, bottom = LEFT + SIDE, TOP + SIDE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="Lorenz">',
        f"<style>text{{font:12px system-ui,sans-serif;fill:{WORDS}}}</style>",
        f'<text x="{LEFT}" y="{TOP - 14}">{TITLE}</text>',
        f'<rect x="{LEFT}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{FRAME}"/>',
        f'<line x1="{LEFT}" y1="{bottom}" x2="{right}" y2="{TOP}" stroke="{EVEN}" stroke-dasharray="4 4"/>',
        f'<text x="{LEFT + SIDE // 2}" y="{bottom + 36}" text-anchor="middle">{ACROSS}</text>',
    ]
    for tick in TICKS:
        across, down = LEFT + SIDE * tick // 100, bottom - SIDE * tick // 100
        parts += [
            f'<text x="{across}" y="{bottom + 18}" text-anchor="middle">{tick} %</text>',
            f'<text x="{LEFT - 8}" y="{down + 4}" text-anchor="end">{tick} %</text>',
        ]
    for n, (label, curve) in enumerate(zip(_legend(curves), curves.values(), strict=True)):
        places = (_point(position, len(curve) - 1, ppm) for position, ppm in enumerate(curve))
        points = " ".join(f"{x // 100}.{x % 100:02d},{y // 100}.{y % 100:02d}" for x, y in places)
        down = bottom + BELOW + ROW * n + 14
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour(n)}" stroke-width="2"/>',
            f'<rect x="{LEFT}" y="{down - 9}" width="12" height="10" fill="{colour(n)}"/>',
            f'<text x="{LEFT + 20}" y="{down}">{escape(label)}</text>',
        ]
    return "\n".join([*parts, "</svg>"])


SCALE: Final = 2
SMOOTH: Final = 2
"""A PNG has SCALE pixels for each of the SVG's; lines are drawn SMOOTH times larger and shrunk."""


def png(curves: Curves) -> bytes:
    """Return the same plot as PNG, on white."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = _size(curves)
    right, bottom, by = LEFT + SIDE, TOP + SIDE, SCALE * SMOOTH
    large = Image.new("RGB", (width * by, height * by), "white")
    draw = ImageDraw.Draw(large)
    draw.line((LEFT * by, bottom * by, right * by, TOP * by), fill=EVEN, width=by)
    draw.rectangle((LEFT * by, TOP * by, right * by, bottom * by), outline=FRAME, width=by)
    for n, curve in enumerate(curves.values()):
        places = (_point(position, len(curve) - 1, ppm) for position, ppm in enumerate(curve))
        points = [(x * by // 100, y * by // 100) for x, y in places]
        draw.line(points, fill=colour(n), width=2 * by, joint="curve")
        down = bottom + BELOW + ROW * n
        draw.rectangle((LEFT * by, (down + 5) * by, (LEFT + 12) * by, (down + 15) * by), fill=colour(n))
    image = large.resize((width * SCALE, height * SCALE), Image.Resampling.LANCZOS)
    write = ImageDraw.Draw(image)
    font = ImageFont.load_default(12 * SCALE)

    def text(x: int, y: int, words: str, anchor: str) -> None:
        write.text((x * SCALE, y * SCALE), words, fill=WORDS, font=font, anchor=anchor)

    text(LEFT, TOP - 14, TITLE, "ls")
    text(LEFT + SIDE // 2, bottom + 36, ACROSS, "ms")
    for tick in TICKS:
        text(LEFT + SIDE * tick // 100, bottom + 18, f"{tick} %", "ms")
        text(LEFT - 8, bottom - SIDE * tick // 100, f"{tick} %", "rm")
    for n, label in enumerate(_legend(curves)):
        text(LEFT + 20, bottom + BELOW + ROW * n + 14, label, "ls")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
