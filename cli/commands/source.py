"""Sources of events: assign parties, keys and logs, and list them."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.shell import emit, workspace

app = typer.Typer(no_args_is_help=True, help="Sources of events: the party and keys of each.")


@app.command("set")
def set_(  # noqa: PLR0917  one parameter for each setting
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The source's name in events.")],
    party: Annotated[str | None, typer.Option(help="The registered party that reports its events.")] = None,
    public: Annotated[str | None, typer.Option(help="A key of that party's, as `settle batch key` printed it.")] = None,
    signed: Annotated[
        bool | None, typer.Option("--signed/--unsigned", help="Whether events without a signature are refused.")
    ] = None,
    declares: Annotated[
        bool | None,
        typer.Option(
            "--declares/--no-declares", help="Whether vectors that it signs in its batches pay for its events."
        ),
    ] = None,
    log: Annotated[
        str | None, typer.Option(help="The registered log that accepts its events, by origin; cannot be changed later.")
    ] = None,
) -> None:
    """Set a source's party, key, signing rule or log; settings that are not given stay."""
    from service.log import sources

    emit(
        sources.settle_source(
            workspace(), source, party=party, public=public, signed=signed, declares=declares, log=log
        )
    )


@app.command("list")
def list_() -> None:
    """List all sources: party, whether signatures are required, and the keys that are valid now."""
    from service.log import sources

    emit(sources.show(workspace()))
