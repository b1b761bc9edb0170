"""Tools for operators who judge estimators: retrained truths and the linear datamodelling score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.progress import progress
from cli.shell import emit

app = typer.Typer(no_args_is_help=True)


@app.command()
def truth(
    study: Annotated[Path, typer.Argument(help="The study's folder.")],
    subsets: Annotated[
        bool, typer.Option("--subsets", help="Train random halves of the items, for settle lds, not the bank.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="List the trainings without running them.")] = False,
) -> None:
    """Train the models that estimators are compared with; finished models are kept."""
    from attribution.influence.study import Study

    opened = Study(study)
    jobs = opened.subset_jobs if subsets else opened.bank_jobs
    if not plan:
        with progress("Training", unit="models") as advance:
            opened.train(jobs, advance)
    missing = set(opened.bench.missing(jobs))
    rows = [(opened.bench.digest(job), job, job not in missing) for job in jobs]
    emit([{"job": name, "seed": job.seed, "left_out": len(job.left_out), "trained": done} for name, job, done in rows])


@app.command()
def lds(
    study: Annotated[Path, typer.Argument(help="The study's folder.")],
    tracks: Annotated[Path, typer.Argument(help="A file of tracks, in the form that the study's adapter reads.")],
    estimator: Annotated[str, typer.Option(help="ekfac, logra or trak.")] = "ekfac",
) -> None:
    """Measure how well item scores predict retraining; shows the limit that seeds set too."""
    from attribution.influence.study import Study, measure_lds

    emit(measure_lds(Study(study), tracks, estimator))
