"""Run the commands a document shows, in the order it shows them.

In a ```console block, lines that begin with `$ ` are commands; `# exit N` at the end of one says which
exit code the reader should see. In a ```file:NAME block the text is written to NAME first, so that a
document carries the inputs it needs. `make` targets are left to continuous integration.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

from tests.cli.support import settle

FENCE = re.compile(r"^```(console|file:(?P<name>\S+))\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\s+# exit (?P<code>\d+)$")


@dataclass(frozen=True, slots=True)
class Step:
    """A file to write, or a command to run with the exit code the document promises."""

    name: str | None
    text: str
    code: int = 0


def steps(document: str) -> Iterator[Step]:
    """Every file and command of a document, in reading order; a trailing backslash joins lines."""
    for block in FENCE.finditer(document):
        if block["name"]:
            yield Step(block["name"], block["body"])
            continue
        for line in block["body"].replace("\\\n", " ").splitlines():
            if line.startswith("$ ") and not line.startswith("$ make"):
                promised = EXIT.search(line)
                yield Step(None, EXIT.sub("", line[2:]), int(promised["code"]) if promised else 0)


SHELL: Final = set("$`|<>;&*?~(){}!#")
"""Characters that leave a command to a real shell."""


def play(document: Path, folder: Path, environment: dict[str, str]) -> list[str]:
    """Run a document in a folder; the commands run. A surprise is an AssertionError that quotes the command.

    A plain `settle` command runs in this process, through the same entry as the installed one; what needs a
    shell gets one.
    """
    path = f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"
    ran = []
    for step in steps(document.read_text(encoding="utf-8")):
        if step.name is not None:
            (folder / step.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.name).write_text(step.text, encoding="utf-8")
            continue
        code, told = _run(step.text, folder, environment | {"PATH": path})
        assert code == step.code, (
            f"{document.name}: {shlex.quote(step.text)} left with {code}, the document promises {step.code}\n{told}"
        )
        ran.append(step.text)
    return ran


def _run(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and everything printed."""
    if command.startswith("settle ") and not SHELL & set(command):
        with contextlib.chdir(folder), patch.dict(os.environ, environment, clear=True):
            answer = settle(*shlex.split(command)[1:])
        return answer.code, answer.out + answer.err
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return result.returncode, result.stdout + result.stderr
