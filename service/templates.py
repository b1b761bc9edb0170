"""Examples of the files that Settle reads; each works unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ledger.errors import ConflictError, InputError
from ledger.registry import exporting
from ledger.registry.rows import LISTS

_EVENT: Final = {
    "source": "acme",
    "event_id": "e-000001",
    "track": "trk-1",
    "occurred_at": "2026-06-03T11:05:00Z",
    "territory": "SE",
    "product": "premium",
    "units": 1,
    "gross_micros": 4200,
    "currency": "EUR",
    "listener": "u-77",
}
_DECLARED: Final = {
    "track": "trk-1",
    "sources": [{"recording": "rec-1", "aspect": "recording", "ppm": 600_000, "use": "condition"}],
}


_RULE: Final = '''"""A payout rule of your own. Its package's pyproject.toml says:

[project.entry-points."settle.rules"]
winner-takes-most = "winner_takes_most:WinnerTakesMost"
"""

from dataclasses import dataclass
from typing import ClassVar

from payouts.rules.base import WHOLE, Masses, Rule, Split, parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class WinnerTakesMost(Rule):
    """`winner` ppm of what is attributed goes to the strongest group; the others share the rest as they stand."""

    name: ClassVar[str] = "winner-takes-most"
    version: ClassVar[str] = "1"

    winner: int = parameter(default=800_000, high=1_000_000, doc="ppm of the attributed part that the strongest gets")

    def kernel(self, masses: Masses) -> Split:
        total, first = sum(masses), max(masses, default=0)
        others = total - first
        if not others or masses.count(first) > 1:
            return Split(masses, WHOLE)
        rest = 1_000_000 - self.winner
        return Split(
            tuple(total * (self.winner * others if mass == first else rest * mass) for mass in masses),
            1_000_000 * others * WHOLE,
        )
'''


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _events_csv() -> str:
    return ",".join(_EVENT) + "\n" + ",".join(map(str, _EVENT.values())) + "\n"


def _list_csv(name: str) -> Callable[[], str]:
    return lambda: exporting.csv_text(name, exporting.EXAMPLE[name])


TEMPLATES: Final[Mapping[str, tuple[str, Callable[[], str]]]] = {
    "registry": ("a whole registry, for `settle registry import`", lambda: _pretty(exporting.EXAMPLE)),
    **{
        f"{name}.csv": ((row.__doc__ or "").splitlines()[0].rstrip("."), _list_csv(name)) for name, row in LISTS.items()
    },
    "events": ("stream events, one JSON object a line, for `settle ingest`", lambda: json.dumps(_EVENT) + "\n"),
    "events.csv": ("the same as CSV", _events_csv),
    "rule.py": ("a payout rule of your own; docs/rules.md says what it promises", lambda: _RULE),
    "declared": ("a declared vector, for `settle attribute --declared`", lambda: _pretty(_DECLARED)),
}
"""Name -> (what it is for, its text)."""


def listed() -> list[dict[str, str]]:
    """Return every template with its purpose."""
    return [{"name": name, "what": what} for name, (what, _) in TEMPLATES.items()]


def template(name: str) -> str:
    """Return the text of a template."""
    if name not in TEMPLATES:
        raise InputError(f"template {name!r}: expected one of {', '.join(TEMPLATES)}")
    return TEMPLATES[name][1]()


def write(path: Path, text: str) -> None:
    """Write a template to a new file; an existing file is never overwritten."""
    if path.exists():
        raise ConflictError(f"{path} exists already; choose another name")
    path.write_text(text, encoding="utf-8")
