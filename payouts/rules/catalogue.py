"""Rules by name: whatever is installed under the entry point group `settle.rules`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Final

from payouts.errors import RuleError
from payouts.rules.base import Rule

GROUP: Final = "settle.rules"


def installed() -> dict[str, type[Rule]]:
    """Every installed rule by the name it is registered under, in order of name."""
    return {name: _load(name) for name in sorted(entry_points(group=GROUP).names)}


def make_rule(name: str, params: Mapping[str, str]) -> Rule:
    """The rule with its parameters; refuses an unknown name, listing those installed."""
    return _load(name).parse(params)


def _load(name: str) -> type[Rule]:
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise RuleError(f"rule {name!r} is not installed: expected one of {', '.join(sorted(found))}")
    try:
        loaded = found[name].load()
    except (ImportError, AttributeError) as problem:
        raise RuleError(
            f"rule {name!r} ({found[name].value}) cannot be loaded: {problem}; reinstall its package"
        ) from problem
    if not (isinstance(loaded, type) and issubclass(loaded, Rule) and loaded.name == name):
        raise RuleError(f"rule {name!r} ({found[name].value}) is not a Rule of that name: see docs/rules.md")
    return loaded
