"""Run the commands a document shows, in the order it shows them.

In a ```console block, lines that begin with `$ ` are commands; `# exit N` at the end of one says which
exit code the reader should see. Lines below a command are what it prints, in this order; `...` stands for
anything, also for whole lines. In a ```file:NAME block the text is written to NAME first, so that a document
carries the inputs it needs. Of `make` targets, `make demo` is played with fewer streams, so that what is
shown below it must come true but for its numbers; the others are left to continuous integration.
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
NUMBER = re.compile(r"\d[\d,.]*")
DEMO: Final = "settle demo --dir settle-demo --events 5000"
"""`make demo`, for a test."""


@dataclass(frozen=True, slots=True)
class Step:
    """A file to write, or a command to run with the exit code the document promises."""

    name: str | None
    text: str
    code: int = 0
    shown: str = ""
    """What the document says the command prints."""
    exact: bool = True
    """Whether its numbers are these."""


def steps(document: str) -> Iterator[Step]:
    """Every file and command of a document, in reading order; a trailing backslash joins lines."""
    for block in FENCE.finditer(document):
        if block["name"]:
            yield Step(block["name"], block["body"])
            continue
        for shown in re.split(r"(?m)^\$ ", block["body"].replace("\\\n", " "))[1:]:
            line, _, printed = shown.partition("\n")
            promised = EXIT.search(line)
            command, code = EXIT.sub("", line), int(promised["code"]) if promised else 0
            if command == "make demo":
                yield Step(None, DEMO, code, printed, exact=False)
            elif not command.startswith("make"):
                yield Step(None, command, code, printed)


def comes_true(step: Step, told: str) -> bool:
    """Whether what a command told holds what the document shows, give or take spaces at the ends of lines."""
    pattern = []
    for line in step.shown.strip().splitlines():
        words = r"[ ]+".join(map(re.escape, line.split()))
        words = words.replace(re.escape("..."), ".*" if line.strip() == "..." else r"[^\n]*")
        pattern.append(words if step.exact else NUMBER.sub(r"[\\d,.]+", words.replace(r"\.", ".")))
    return re.search(r"[ ]*\n[ ]*".join(pattern), told, re.DOTALL) is not None


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
        assert comes_true(step, told), (
            f"{document.name}: {shlex.quote(step.text)} shows\n{step.shown}and printed\n{told}"
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
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr
