"""The workspace itself: make it, look at it, see its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, home_flag, workspace

app = typer.Typer(no_args_is_help=True)
config = typer.Typer(no_args_is_help=True)
app.add_typer(config, name="config", help="Settings and where each came from.")


@app.command()
def init(
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Leave the key files unencrypted: for trials and tests.")
    ] = False,
    origin: Annotated[str, typer.Option(help="The log's name, such as example.org/ledger; made up if absent.")] = "",
    operator: Annotated[str, typer.Option(help="Party id of whoever runs this workspace.")] = "operator",
) -> None:
    """Make a workspace here (or in --home): settings, role keys, trust.json, an empty log."""
    from service.setup import create, new_passphrase

    home = home_flag() or Path.cwd()
    emit(create(home, origin=origin, operator=operator, passphrase=new_passphrase(no_passphrase=no_passphrase)))


@app.command()
def status() -> None:
    """Where the log, the registry and the periods stand, and what waits for someone."""
    from service.status import status as overview

    emit(overview(workspace()))


@config.command("show")
def config_show() -> None:
    """Every setting, its value and where it came from."""
    emit(workspace().settings.explained())
