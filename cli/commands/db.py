"""The workspace's database at the command line: bringing one that release 0.1 made up to this release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.shell import emit, workspace

if TYPE_CHECKING:
    from service.log.upgrading import Upgraded

app = typer.Typer(no_args_is_help=True, help="The database of a workspace that release 0.1 made.")


@app.command()
def upgrade(
    backup: Annotated[
        bool,
        typer.Option("--backup/--no-backup", help="Copy the database, the anchor and trust.json first."),
    ] = True,
) -> None:
    """Draw the line of form 2 in a log that release 0.1 began; its programs refuse the database from then on.

    End every program of release 0.1 first. Nothing that is in the log changes. To do it again changes nothing.
    """
    from service.log.upgrading import upgrade as raise_form

    emit(raise_form(workspace(), backup=backup), text=_text)


def _text(done: Upgraded) -> str:
    lines = [f"  {change}" for change in done.changes] or ["  nothing: it is up to date"]
    return "\n".join([f"log {done.origin}, {done.size:,} entries; changed:", *lines])
