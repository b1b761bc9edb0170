"""Keys: show, rotate, revoke, and export the public half."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.shell import emit, workspace

app = typer.Typer(no_args_is_help=True, help="Keys and their roles: what each may sign, and since when.")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A key's name in this workspace, such as log or approver-ben.")
]


@app.command()
def show() -> None:
    """List the log's keys: role, party, the sizes at which each is valid, and whether this workspace has it."""
    from service.log import keys

    emit(keys.show(workspace()))


@app.command()
def rotate(name: Name) -> None:
    """Replace a key with a new one and retire the old key in the log. Earlier signatures stay valid."""
    from service.log import keys

    emit(keys.rotate(workspace(), name))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The beginning of the key's id.")],
    until: Annotated[int | None, typer.Option(help="The last size at which it is valid; may be in the past.")] = None,
    by: Annotated[str, typer.Option(help="Name of the key that signs the revocation.")] = "operator",
) -> None:
    """Revoke a key. Its signatures after log size N are no longer accepted."""
    from service.log import keys

    emit(keys.revoke(workspace(), key, until=until, by=by))


@app.command()
def export(name: Name) -> None:
    """Print the public half in all forms: key id, hex, C2SP verifier key, PEM."""
    from service.log import keys

    emit(keys.export(workspace(), name))
