"""Divide each listener's money over the tracks that this listener played.

The grouping is (platform, listener); the quantum is one millionth of the pool's unit of weight, each
listener's quanta divided by largest remainder so that none is lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from payouts.allocate import divide
from payouts.protocols import UsageRow
from payouts.usage.intake import row_key

QUANTUM: Final = 1_000_000

Listener = tuple[str, str | None]
"""A platform and its salted listener; None stands for everyone the platform did not name."""


def by_listener(rows: Sequence[UsageRow]) -> dict[Listener, list[int]]:
    """Return the positions of each listener's rows."""
    out: dict[Listener, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        out[row.source, row.listener].append(position)
    return out


def divide_money(
    rows: Sequence[UsageRow],
    listeners: Mapping[Listener, Sequence[int]],
    money: Mapping[Listener, int],
    per_row: Sequence[int],
) -> list[int]:
    """Divide each listener's money over that listener's rows in proportion to `per_row`, or equally if that is zero."""
    out = [0] * len(rows)
    for listener, positions in listeners.items():
        names = {"\0".join(row_key(rows[position])): position for position in positions}
        weights = {name: per_row[position] for name, position in names.items()}
        if not any(weights.values()):
            weights = dict.fromkeys(names, 1)
        salt = "\0".join((listener[0], listener[1] or "")).encode()
        for name, part in divide(money[listener], weights, salt=salt).items():
            out[names[name]] = part
    return out
