"""Sources of events: who speaks for each, and with which keys."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.shell import emit, workspace

app = typer.Typer(no_args_is_help=True, help="Sources of events: who speaks for each, with which keys.")


@app.command("set")
def set_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="As the events name it.")],
    party: Annotated[str | None, typer.Option(help="The registered party that speaks for it.")] = None,
    public: Annotated[str | None, typer.Option(help="A key of that party's, as `settle batch key` printed it.")] = None,
    signed: Annotated[
        bool | None, typer.Option("--signed/--unsigned", help="Whether events without a signature are refused.")
    ] = None,
    log: Annotated[
        str | None, typer.Option(help="The registered log that takes its events, by origin; for good.")
    ] = None,
) -> None:
    """Say who speaks for a source, bring in a key, ask for signatures, assign it to a log; what is not named stays."""
    from service.log import sources

    emit(sources.settle_source(workspace(), source, party=party, public=public, signed=signed, log=log))


@app.command("list")
def list_() -> None:
    """Every source that the log knows: its party, whether it must sign, and the keys that count now."""
    from service.log import sources

    emit(sources.show(workspace()))
