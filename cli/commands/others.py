"""Vectors of other attribution services: take them as evidence, write ours in their form, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.render import table
from cli.shell import emit, mapping_pairs, plain, say, workspace

app = typer.Typer(no_args_is_help=True)
vectors = typer.Typer(no_args_is_help=True)
app.add_typer(vectors, name="vectors", help="Exchange vectors with other attribution services.")


@vectors.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Rows of track, source, share and aspect: CSV, TSV or a JSON list.")],
    *,
    party: Annotated[str, typer.Option(help="The registered party whose results these are.")],
    method: Annotated[str, typer.Option(help="The party's name for its method.")],
    version: Annotated[str, typer.Option(help="The method's version.")] = "1",
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="A column under another name; @FILE reads saved pairs."),
    ] = None,
) -> None:
    """Record another service's results as evidence; they pay nobody until `settle assign`."""
    from ledger.tabular import renaming
    from service.attribution import others
    from service.trade.shares import FIELDS

    renamed = renaming(mapping_pairs(mapped), FIELDS)
    emit(others.take(workspace(), file, method=method, version=version, party=party, renamed=renamed))


@vectors.command("export")
def export(
    method: Annotated[str, typer.Option(help="The method whose newest vectors are written.")],
    out: Annotated[Path, typer.Option(help="The CSV file to write.")],
) -> None:
    """Write the newest vectors of a method as CSV, in the form that `settle vectors import` reads."""
    from service.attribution import others

    emit({"method": method, "vectors": others.export(workspace(), method, out), "out": out})


@app.command()
def compare(
    tracks: Annotated[list[str] | None, typer.Argument(metavar="[TRACK]...", help="By default every track.")] = None,
    period: Annotated[
        str | None, typer.Option(help="A published month: also what each method would have paid in it.")
    ] = None,
) -> None:
    """Compare the newest vectors of each method on the same tracks; nothing is recorded."""
    from service.attribution import others

    compared = others.compare(workspace(), tracks or (), period=period)
    if not compared.methods:
        say("settle: no track has vectors of two methods")
    emit(
        compared,
        text=lambda shown: "\n\n".join(
            table([plain(row) for row in rows]) for rows in (shown.methods, shown.amounts) if rows
        ),
    )
