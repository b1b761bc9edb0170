"""Models: check permissions of training sets, prove membership, audit weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, leave, workspace

model = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Option("--model", metavar="ID@VERSION", help="The version; optional if there is only one.")]


@model.command()
def check(name: Name = "") -> None:
    """List the recordings of the training set that were not permitted at registration, with the reasons."""
    from service.registry import training

    ws = workspace()
    emit(training.check_model(ws, *training.model_named(ws, name)))


@model.command()
def prove(
    recording: Annotated[str, typer.Argument(help="A registered recording's id, or an ISRC.")],
    out: Annotated[Path, typer.Option(help="Where to write the bundle.")],
    name: Name = "",
) -> None:
    """Prove that a recording is, or is not, in a version's training list; anyone can check the bundle offline."""
    from service.registry import exporting, training

    ws = workspace()
    emit(exporting.prove(ws, recording, *training.model_named(ws, name), out))


@model.command()
def audit(
    study: Annotated[Path, typer.Argument(help="The study that the operator submits: items and adapter.")],
    tracks: Annotated[Path, typer.Argument(help="A sample of tracks that the model made, as the adapter reads them.")],
    weights: Annotated[Path, typer.Option(help="The weights that the operator submits: a checkpoint of the adapter.")],
    name: Name = "",
    items: Annotated[int, typer.Option(min=1, help="How many training items to try on the weights.")] = 100,
) -> None:
    """Compare a model's weights and training items with what was registered; state each owner's fair share."""
    from service.attribution import model_audit
    from service.registry import training

    ws = workspace()
    answer = model_audit.audit(ws, training.model_named(ws, name), study, weights, tracks, items=items)
    emit(answer, model_audit.as_text)
    if not answer.ok:
        leave(3)
