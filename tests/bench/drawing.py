"""Curves as SVG: small panels side by side, one line a series, every point labelled by its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

HUES: Final = ("#2f5d8a", "#c8743c", "#8a8a84")
WIDE, HIGH, GAP, LEFT, TOP = 260, 190, 36, 34, 34

Series = Mapping[str, Mapping[str, float]]


def drawing(panels: Mapping[str, Series]) -> str:
    """An SVG of all panels; values lie between 0 and 1, places are evenly spaced."""
    width = LEFT + len(panels) * (WIDE + GAP)
    parts = [_panel(name, series, LEFT + k * (WIDE + GAP)) for k, (name, series) in enumerate(panels.items())]
    names = list(next(iter(panels.values())))
    legend = "".join(
        f'<path d="M{LEFT + 190 * k} 10h22" stroke="{HUES[k]}" stroke-width="2.5"/>'
        f'<text x="{LEFT + 190 * k + 28}" y="14">{name}</text>'
        for k, name in enumerate(names)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HIGH + 44}" role="img" '
        f'aria-label="{", ".join(names)} by {", ".join(panels)}" font-family="system-ui, sans-serif" font-size="12" '
        f'fill="#222"><rect width="100%" height="100%" fill="#fff"/>{legend}{"".join(parts)}</svg>\n'
    )


def _panel(title: str, series: Series, left: int) -> str:
    places = list(next(iter(series.values())))
    step = WIDE / max(len(places) - 1, 1)
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(value)
        parts.append(
            f'<path d="M{left} {y:.1f}h{WIDE}" stroke="#e4e4e0"/>'
            f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end" font-size="10" fill="#666">{value:g}</text>'
        )
    for k, place in enumerate(places):
        parts.append(f'<text x="{left + k * step:.1f}" y="{TOP + HIGH + 16}" text-anchor="middle">{place}</text>')
    parts.append(f'<text x="{left + WIDE / 2}" y="{TOP + HIGH + 34}" text-anchor="middle" fill="#666">{title}</text>')
    for hue, values in zip(HUES, series.values(), strict=False):
        points = [(left + k * step, _y(values[place])) for k, place in enumerate(places)]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{hue}"/>' for x, y in points)
        parts.append(f'<path d="M{line}" fill="none" stroke="{hue}" stroke-width="2.5"/>{dots}')
    return "".join(parts)


def _y(value: float) -> float:
    return TOP + HIGH * (1 - value)
