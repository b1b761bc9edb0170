"""One step of the demo: say it, do it, check it.

Each step is a command line, or a request to the server, that the reader can repeat in the demo's folder. What runs
commands and what starts the server are passed in, so the story knows nothing of terminals and processes. A step whose
exit code or figures are not what they must be ends the demo with an error: a total off by one micro-unit, a proof that
fails, a forgery that is accepted.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger.errors import VerificationError

Run = Callable[[Sequence[str]], tuple[int, Any]]
"""Run one `settle` command; return its exit code and its JSON answer."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to the server."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Request = Callable[[Sent], tuple[int, Any]]
"""Send a request to a running server; return status and answer: JSON, or else text."""

Serve = Callable[[Path], AbstractContextManager[Request]]
"""Run `settle serve` over a workspace for a while."""

PARTS: Final = ("allocated_micros", "unattributed_micros", "held_micros", "suspense_micros", "reserve_micros")
"""The five parts of a pool."""


@dataclass(slots=True)
class Story:
    """The demo as far as it is played, and the figures that the closing tables need."""

    home: Path
    run: Run
    serve: Serve
    say: Callable[[str], None]
    events: int
    facts: dict[str, Any] = field(default_factory=dict)

    def step(self, why: str, *words: str, code: int = 0) -> Any:
        """Say why, show the command, run it; return its answer."""
        self.say(f"\n{why}\n  $ settle {shlex.join(words)}")
        exit_code, answer = self.run(["--home", str(self.home), *words])
        if exit_code != code:
            raise VerificationError(f"demo: settle {' '.join(words)} left with {exit_code}, expected {code}: {answer}")
        return answer

    def ask(self, why: str, request: Request, sent: Sent, *, status: int = 200) -> Any:
        """Say why, show the request, send it; return its answer."""
        self.say(f"\n{why}\n  > {sent.method} {sent.path}")
        got, answer = request(sent)
        if got != status:
            raise VerificationError(
                f"demo: {sent.method} {sent.path} was answered with {got}, expected {status}: {answer}"
            )
        return answer

    def found(self, what: str) -> None:
        """Say what a step came to, in a line."""
        self.say(f"  {what}")

    def refused(self, attempt: str, reason: str) -> None:
        """Say that a forgery was refused and why; the closing table lists it."""
        self.found(f"REFUSED: {reason}")
        self.facts.setdefault("forgeries", []).append({"attempt": attempt, "refused_because": reason})

    def must(self, name: str, seen: Any, expected: Any) -> None:
        """End the demo where a figure is not what it must be."""
        if seen != expected:
            raise VerificationError(f"demo: {name} is {seen!r}, expected {expected!r}")
