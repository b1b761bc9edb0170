"""Keys: which count, handing one over, shutting one out, giving out the public half."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.shell import emit, workspace

app = typer.Typer(no_args_is_help=True, help="Keys and their roles: who may sign what, and since when.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A key's name here, such as log or approver-ben.")]


@app.command()
def show() -> None:
    """Every key of the log: its role, its party, the sizes at which it counts, and whether it is kept here."""
    from service.log import keys

    emit(keys.show(workspace()))


@app.command()
def rotate(name: Name) -> None:
    """Make a successor and retire the old key in the log; what it signed before verifies for ever."""
    from service.log import keys

    emit(keys.rotate(workspace(), name))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The beginning of the key's id.")],
    until: Annotated[int | None, typer.Option(help="The last size at which it counts; may lie in the past.")] = None,
    by: Annotated[str, typer.Option(help="Name of the key that says so.")] = "operator",
) -> None:
    """Shut a key out: nothing it signs, or has signed beyond the given size, counts any more."""
    from service.log import keys

    emit(keys.revoke(workspace(), key, until=until, by=by))


@app.command()
def export(name: Name) -> None:
    """The public half in every spelling: key id, hex, C2SP verifier key, PEM."""
    from service.log import keys

    emit(keys.export(workspace(), name))
