"""Mutation testing leaves no module out in silence."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

from tests.support import ROOT


def test_every_module_is_mutated_or_left_out_with_its_reason() -> None:
    """If this fails, a new module is not mutated, and docs/mutation.md does not say why."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]["only_mutate"]
    section = (ROOT / "docs" / "mutation.md").read_text().partition("## What is left out\n")[2].partition("\n## ")[0]
    modules = [
        path.relative_to(ROOT)
        for package in ("ledger", "payouts", "attribution")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    mutated = {path for path in modules if any(fnmatch(str(path), pattern) for pattern in listed)}
    left_out = {path for path in modules if _named(path, section)}
    assert mutated | left_out == set(modules)
    assert not mutated & left_out


def _named(path: Path, section: str) -> bool:
    return any(f"`{name}`" in section for name in (path, *(f"{parent}/" for parent in path.parents)))
