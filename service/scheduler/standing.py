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
    """A job, its last turn that anybody took, and its next. `last` is None until the first."""

    job: str
    schedule: str
    last: str | None
    state: str
    detail: str
    next: str | None


def standing(ws: Workspace) -> list[JobStanding]:
    """Every job; without APScheduler the next turn is not known."""
    known = claims.last(ws.log)
    return [_of(ws, job, known.get(job.name)) for job in JOBS]


def _of(ws: Workspace, job: Job, claim: Claim | None) -> JobStanding:
    try:
        schedule = schedule_of(ws, job)
        coming = None if schedule is None else schedule.next(ws.clock())
    except StateError:
        coming = None
    dead = claim is not None and claim.state == "running" and claim.leased_until <= format_time(ws.clock())
    return JobStanding(
        job=job.name,
        schedule=ws.settings.text(job.setting),
        last=None if claim is None else claim.turn,
        state="never" if claim is None else "left undone" if dead else claim.state,
        detail="" if claim is None else claim.detail,
        next=None if coming is None else format_time(coming),
    )


def troubles(jobs: list[JobStanding]) -> Iterator[str]:
    """What of it a person should look at."""
    for one in jobs:
        if one.state == "failed":
            yield f"job {one.job} failed at {one.last}: {one.detail}"
        elif one.state == "left undone":
            yield f"job {one.job} was left undone at {one.last}: is the scheduler running? settle scheduler"
