"""Templates: print an example of each file that Settle reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, wants_json

app = typer.Typer()


@app.command()
def template(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Without a name: the list of templates.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write it here instead of to the terminal.")] = None,
) -> None:
    """Print an example of a file that Settle reads: the registry, its CSVs, events, declared vectors, a rule."""
    from service import templates

    if not name:
        emit(templates.listed())
        return
    text = templates.template(name)
    if out is not None:
        templates.write(out, text)
        emit({"template": name, "file": str(out)})
    elif wants_json():
        emit({"template": name, "text": text})
    else:
        sys.stdout.write(text)
