"""Run one job for one turn: claim the turn, do the work, record the result."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import SettleError, StateError
from ledger.types import format_time
from service.scheduler import claims
from service.scheduler.claims import State
from service.scheduler.jobs import Job
from service.scheduler.schedule import Schedule

if TYPE_CHECKING:
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """The result of a job's turn. `already`: another process has or had it; nothing was done here."""

    job: str
    turn: str
    state: State
    detail: str
    holder: str
    attempt: int
    already: bool


def schedule_of(ws: Workspace, job: Job) -> Schedule | None:
    """Return the job's schedule from the settings; None if it is off."""
    return Schedule.parse(ws.settings.text(job.setting), setting=job.setting)


def do(ws: Workspace, job: Job, *, holder: str) -> JobOutcome:
    """Run a job unless its present turn is done or taken; a failure is recorded and raised."""
    now = ws.clock()
    schedule = schedule_of(ws, job)
    turn = None if schedule is None else schedule.turn(now)
    if schedule is None or turn is None:
        raise StateError(f"job {job.name} has no turn: {job.setting} is {ws.settings.text(job.setting)!r}")
    claim, ours = claims.take(ws.log, job.name, turn, holder=holder, now=now)
    if not ours:
        return JobOutcome(
            job=job.name,
            turn=claim.turn,
            state=claim.state,
            detail=claim.detail,
            holder=claim.holder,
            attempt=claim.attempt,
            already=True,
        )
    try:
        with claims.kept(ws.log, claim, ws.clock):
            outcome = job.work(ws, turn)
    except BaseException as problem:
        with suppress(SettleError):  # the database is away: then the lease ends the claim
            claims.finish(ws.log, claim, "failed", str(problem) or type(problem).__name__, now=ws.clock())
        raise
    state: State = "nothing" if outcome.nothing else "done"
    if not claims.finish(ws.log, claim, state, outcome.text, now=ws.clock()):
        raise StateError(
            f"job {job.name}, turn {format_time(turn)}: another scheduler took it over while this one was silent for "
            f"{int(claims.LEASE.total_seconds())} seconds; see settle status"
        )
    return JobOutcome(
        job=job.name,
        turn=claim.turn,
        state=state,
        detail=outcome.text,
        holder=holder,
        attempt=claim.attempt,
        already=False,
    )
