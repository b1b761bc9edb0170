"""`settle scheduler`: a process that runs jobs at their times until it is stopped.

APScheduler decides when to wake; the claim decides whether to do anything. Each turn opens the workspace again, so that
changed keys and policies apply.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ledger.errors import SettleError, StateError
from ledger.types import format_time
from service.scheduler.jobs import JOBS, Job
from service.scheduler.schedule import Schedule
from service.scheduler.work import do, schedule_of
from service.workspace import Workspace

if TYPE_CHECKING:
    from service.scheduler.work import JobOutcome

Say = Callable[[str], None]


def holder_name() -> str:
    """Return a name of this process for claims, unique also across containers."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


def planned(ws: Workspace) -> dict[Job, Schedule]:
    """Return every job that is not off; a bad schedule or a key that cannot be opened is an error at the start."""
    schedules = {job: schedule for job in JOBS if (schedule := schedule_of(ws, job)) is not None}
    if not schedules:
        raise StateError("every job is off; set one under [scheduler] in settle.toml")
    for role in sorted({role for job in schedules for role in job.keys}):
        ws.signer(role)
    ws.log.head()
    return schedules


def serve(ws: Workspace, jobs: dict[Job, Schedule], *, holder: str, say: Say) -> None:
    """Run every job at its times until SIGTERM or SIGINT; running jobs are finished first."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler: Any = BackgroundScheduler(
        timezone=UTC,
        executors={"default": ThreadPoolExecutor(len(jobs))},  # a thread each: one that hangs stops no other
        job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
    )
    for job, schedule in jobs.items():
        scheduler.add_job(
            take_turn,
            schedule.trigger,
            (ws, job, schedule, holder, say),
            id=job.name,
            next_run_time=ws.clock(),  # at once: a turn that came while no scheduler ran is made up for
        )
    reader, writer = os.pipe()
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in former:
        signal.signal(number, lambda *_: os.write(writer, b"."))
    scheduler.start()
    try:
        os.read(reader, 1)
        say("stopping: what is being done is finished first; a second signal ends at once")
    finally:
        for number in former:
            signal.signal(number, signal.SIG_DFL)
        scheduler.shutdown(wait=True)
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def take_turn(parent: Workspace, job: Job, schedule: Schedule, holder: str, say: Say) -> None:
    """Run the due jobs once. A failure is reported and recorded, and does not stop the other jobs."""
    ws = Workspace.open(parent.home, clock=parent.clock)
    ws.passphrase = parent.passphrase
    try:
        say(line(do(ws, job, holder=holder)))
    except SettleError as problem:
        say(f"{job.name}: failed: {problem}; next try {shown(schedule.next(ws.clock()))}")
    except Exception as bug:  # noqa: BLE001  a job's bug must not end the scheduler
        say(f"{job.name}: failed: internal error: {bug!r}; next try {shown(schedule.next(ws.clock()))}")
        say(traceback.format_exc())
    finally:
        ws.reopen()


def line(outcome: JobOutcome) -> str:
    """Format an outcome in one line."""
    who = f" by {outcome.holder}" if outcome.already else ""
    word = {"nothing": "nothing to do", "running": "being done"}.get(outcome.state, outcome.state)
    return f"{outcome.job} {outcome.turn}: {word}{who}" + (f": {outcome.detail}" if outcome.detail else "")


def shown(moment: datetime | None) -> str:
    """Format the time of a job's next turn."""
    return "never" if moment is None else format_time(moment)
