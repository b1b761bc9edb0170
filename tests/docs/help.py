"""`docs/cli.md`: every setting, and the help text of every command, as `settle ... --help` prints it.

`make docs` writes it anew; a test compares.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final
from unittest.mock import patch

import typer.main

from cli.main import build
from service.config import SETTINGS, Setting
from tests.cli.support import settle
from tests.support import ROOT

PAGE: Final = ROOT / "docs" / "cli.md"
INTRODUCTION: Final = """# The command line

The settings, and the help of every command, word by word as `settle ... --help` prints it; `make docs` writes this
page and a test compares it.

For every command: `--json` prints one JSON document on stdout, with any exit code; progress and messages go to
stderr. `--home D` names the workspace; without it `SETTLE_HOME` does, and without that the nearest `settle.toml` in
this folder or above it. Exit codes: 0 done, 1 a bug, 2 usage, 3 verification failed or a rollback, 4 the current state
does not allow it, 5 conflict (good rows are kept), 6 a transient failure of a disk, a database or a network.

## Settings

A flag overrides the environment, the environment overrides `settle.toml`, and `settle.toml` overrides the default;
`settle config show` shows the origin of each value. In `settle.toml` the part before the dot is a table:
`[payouts]`, then `minimum_micros = 20000000`.

| setting | in the environment | default | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    with patch.dict(os.environ, {"COLUMNS": "80"}):
        every = [(), *commands(typer.main.get_command(build()), ())]
        return INTRODUCTION + "".join(map(_row, SETTINGS)) + "".join(_section(*words) for words in every)


def _row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default != "" else ""
    return f"| `{setting.name}` | `{setting.variable}` | {default} | {setting.help} |\n"


def _section(*words: str) -> str:
    return f"\n{'###' if len(words) > 1 else '##'} {' '.join(('settle', *words))}\n\n```text\n{_told(*words)}```\n"


def commands(group: Any, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every group and command below a group, in alphabetical order."""
    for name, command in sorted(group.commands.items()):
        yield (*above, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*above, name))


def _told(*words: str) -> str:
    answer = settle(*words, "--help")
    assert answer.code == 0, words
    return answer.out


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
