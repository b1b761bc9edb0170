"""Plain JSON values as text for a terminal: fields in two columns, lists of records as tables."""

from __future__ import annotations

import re
from typing import Any, Final

from ledger.shown import NOTHING, exact_percent, money

_FIGURE: Final = re.compile(r"-?\d[\d,]*(\.\d+)?( [A-Z]{3}| %)?\Z", re.ASCII)
"""A number, an amount or a percentage, as cells show them."""


def as_text(value: Any) -> str:
    """Return readable text of any JSON value, with money and shares as people write them."""
    return _as_text(_readable(value, ""))


def _readable(value: Any, currency: str) -> Any:
    """Return `pool_micros` as `pool` in its currency, `cap_ppm` as `cap` in percent, without rounding."""
    if isinstance(value, list):
        return [_readable(item, currency) for item in value]
    if not isinstance(value, dict):
        return value
    own_currency = value.get("currency") or currency
    out: dict[str, Any] = {}
    for name, item in value.items():
        stem, unit = _unit(name)
        if unit and (item is None or type(item) is int or (type(item) is str and item.lstrip("-").isdecimal())):
            shown = (
                item
                if item is None
                else money(int(item), own_currency)
                if unit == "micros"
                else exact_percent(int(item))
            )
            out[f"{stem} amount" if stem in value else stem] = shown
        else:
            out[name] = _readable(item, own_currency)
    return out


def _unit(name: str) -> tuple[str, str]:
    """Return a field's name without its unit, and the unit if it is micros or ppm."""
    alone = {"micros": "amount", "ppm": "share"}
    if name in alone:
        return alone[name], name
    stem, _, unit = name.rpartition("_")
    return (stem, unit) if stem and unit in alone else (name, "")


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return fields(value)
    if isinstance(value, list):
        return table(value) if value and all(isinstance(row, dict) for row in value) else "\n".join(map(cell, value))
    return cell(value)


def fields(record: dict[str, Any]) -> str:
    """Return one field per line, names aligned; nested lists of records follow as tables."""
    flat = {name: value for name, value in record.items() if not _is_nested(value)}
    width = max((len(name) for name in flat), default=0)
    lines = [f"{name:<{width}}  {cell(value)}" for name, value in flat.items()]
    for name, value in record.items():
        if _is_nested(value):
            body = _as_text(value)
            lines.append(f"{name}:" + (f"\n{indented(body)}" if body else " none"))
    return "\n".join(lines)


def indented(text: str) -> str:
    """Return the lines indented under a heading."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def table(rows: list[dict[str, Any]]) -> str:
    """Return records as columns: numbers to the right, text to the left, headers from the field names."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    body = [[cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in body)) for i, name in enumerate(names)]
    numeric = [
        all(text == NOTHING or _FIGURE.match(text) for text in (line[i] for line in body)) for i in range(len(names))
    ]

    def line(cells: list[str]) -> str:
        padded = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(names), line(["-" * width for width in widths]), *map(line, body)])


def cell(value: Any) -> str:
    """Return one value in one line: a dash for a missing value, `none` or similar for an empty one."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(cell, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name}={cell(item)}" for name, item in value.items())
    return str(value)


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(row, dict) for row in value))
