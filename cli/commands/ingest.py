"""Events at the command line: taken in, kept aside where they cannot be, their listeners forgotten when they ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exits import EXIT_CODES
from cli.progress import progress
from cli.shell import emit, leave, say, workspace
from ledger.errors import ConflictError, InputError

app = typer.Typer(no_args_is_help=True)
quarantine = typer.Typer(no_args_is_help=True)
listener = typer.Typer(no_args_is_help=True)
app.add_typer(quarantine, name="quarantine", help="Rows that were not taken, until they can be.")
app.add_typer(listener, name="listener", help="Listeners' right to be forgotten.")


@app.command()
def ingest(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Stream events; - reads standard input.")],
    form: Annotated[str, typer.Option("--format", help="ndjson, csv or parquet; by the file's name if absent.")] = "",
    receipts: Annotated[
        Path | None, typer.Option(help="Folder for one .tlog-proof per event, or a file NAME.ndjson for all of them.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="The platform whose file this is; rows that speak for another go to quarantine.")
    ] = "",
    batch: Annotated[
        Path | None, typer.Option(help="What the platform signed over FILE; it is taken as signed or not at all.")
    ] = None,
) -> None:
    """Append stream events; what is appended is answered for, what is not is kept with its reason."""
    from service.log.ingesting import ingest_file

    with progress("Ingesting", unit="bytes") as advance:
        done = ingest_file(
            workspace(), None if file == "-" else Path(file), form=form or None, receipts=receipts,
            source=source or None, batch_file=batch, on_progress=advance,
        )  # fmt: skip
    emit(done)
    if done.quarantined:
        say(f"settle: {done.quarantined} rows are in quarantine; `settle quarantine list` says why")
    if done.incomplete is not None:
        say(f"settle: {done.incomplete}")
        leave(EXIT_CODES[InputError])
    if done.conflicts:
        say(f"settle: event ids used before with another body: {done.conflicts}; those events were refused")
        leave(EXIT_CODES[ConflictError])


# --- quarantine ---------------------------------------------------------------------------------


@quarantine.command("list")
def quarantine_list(
    everything: Annotated[bool, typer.Option("--all", help="Also rows that were replayed.")] = False,
) -> None:
    """Rows that wait, with file, line and reason."""
    from service.log.ingesting import quarantined

    rows = quarantined(workspace(), state=None if everything else "waiting")
    emit(rows, text=_rows_text)


@quarantine.command("show")
def quarantine_show(number: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """One row, as it was handed in."""
    from service.log.ingesting import quarantined_row

    emit(quarantined_row(workspace(), number))


@quarantine.command("replay")
def quarantine_replay(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[ID...]", help="All that wait if absent.")] = None,
    corrected: Annotated[Path | None, typer.Option("--with", help="A file with the corrected row, for one ID.")] = None,
) -> None:
    """Try rows again: once a track is registered, or with a corrected row."""
    from service.log.ingesting import replay

    emit(replay(workspace(), numbers or (), corrected=corrected))


def _rows_text(rows: list[Any]) -> str:
    from cli.render import table

    if not rows:
        return "nothing waits in quarantine"
    return table(
        [{"id": row.id, "file": row.file, "line": row.line, "kind": row.kind, "reason": row.reason} for row in rows]
    )


# --- listeners ----------------------------------------------------------------------------------


@listener.command("erase")
def listener_erase(
    source: Annotated[str, typer.Argument(help="The platform.")],
    listener_id: Annotated[str, typer.Argument(metavar="ID", help="The listener, as the platform calls them.")],
) -> None:
    """Forget a person: nobody can tell any more which commitments in the log were theirs; no proof changes."""
    from service.log.ingesting import erase_listener

    emit(erase_listener(workspace(), source, listener_id))
