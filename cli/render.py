"""Plain JSON values as text for a terminal: fields in two columns, lists of records as tables."""

from __future__ import annotations

from typing import Any


def as_text(value: Any) -> str:
    """Readable text of any JSON value; what the `--json` form would say, without the punctuation."""
    if isinstance(value, dict):
        return fields(value)
    if isinstance(value, list):
        return table(value) if value and all(isinstance(row, dict) for row in value) else "\n".join(map(cell, value))
    return cell(value)


def fields(record: dict[str, Any]) -> str:
    """One field a line, names aligned; nested lists of records follow as tables of their own."""
    flat = {name: value for name, value in record.items() if not _is_nested(value)}
    width = max((len(name) for name in flat), default=0)
    lines = [f"{name:<{width}}  {cell(value)}" for name, value in flat.items()]
    for name, value in record.items():
        if _is_nested(value):
            body = as_text(value)
            lines.append(f"{name}:" + (f"\n{indented(body)}" if body else " none"))
    return "\n".join(lines)


def indented(text: str) -> str:
    """Under a heading."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def table(rows: list[dict[str, Any]]) -> str:
    """Records as columns: numbers to the right, text to the left, a header in the fields' own words."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    body = [[cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in body)) for i, name in enumerate(names)]
    numeric = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in names]

    def line(cells: list[str]) -> str:
        padded = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(names), line(["-" * width for width in widths]), *map(line, body)])


def cell(value: Any) -> str:
    """One value in one line; nothing is shown as an empty cell but None."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={cell(item)}" for name, item in value.items())
    return str(value)


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(row, dict) for row in value))


def money(micros: int, currency: str = "") -> str:
    """Micro-units as a decimal amount with all six places: nothing is rounded for display."""
    sign, magnitude = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}{magnitude // 1_000_000:,}.{magnitude % 1_000_000:06d}{' ' + currency if currency else ''}"


def percent(ppm: int) -> str:
    """Parts per million as a percentage with four places, exactly."""
    return f"{ppm // 10_000}.{ppm % 10_000:04d} %"
