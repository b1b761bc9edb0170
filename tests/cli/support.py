"""Run `settle` in-process, as a person would: a command line in, exit code, stdout and stderr out."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.main import run


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def settle(*words: str | Path, home: Path | None = None) -> Answer:
    """One command; never raises for a failing one."""
    argv = [str(word) for word in words]
    if home is not None:
        argv = ["--home", str(home), *argv]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(argv)
    return Answer(code, out.getvalue(), err.getvalue())


def settle_json(*words: str | Path, home: Path | None = None, code: int = 0) -> Any:
    """One command with `--json` that must leave with this exit code; its document."""
    answer = settle("--json", *words, home=home)
    assert answer.code == code, f"settle {' '.join(map(str, words))}: exit {answer.code}\n{answer.out}{answer.err}"
    return answer.json
