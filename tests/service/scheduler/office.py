"""A month with something to do for every job that works on the log alone, and a process that dies in the middle of one.

`python -m tests.service.scheduler.office HOME JOB before|after` claims the job, and is gone before or after its work;
with `asleep` it stops where it has decided what to write and has not written it, and goes on when it is woken.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ledger.log.append import Appended, Log
from ledger.proofs import leaf
from service.scheduler.jobs import Did, Job, job_named
from service.scheduler.work import JobOutcome, do
from service.settlement import holds
from service.workspace import Workspace
from tests.postgres import database, server_url
from tests.service.month import Month, month

NOW = datetime(2026, 7, 3, 9, 40, tzinfo=UTC)
JOBS = ("seal", "segments", "close", "holds")
LEAVES = frozenset({"seal", "close", "expire"})
"""What these jobs write once; segments are counted by what they hold, since a close seals some too."""


@contextmanager
def office(kind: str, folder: Path) -> Iterator[Month]:
    """A closed July morning: June to close, events to seal, a hold that has just ended."""
    if kind == "postgres":
        with database(server_url()) as url, patch.dict(os.environ, {"SETTLE_STORE": url}):
            made = _office(folder)
            yield made
            made.ws.log.close()
        return
    yield _office(folder)


@contextmanager
def elsewhere(june: Month) -> Iterator[Workspace]:
    """The workspace as another process has it, for as long as it is needed."""
    ws = june.reopened()
    try:
        yield ws
    finally:
        ws.log.close()


def turn(june: Month, job: Job, holder: str) -> JobOutcome:
    """What becomes of a job when this scheduler wakes now."""
    with elsewhere(june) as ws:
        return do(ws, job, holder=holder)


def _office(folder: Path) -> Month:
    made = month(folder / "home")
    holds.open_hold(made.ws, scope="party", subject="bob", reason="fraud", until=datetime(2026, 7, 3, 9, 0, tzinfo=UTC))
    made.now = NOW
    return made


def count(log: Log) -> Counter[str]:
    """Leaves by type; of seals only those that no close brought along."""
    bodies = [leaf.decode(entry.body) for entry in log.entries(types=LEAVES)]
    found = Counter(str(body["type"]) for body in bodies)
    found["seal"] -= found["close"]
    return found


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(home: str, name: str, when: str) -> None:
    job = job_named(name)

    def work(ws: Workspace, turn: datetime) -> Did:
        if when == "asleep":
            with patch.object(Log, "commit", _sleeping()):
                return job.work(ws, turn)
        if when == "after":
            job.work(ws, turn)
        _die()
        raise AssertionError("unreachable")

    ws = Workspace.open(Path(home), clock=lambda: NOW)
    do(ws, replace(job, work=work), holder="mortal")


def _sleeping() -> Callable[..., Appended]:
    """`Log.commit`, before which this process stops once."""
    commit = Log.commit
    slept: list[bool] = []

    def sleeping(log: Log, *given: Any) -> Appended:
        if not slept:
            slept.append(True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return commit(log, *given)

    return sleeping


if __name__ == "__main__":
    main(*sys.argv[1:])
