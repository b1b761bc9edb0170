"""Help is whole: every command by whom it is for, no summary cut off, every parameter of every rule."""

from __future__ import annotations

import dataclasses
import os
from typing import Any
from unittest.mock import patch

import pytest
import typer.main

from cli.main import build
from cli.panels import PANELS, summary
from payouts.rules.catalogue import installed
from payouts.terms import PARAMS
from tests.cli.support import settle


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(build())
    return dict(group.commands)


def test_every_command_stands_in_one_panel() -> None:
    """If this fails, a new command is missing from `settle --help`, or stands there twice."""
    listed = [name for _, names in PANELS for name in names]
    assert sorted(listed) == sorted(commands())


def test_the_list_of_commands_is_told_in_full() -> None:
    """If this fails, a newcomer reads half a sentence, or is not told of --home and --json."""
    with patch.dict(os.environ, {"COLUMNS": "80"}):
        told = settle("--help").out
    lines = told.splitlines()
    assert not any(line.endswith(("...", "…")) for line in lines if not line.startswith("Usage"))
    assert told.index("Begin:") < told.index("Streaming platform") < told.index("Finance") < told.index("Auditor")
    assert sum(line.startswith(("  --home D", "  --json")) for line in lines) == 2
    for name, command in commands().items():
        assert len(summary(command, 64)) <= 64, f"{name}: {command.help}"


@pytest.mark.parametrize("command", ["run", "simulate"])
def test_help_says_what_a_rule_takes(command: str) -> None:
    """If this fails, finance must read the source to know what --param may hold."""
    told = settle(command, "--help").out
    for name, rule in installed().items():
        section = told.split(f"--param of {name}:")[1].split("--param of ")[0]
        for field in dataclasses.fields(rule):
            assert f"{field.name}=" in section
            assert field.metadata["doc"].split()[0] in section
    assert all(term in told for term in PARAMS)
