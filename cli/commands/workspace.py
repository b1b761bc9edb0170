"""The workspace: create it, show its state and its settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.render import fields, indented, table
from cli.shell import emit, home_flag, plain, workspace
from ledger.shown import counted

if TYPE_CHECKING:
    from service.status import Status

app = typer.Typer(no_args_is_help=True)
config = typer.Typer(no_args_is_help=True)
app.add_typer(config, name="config", help="Settings and their origin.")


@app.command()
def init(
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Leave the key files unencrypted: for trials and tests.")
    ] = False,
    origin: Annotated[
        str, typer.Option(help="The log's name, such as example.org/ledger; by default a random one.")
    ] = "",
    operator: Annotated[str, typer.Option(help="Party id of the operator of this workspace.")] = "operator",
) -> None:
    """Create a workspace in --home, else in SETTLE_HOME, else here: settings, role keys, trust.json, an empty log."""
    from service.setup import check_new, create, new_passphrase

    # Later commands look there: a workspace made elsewhere would not be found.
    home = home_flag() or Path(os.environ.get("SETTLE_HOME") or ".").absolute()
    check_new(home)
    passphrase = new_passphrase(no_passphrase=no_passphrase)
    emit(create(home, origin=origin, operator=operator, passphrase=passphrase))


@app.command()
def status() -> None:
    """Show the state of everything, and open tasks."""
    from service.status import status as overview

    emit(overview(workspace()), text=_status_text)


def _status_text(it: Status) -> str:
    """Return the text of the status, with the tasks for people first."""
    waiting = [f"  {line}" for line in it.waiting] or ["  nothing"]
    facts = {
        "workspace": it.home + (" (demo: one workspace holds the maker's key and the approver's)" if it.demo else ""),
        "log": f"{it.origin}, {counted(it.size, 'entry', 'entries')}, root {it.root}",
        "registry": f"{counted(it.parties, 'party', 'parties')}, {counted(it.recordings, 'recording')}, "
        f"{counted(it.tracks, 'track')}, {it.without_vector:,} of them without a vector",
        "quarantine": counted(it.quarantined, "row"),
        **(
            {}
            if it.inbox is None
            else {"inbox": f"{it.inbox.waiting:,} waiting, {it.inbox.done:,} done, {it.inbox.failed:,} failed"}
        ),
        "closed": ", ".join(it.closed) or "no month yet",
    }
    runs = ["", "runs:", indented(table([plain(run) for run in it.runs]))] if it.runs else []
    jobs = ["", "jobs:", indented(table([plain(job) for job in it.jobs]))]
    streams = ["", "streams:", indented(table([plain(row) for row in it.streams]))] if it.streams else []
    return "\n".join(["waiting for someone:", *waiting, "", fields(facts), *runs, *jobs, *streams])


@config.command("show")
def config_show() -> None:
    """Show every setting, its value and its origin."""
    emit(workspace().settings.explained())
