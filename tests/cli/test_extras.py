"""A library that is not installed is something to put right, not a bug."""

from __future__ import annotations

import ast
import sys
import tomllib

import pytest

from cli import shell
from cli.extras import EXTRAS, explained
from ledger.errors import StateError
from tests.arch.test_tidy import PACKAGES, sources
from tests.support import ROOT

CORE = {"cryptography", "msgspec", "sqlmodel", "typer", "sqlalchemy", "pydantic", "rich"}
"""The light core: what `dependencies` in pyproject.toml names, and what sqlmodel and typer are made of."""


def test_every_library_of_an_extra_is_known() -> None:
    """If this fails, a user without an extra gets a traceback where the name of the extra would do."""
    imported = {
        name.partition(".")[0]
        for path in sources(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    foreign = imported - set(sys.stdlib_module_names) - set(PACKAGES) - CORE
    assert foreign <= EXTRAS.keys(), f"say in cli/extras.py which extra brings {sorted(foreign - EXTRAS.keys())}"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) <= extras.keys()


def test_a_missing_library_names_its_extra(capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails, a missing extra looks like a bug of ours, or a bug of ours like a missing extra."""
    missing = explained(ModuleNotFoundError("No module named 'web3'", name="web3.types"))
    assert isinstance(missing, StateError)
    assert shell.fail(missing) == 4
    assert "settle-engine[chain]" in capsys.readouterr().err
    ours = ModuleNotFoundError("No module named 'ledger.nothing'", name="ledger.nothing")
    assert explained(ours) is ours
