"""Everybody's statement of a month in one pass, and one holder's of a month of signed events: `make bench-statements`.

SETTLE_BENCH_HOLDERS and SETTLE_BENCH_EVENTS make it smaller. Each measurement runs in a process of its own, so that its
peak memory is its own; the limit is on CPU seconds, which other work on the machine does not stretch.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.statements.statements import state, state_all
from service.workspace import Workspace
from tests.bench.signed_months import PERIOD, made, party

pytestmark = [pytest.mark.bench, pytest.mark.timeout(14_400)]

HOLDERS = int(os.environ.get("SETTLE_BENCH_HOLDERS", "1000000"))
EVENTS = int(os.environ.get("SETTLE_BENCH_EVENTS", "10000000"))
ONE_STATEMENT_MAX = 2.0


def in_child(work: Callable[..., Any], *arguments: Any) -> None:
    """Work done in a fresh process, with what it printed and whether it failed."""
    child = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    child.start()
    child.join()
    assert child.exitcode == 0


class Clocks:
    """CPU and wall seconds since it was made, and the process's peak memory."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    @property
    def cpu(self) -> float:
        return time.process_time() - self._cpu

    def __str__(self) -> str:
        wall = time.perf_counter() - self._wall
        return f"{self.cpu:.1f} s CPU, {wall:.1f} s wall, peak {peak_mib():,} MiB"


def peak_mib() -> int:
    """Of this process alone; getrusage would count what its parent held when it was forked."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024


def all_statements(home: Path) -> None:
    clocks = Clocks()
    lines = statements = 0
    for statement in state_all(Workspace.open(home), PERIOD):
        statements += 1
        lines += sum(len(pool.earnings) for pool in statement.pools)
    print(f"{statements:,} statements, {lines:,} lines: {clocks}", flush=True)


def one_statement(home: Path, number: int, limit: float) -> None:
    clocks = Clocks()
    (pool,) = state(Workspace.open(home), party(number), PERIOD).pools
    print(f"{pool.plays:,} of the month's plays, {len(pool.earnings)} lines: {clocks}", flush=True)
    assert pool.earnings
    assert clocks.cpu <= limit


def test_everybodys_statement_in_one_pass(tmp_path: Path) -> None:
    """If this fails, a month of a million holders cannot be stated in one pass over its data."""
    home = made(tmp_path / "home", holders=HOLDERS, tracks=max(1_000, HOLDERS // 100), sources=10, events=HOLDERS)
    for what in ("the first time, which takes the run apart", "again"):
        print(f"everybody's, {what}:")
        in_child(all_statements, home)


def test_one_statement_of_a_month_of_signed_events(tmp_path: Path) -> None:
    """If this fails, a holder waits longer than two seconds for a statement of a month with many signed events."""
    home = made(tmp_path / "home", holders=5_000, tracks=min(20_000, EVENTS // 100), sources=10, events=EVENTS)
    print("one holder's, the first of the run, which takes it apart:")
    in_child(one_statement, home, 7, float("inf"))
    print("one holder's, any after that:")
    in_child(one_statement, home, 8, ONE_STATEMENT_MAX)
