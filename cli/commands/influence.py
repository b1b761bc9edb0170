"""Influence inside a model: train the bank, fit the estimators, score tracks, decide disputes by retraining."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.progress import progress
from cli.shell import emit, say, workspace
from ledger.shown import percent
from ledger.types import MILLION

app = typer.Typer(
    no_args_is_help=True,
    help="Influence measured inside a model that its operator opens: bank, fit, score, dispute, report.",
)
StudyFolder = Annotated[Path, typer.Argument(help="The study's folder: study.json and its adapter's files.")]
Tracks = Annotated[Path, typer.Argument(help="A file of tracks, in the form that the study's adapter reads.")]


@app.command()
def bank(study: StudyFolder) -> None:
    """Train the study's bank: models that each leave out a third of the owners. Finished models are kept."""
    from attribution.influence.study import Study

    opened = Study(study)
    missing = opened.bench.missing(opened.bank_jobs)
    say(f"settle: {len(missing)} of {len(opened.bank_jobs)} trainings to do, {opened.adapter.steps} steps each")
    with progress("Training", unit="models") as advance:
        trained = opened.train(opened.bank_jobs, advance)
    emit({"models": len(opened.bank_jobs), "trained": trained, "items_root": opened.bench.root})


@app.command()
def fit(study: StudyFolder) -> None:
    """Train the checkpoints, then fit the estimators' weights on held-out works against the bank."""
    from attribution.influence.study import Study
    from attribution.influence.study import fit as fit_study

    opened = Study(study)
    with progress("Training", unit="models") as advance:
        opened.train(opened.plan.full_jobs, advance)
    emit(fit_study(opened))


@app.command()
def score(
    study: StudyFolder,
    tracks: Tracks,
    record: Annotated[bool, typer.Option("--record", help="Sign and assign the vectors; they pay.")] = False,
) -> None:
    """Estimate who influenced each track; nothing is recorded unless --record."""
    if record:
        from service.attribution.influencing import attribute_by_influence

        emit(attribute_by_influence(workspace(), study, [tracks], assign=True))
        return
    from attribution.influence.score import score as score_tracks
    from attribution.influence.study import Study
    from ledger.proofs.vector import payload

    emit(
        [
            {"vector": payload(scored.vector), "details": scored.details}
            for scored in score_tracks(Study(study), tracks)
        ],
        text=_owners_text,
    )


def _owners_text(answers: list[dict[str, Any]]) -> str:
    """Each track with its owners, the largest first; the recordings and the details are in --json."""
    lines = []
    for answer in answers:
        recording = answer["vector"]["recording"]
        explained = MILLION - recording["unattributed"]
        lines.append(f"{answer['vector']['track']}: {percent(recording['unattributed'])} unattributed")
        for owner in sorted(answer["details"]["owners"], key=lambda owner: -owner["share_ppm"]):
            share = owner["share_ppm"] * explained // MILLION
            lines.append(f"  {percent(share):>9}  {owner['owner']}, contrast {owner['beta_ppm'] / MILLION:+.3f} nats")
    return "\n".join(lines)


@app.command()
def dispute(
    study: StudyFolder,
    tracks: Tracks,
    owner: Annotated[str, typer.Option(help="The owner whose influence is disputed.")],
    seeds: Annotated[int, typer.Option(min=2, help="Number of seeds; more seeds give a smaller error.")] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="State the cost and train nothing.")] = False,
) -> None:
    """Train again without the owner, over several seeds, and compare with a placebo; can be resumed."""
    from attribution.influence import dispute as exact
    from attribution.influence.study import Study

    opened = Study(study)
    price = exact.cost(opened, owner, seeds)
    say(f"settle: {price.trainings} trainings, {price.trained} of them done, {opened.adapter.steps} steps each")
    if dry_run:
        emit(price)
        return
    with progress("Training", unit="models") as advance:
        answer = exact.settle(opened, owner, tracks, seeds=seeds, on_progress=advance)
    emit(answer)


@app.command()
def health(study: StudyFolder, tracks: Tracks) -> None:
    """Check a study before scoring, without retraining on subsets: agreement, hubs, rank, repetition, smoothness."""
    from attribution.influence.health import examine
    from attribution.influence.study import Study

    opened = Study(study)
    say(f"settle: 4 trainings of {opened.adapter.steps} steps each")
    emit(examine(opened, tracks))


@app.command()
def report(study: StudyFolder) -> None:
    """Report the quality of the study's fit: held-out correlation, skill, noise floor, agreement of estimators."""
    from attribution.influence.study import Study, read_fit

    emit(read_fit(Study(study)))
