"""How the jobs stand, for `settle status`."""

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
    from service.scheduler.claims import Claim
    from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStanding:
    """A job, its last turn that anybody took, and its next. `last` is None until the first.

    `overdue`: somebody used to do it, and a later turn has come and been left.
    """

    job: str
    schedule: str
    last: str | None
    state: str
    detail: str
    next: str | None
    overdue: bool


def standing(ws: Workspace) -> list[JobStanding]:
    """Every job; without APScheduler the next turn is not known."""
    known = claims.last(ws.log)
    return [_of(ws, job, known.get(job.name)) for job in JOBS]


def _of(ws: Workspace, job: Job, claim: Claim | None) -> JobStanding:
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
    """What of it a person should look at."""
    if late := [one.job for one in jobs if one.overdue]:
        yield f"nobody has looked after {', '.join(late)} for a turn or more: does the scheduler run? settle scheduler"
    for one in jobs:
        if one.state == "failed":
            yield f"job {one.job} failed at {one.last}: {one.detail}"
        elif one.state == "left undone":
            yield f"job {one.job} was begun at {one.last} and left undone; settle scheduler --once {one.job}"
