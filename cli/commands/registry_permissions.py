"""Permissions in the vocabularies of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, filled, say, workspace

permissions = typer.Typer(no_args_is_help=True)


@permissions.command()
def export(
    out: Annotated[Path, typer.Option(help="The folder to write rsl.xml, tdmrep.json and content-usage.txt to.")],
    site: Annotated[str, typer.Option(help="What an address begins with; a recording's id follows.")],
) -> None:
    """Write what is permitted to everybody as RSL 1.0, TDM reservation and AIPREF header; the stricter counts."""
    from service.registry import permitting

    emit(permitting.write(workspace(), out, site=site))


@permissions.command("opt-out")
def opt_out(
    file: Annotated[Path, typer.Argument(help="RSL, tdmrep.json, Content-Usage, or a table of id, isrc, iswc.")],
    *,
    grantor: Annotated[str, typer.Option(help="The party whose catalogue or recordings these are.")],
    by: Annotated[str | None, typer.Option("--as", metavar="PARTY", help="Sign as this party.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the result without changing anything.")] = False,
) -> None:
    """Register what a file restricts; what it permits is not taken."""
    from cli.exits import EXIT_CODES
    from cli.shell import leave
    from ledger.errors import ConflictError
    from service.registry import permitting

    done = permitting.opt_out(workspace(), file, grantor=grantor, by=by, dry_run=dry_run)
    emit(done, text=filled)
    for sentence in done.summary:
        say(f"settle: {sentence}")
    if done.quarantined or done.conflicts:
        leave(EXIT_CODES[ConflictError])
