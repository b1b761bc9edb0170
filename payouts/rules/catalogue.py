"""Rules by name: whatever is installed under the entry point group `settle.rules`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from payouts.errors import RuleError
from payouts.rules.base import Rule

GROUP: Final = "settle.rules"


def installed() -> dict[str, type[Rule]]:
    """Return every installed rule by its registered name, sorted."""
    return {name: _load(name) for name in sorted(_points())}


def is_installed(name: str) -> bool:
    """Return whether a rule is registered under this name, without loading any."""
    return name in _points()


def make_rule(name: str, params: Mapping[str, str]) -> Rule:
    """Return the rule with its parameters; refuses an unknown name, listing those installed."""
    return _load(name).parse(params)


@cache
def _points() -> dict[str, EntryPoint]:
    """Return the entry points by name.

    They are read once: a scan of every installed package costs more than checking a bundle.
    """
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(name: str) -> type[Rule]:
    points = _points()
    if name not in points:
        raise RuleError(f"rule {name!r} is not installed: expected one of {', '.join(sorted(points))}")
    try:
        loaded = points[name].load()
    except (ImportError, AttributeError) as problem:
        raise RuleError(
            f"rule {name!r} ({points[name].value}) cannot be loaded: {problem}; reinstall its package"
        ) from problem
    if not (isinstance(loaded, type) and issubclass(loaded, Rule) and loaded.name == name):
        raise RuleError(f"rule {name!r} ({points[name].value}) is not a Rule of that name: see docs/rules.md")
    return loaded
