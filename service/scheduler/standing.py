"""The state of the jobs, for `settle status`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import StateError
from ledger.types import format_time
from service.scheduler import claims
from service.scheduler.jobs import JOBS, Job
from service.scheduler.work import schedule_of

if TYPE_CHECKING:
    from service.scheduler.claims import TurnClaim
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStanding:
    """A job, its last turn that a scheduler took, and its next turn.

    `last` is None before the first. `overdue`: it has run before, and a later turn was missed.
    """

    job: str
    schedule: str
    last: str | None
    state: str
    detail: str
    next: str | None
    overdue: bool


def standing(ws: Workspace) -> list[JobStanding]:
    """Return the state of every job; without APScheduler the next turn is unknown."""
    last_claims = claims.last(ws.log)
    return [_of(ws, job, last_claims.get(job.name)) for job in JOBS]


def _of(ws: Workspace, job: Job, claim: TurnClaim | None) -> JobStanding:
    now = ws.clock()
    try:
        schedule = schedule_of(ws, job)
    except StateError:
        schedule = None
    coming = None if schedule is None else schedule.next(now)
    turn = None if schedule is None else schedule.turn(now - claims.LEASE)
    dead = claim is not None and claim.state == "running" and claim.leased_until <= format_time(now)
    return JobStanding(
        job=job.name,
        schedule=ws.settings.text(job.setting),
        last=None if claim is None else claim.turn,
        state="never" if claim is None else "left undone" if dead else claim.state,
        detail="" if claim is None else claim.detail,
        next=None if coming is None else format_time(coming),
        overdue=claim is not None and turn is not None and claim.turn < format_time(turn),
    )


def troubles(jobs: list[JobStanding]) -> Iterator[str]:
    """Return the jobs that a person should check."""
    if late := [job.job for job in jobs if job.overdue]:
        yield f"nobody has looked after {', '.join(late)} for a turn or more: does the scheduler run? settle scheduler"
    for job in jobs:
        if job.state == "failed":
            yield f"job {job.job} failed at {job.last}: {job.detail}"
        elif job.state == "left undone":
            yield f"job {job.job} was begun at {job.last} and left undone; settle scheduler --once {job.job}"
