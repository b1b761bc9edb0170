"""The royalty report as one HTML page; pictures are inline SVG and nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment

from ledger import shown
from ledger.types import MILLION

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
NAMED: Final = 4
"""Artists in a headline; the others are summed."""
TICKS: Final = (5, 10, 15, 30, 60, 120, 300, 600)
"""Seconds between the marks of a time line: the first that gives ten or fewer."""

PAGE: Final = Path(__file__).with_name("report.html")


def seconds(ms: int) -> str:
    """Format minutes and seconds with tenths."""
    return f"{ms // 60_000}:{ms % 60_000 // 1000:02d}.{ms % 1000 // 100}"


def headline(report: Mapping[str, Any], name: str) -> str:
    """Summarise an aspect in a line: "30 % Ann, 10 % Bo, 60 % unattributed"; style by its groups."""
    aspect = next(candidate for candidate in report["aspects"] if candidate["aspect"] == name)
    parts = [(row["name"], row["ppm"]) for row in report["by_artist"] if row["aspect"] == name]
    if name == "style":
        parts = [(candidate["title"], candidate["ppm"]) for candidate in aspect["sources"]]
    named_parts, other_count = parts[:NAMED], max(0, len(parts) - NAMED) + (aspect["further"] if name == "style" else 0)
    if other_count:
        named = sum(ppm for _, ppm in named_parts)
        named_parts.append((shown.counted(other_count, "other"), MILLION - named - aspect["unattributed"]))
    named_parts.append(("unattributed", aspect["unattributed"]))
    shares = shown.whole_percents([ppm for _, ppm in named_parts])
    return ", ".join(f"{share} {who}" for share, (who, _) in zip(shares, named_parts, strict=True))


def colours(report: Mapping[str, Any]) -> dict[str, str]:
    """Return one colour per source, used throughout the report."""
    names = dict.fromkeys(source["id"] for aspect in report["aspects"] for source in aspect["sources"])
    return {name: HUES[position % len(HUES)] for position, name in enumerate(names)}


def table(report: Mapping[str, Any], whose: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return artists or holders, one row a name, with rounded shares.

    Each column adds up with the unattributed part.
    """
    rows = [row for row in report[whose] if row["aspect"] in columns]
    if not rows:
        return []
    remainder = [
        {"name": "", "title": "unattributed", "aspect": aspect["aspect"], "ppm": aspect["unattributed"]}
        for aspect in report["aspects"]
    ]
    joined: dict[str, dict[str, Any]] = {}
    for row in (*rows, *remainder):
        cells = {"name": row["name"], "title": row.get("title", row["name"])} | dict.fromkeys(columns, shown.NOTHING)
        joined.setdefault(row["name"], cells)
    for column in columns:
        parts = [row for row in (*rows, *remainder) if row["aspect"] == column]
        for row, share in zip(parts, shown.percents([row["ppm"] for row in parts]), strict=True):
            joined[row["name"]][column] = share
    return list(joined.values())


