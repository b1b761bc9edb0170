"""The royalty report as one HTML page, pictures drawn as SVG, nothing loaded from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment

HUES: Final = (
    "#2f5d8a",
    "#c8743c",
    "#4f8a5b",
    "#8a4f7d",
    "#b59a3a",
    "#5b7f95",
    "#a3484f",
    "#6a6fb0",
    "#7a7a52",
    "#3f8f8a",
)
REST: Final = "#d8d8d4"
WIDTH: Final = 720

PAGE: Final = Path(__file__).with_name("report.html")


def percent(ppm: int) -> str:
    """Two decimals, exactly."""
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def seconds(ms: int) -> str:
    """Minutes and seconds with a tenth."""
    return f"{ms // 60_000}:{ms % 60_000 // 1000:02d}.{ms % 1000 // 100}"


def hue(place: int) -> str:
    return HUES[place % len(HUES)]


def bar(aspect: dict[str, Any]) -> str:
    """One aspect as a bar of its shares, with a whisker for each interval."""
    parts, left = [], 0.0
    for place, source in enumerate(aspect["sources"]):
        width = WIDTH * source["ppm"] / 1_000_000
        parts.append(f'<rect x="{left:.1f}" y="4" width="{width:.1f}" height="22" fill="{hue(place)}"/>')
        low, high = left + WIDTH * (source["low"] - source["ppm"]) / 1e6 + width, left + WIDTH * source["high"] / 1e6
        ends = f'x1="{max(low, left):.1f}" x2="{min(high, WIDTH):.1f}"'
        parts.append(f'<line {ends} y1="33" y2="33" stroke="{hue(place)}" stroke-width="3"/>')
        left += width
    parts.append(f'<rect x="{left:.1f}" y="4" width="{max(WIDTH - left, 0):.1f}" height="22" fill="{REST}"/>')
    label = f"shares of the {aspect['aspect']} aspect"
    return f'<svg viewBox="0 0 {WIDTH} 38" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def timeline(report: dict[str, Any]) -> str:
    """Each matched source on its own line, along the track's time."""
    names = list(dict.fromkeys(match["source"] for match in report["matches"]))
    length = max(1, report["length_ms"] or max(match["track_ms"][1] for match in report["matches"]))
    height = 16 * len(names) + 4
    rows = []
    for match in report["matches"]:
        row = names.index(match["source"])
        begin, end = (WIDTH * ms / length for ms in match["track_ms"])
        place = f'x="{begin:.1f}" y="{16 * row + 4}" width="{max(end - begin, 2):.1f}"'
        rows.append(f'<rect {place} height="11" fill="{hue(row)}" opacity="0.8"/>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="where each source is heard">{"".join(rows)}</svg>'
    )


def as_html(report: dict[str, Any]) -> str:
    """The page; every text in it is escaped."""
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True)
    page = environment.from_string(PAGE.read_text(encoding="utf-8"))
    return page.render(
        r=report,
        pct=percent,
        secs=seconds,
        hue=hue,
        rest=REST,
        bar=lambda aspect: Markup(bar(aspect)),  # noqa: S704  numbers and fixed words only
        timeline=lambda one: Markup(timeline(one)),  # noqa: S704  numbers only
    )
