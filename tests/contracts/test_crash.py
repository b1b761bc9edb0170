"""Killed at every step, then carried on: exactly one effect on the chain, whatever was lost.

The child process is forked from a desk that is set up, counts the boundaries it crosses (each question to
the node and each transaction of the store, before and after) and kills itself with SIGKILL at one of
them. The embedded chain is on disk, so it survives as a real node would.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contracts import pushing, settling
from contracts.node import Node
from contracts.store import ChainStore
from tests.contracts.desk import Desk, Wrapped, run

Work = Callable[[Desk], Any]


class Boundaries:
    """Counts crossings; at the chosen one the process dies."""

    def __init__(self, fatal: int) -> None:
        self.crossed, self.fatal = 0, fatal

    def cross(self) -> None:
        if self.crossed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.crossed += 1

    @contextmanager
    def around(self) -> Iterator[None]:
        self.cross()
        yield
        self.cross()


class Mortal(Wrapped):
    """A node whose asker may die before a sending, or after it without having heard the answer."""

    boundaries: Boundaries

    def send(self, raw: bytes) -> str:
        with self.boundaries.around():
            return self.node.send(raw)

    def receipt(self, transaction: str) -> Any:
        with self.boundaries.around():
            return self.node.receipt(transaction)

    def nonce(self, address: str, at: Any) -> int:
        with self.boundaries.around():
            return self.node.nonce(address, at)


class MortalStore(ChainStore):
    """A store whose owner may die before, inside and after a transaction."""

    boundaries: Boundaries

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        outermost = not self.connection.in_transaction
        if outermost:
            self.boundaries.cross()
        with super().transaction() as db:
            yield db
            if outermost:
                self.boundaries.cross()
        if outermost:
            self.boundaries.cross()


def child(home: Path, work: Work, fatal: int) -> int:
    """Do the work in a process that dies at this boundary; its exit status."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 1
    try:
        boundaries = Boundaries(fatal)

        def wrap(node: Node) -> Node:
            mortal = Mortal(node)
            mortal.boundaries = boundaries
            return mortal

        desk = Desk(home, wrap=wrap)
        desk.store.__class__ = MortalStore
        desk.store.boundaries = boundaries  # type: ignore[attr-defined]
        work(desk)
        code = 0
    finally:
        os._exit(code)


def settle(desk: Desk) -> None:
    assert settling.settle(desk.client, run()).state == "final"


def push(desk: Desk) -> None:
    settle(desk)
    assert pushing.push(desk.client, desk.pool).open == 0


@pytest.mark.parametrize("work", [settle, pytest.param(push, marks=pytest.mark.slow)], ids=["post", "post and claim"])
def test_killed_anywhere_it_happens_exactly_once(home: Path, tmp_path: Path, work: Work) -> None:
    """If this fails, a crash at some step pays twice, never pays, or blocks every later payment."""
    import shutil

    deaths = 0
    for fatal in range(500):
        copy = tmp_path / f"crash-{fatal}"
        shutil.copytree(home, copy)
        status = child(copy, work, fatal)
        desk = Desk(copy)
        work(desk)
        assert desk.postings() == 1, fatal
        assert desk.paid() == (4_000_006 if work is push else 0), fatal
        posts = [intent for intent in desk.client.outbox.intents() if intent.kind == "post"]
        assert [intent.state for intent in posts] == ["final"], fatal
        nonces = [intent.nonce for intent in desk.client.outbox.intents()]
        assert nonces == list(range(len(nonces))), fatal
        assert desk.node.nonce(desk.client.sender, "latest") == len(nonces), fatal
        desk.close()
        shutil.rmtree(copy)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        deaths += 1
    assert deaths >= 12
