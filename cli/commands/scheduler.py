"""`settle scheduler`: run scheduled jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.shell import emit, say, workspace

app = typer.Typer()


@app.command()
def scheduler(
    once: Annotated[str, typer.Option(metavar="JOB", help="Run this job's current turn and exit: for cron.")] = "",
) -> None:
    """Run jobs at their times, until interrupted: seal, witness, attribute, close, follow the chain."""
    from service.scheduler import process
    from service.scheduler.jobs import job_named
    from service.scheduler.work import do

    ws = workspace()
    holder = process.holder_name()
    if once:
        emit(do(ws, job_named(once), holder=holder), text=process.line)
        return
    jobs = process.planned(ws)
    now = ws.clock()
    rows = [
        {"job": job.name, "schedule": schedule.text, "next": process.shown(schedule.next(now)), "purpose": job.purpose}
        for job, schedule in jobs.items()
    ]
    emit({"scheduler": holder, "jobs": rows})
    process.serve(ws, jobs, holder=holder, say=say)