def stacked(aspect: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return (source, ppm) of a whole; the part of several small sources or of none has the id ""."""
    named = [(source["id"], source["ppm"]) for source in aspect["sources"]]
    return [*named, ("", aspect["further_ppm"]), ("", aspect["unattributed"])]


def shares(aspect: Mapping[str, Any]) -> list[str]:
    """Return the rounded shares of `stacked`: each source's, the smaller ones' sum, and the unattributed part."""
    return shown.percents([ppm for _, ppm in stacked(aspect)])


def between(one: Mapping[str, Any]) -> str:
    """Return a source's interval; a declared share has none."""
    return f"{shown.interval(one['low'], one['high'])} %" if one["basis"] == "estimated" else shown.NOTHING


def parts_of_bar(aspect: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """(source, ppm, label) of a bar."""
    parts = stacked(aspect)
    labels = shown.whole_percents([ppm for _, ppm in parts])
    return [(source, ppm, label) for (source, ppm), label in zip(parts, labels, strict=True)]


def bar(report: Mapping[str, Any], aspect: Mapping[str, Any]) -> str:
    """Draw shares side by side; the unattributed part is grey."""
    hues = colours(report)
    left, parts = 0.0, []
    for source, ppm, label in parts_of_bar(aspect):
        width = WIDTH * ppm / 1_000_000
        hue = hues.get(source, REST)
        parts.append(f'<rect x="{left:.1f}" y="0" width="{max(width - 1, 0):.1f}" height="22" fill="{hue}"/>')
        if width > 46:
            ink = "#222" if hue == REST else "#fff"
            parts.append(f'<text x="{left + 7:.1f}" y="15.5" font-size="12" fill="{ink}">{label}</text>')
        left += width
    return f'<svg viewBox="0 0 {WIDTH} 22" role="img" aria-label="shares of {aspect["aspect"]}">{"".join(parts)}</svg>'


def whisker(one: Mapping[str, Any], hue: str) -> str:
    """Draw a share as a bar, with its interval as a line across it."""
    share, low, high = (150 * one[name] / 1_000_000 for name in ("ppm", "low", "high"))
    return (
        '<svg width="152" height="14" viewBox="0 0 152 14" aria-hidden="true">'
        f'<rect width="150" height="8" y="3" fill="#f1f1ee"/><rect width="{share:.1f}" height="8" y="3" fill="{hue}"/>'
        f'<path d="M{low:.1f} 7H{high:.1f}M{low:.1f} 3.5V10.5M{high:.1f} 3.5V10.5" stroke="#222" fill="none"/></svg>'
    )


def timeline(report: Mapping[str, Any]) -> str:
    """Draw each matched source on its own line over the track's time: full colour for sound, half for tune."""
    hues = colours(report)
    names = list(
        dict.fromkeys(each["source"] for each in sorted(report["matches"], key=lambda each: each["track_ms"][0]))
    )
    length = max(1, report["length_ms"] or max(match["track_ms"][1] for match in report["matches"]))
    every = next((step for step in TICKS if length <= step * 10_000), TICKS[-1])
    height = 22 * len(names) + 20
    parts = []
    for second in range(0, length // 1000 + 1, every):
        x = WIDTH * second * 1000 / length
        anchor = ' text-anchor="middle"' if 0 < second < length / 1000 - 1 else ""
        parts.append(
            f'<path d="M{x:.1f} 0V{height - 16}" stroke="#e4e4e0"/>'
            f'<text x="{x:.1f}" y="{height - 4}" font-size="11" fill="#666"{anchor}>'
            f"{second // 60}:{second % 60:02d}</text>"
        )
    for match in report["matches"]:
        begin, end = (WIDTH * ms / length for ms in match["track_ms"])
        is_recording = match["aspect"] == "recording"
        position = f'x="{begin:.1f}" y="{22 * names.index(match["source"]) + (2 if is_recording else 12)}"'
        size = f'width="{max(end - begin, 2):.1f}" height="{9 if is_recording else 6}"'
        opacity = "" if is_recording else ' opacity="0.5"'
        parts.append(f'<rect {position} {size} rx="1.5" fill="{hues.get(match["source"], REST)}"{opacity}/>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="where each source is heard">{"".join(parts)}</svg>'
    )


def as_html(report: dict[str, Any]) -> str:
    """Return the page; every text in it is escaped."""
    from markupsafe import Markup

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(PAGE.read_text(encoding="utf-8"))
    hues = colours(report)
    return page.render(
        r=report,
        pct=shown.percent,
        shares=shares,
        between=between,
        nothing=shown.NOTHING,
        secs=seconds,
        rest=REST,
        hue=lambda source: hues.get(source, REST),
        table=lambda whose, columns: table(report, whose, columns),
        headline=lambda aspect: headline(report, aspect).replace(" %", "\u00a0%"),
        bar=lambda aspect: Markup(bar(report, aspect)),  # noqa: S704  numbers and fixed words only
        whisker=lambda one: Markup(whisker(one, hues.get(one["id"], REST))),  # noqa: S704  numbers only
        timeline=lambda: Markup(timeline(report)),  # noqa: S704  numbers only
    )
