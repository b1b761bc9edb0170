"""A bank's answer on its way into a workspace: written to a file and read by the command, twice."""

from __future__ import annotations

from typing import Any, Protocol


class Terminal(Protocol):
    """Something that runs `settle` and writes files."""

    def __call__(self, *words: Any, code: int = 0) -> Any: ...

    def file(self, name: str, text: str | bytes) -> Any: ...


def read_answer(terminal: Terminal, answer: bytes) -> Any:
    """What reading came to; the second reading of the same file records nothing."""
    path = terminal.file("answer.xml", answer)
    done = terminal("payments", "read", path)
    again = terminal("payments", "read", path)
    assert (again["settled"], again["proposals"]) == (0, [])
    return done
