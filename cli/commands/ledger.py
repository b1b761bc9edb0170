"""The log at the command line: events in, proofs out, its health looked after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exits import EXIT_CODES
from cli.progress import progress
from cli.shell import emit, leave, say, workspace
from ledger.errors import ConflictError, InputError, VerificationError

app = typer.Typer(no_args_is_help=True)
ledger = typer.Typer(no_args_is_help=True)
logs = typer.Typer(no_args_is_help=True)
quarantine = typer.Typer(no_args_is_help=True)
listener = typer.Typer(no_args_is_help=True)
app.add_typer(ledger, name="ledger", help="The log: heads, proofs, export, health.")
ledger.add_typer(logs, name="logs", help="Further logs under this one: each takes the sources assigned to it.")
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
        say(f"settle: {done.conflicts} event ids were used before with another body; those events were refused")
        leave(EXIT_CODES[ConflictError])


# --- ledger -------------------------------------------------------------------------------------


@ledger.command()
def head() -> None:
    """Where the log stands: size, tree root, chain head."""
    emit(workspace().log.head())


@ledger.command()
def prove(
    event: Annotated[
        str, typer.Argument(metavar="[SOURCE:]EVENT", help="An event's id, with its source if needed.")
    ] = "",
    index: Annotated[int | None, typer.Option(help="Any entry, by its index.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the bundle; standard output if absent.")] = None,
) -> None:
    """A bundle that proves one entry to anyone who has the operator's trust.json."""
    from service.log.operating import prove as make

    proven = make(workspace(), event=event or None, index=index)
    _write(proven.bundle, out, {"bundle": str(out), "index": proven.index, "size": proven.size, "kind": proven.kind})


@ledger.command()
def consistency(
    old: Annotated[int, typer.Argument(help="A smaller size of the log.")],
    new: Annotated[int, typer.Argument(help="A larger one, or the same.")],
) -> None:
    """The hashes that show the log at OLD to be a prefix of the log at NEW."""
    from service.log.operating import consistency as make

    emit(make(workspace(), old, new))


@ledger.command()
def checkpoint(
    size: Annotated[int | None, typer.Option(help="The checkpoint of this size; the newest if absent.")] = None,
) -> None:
    """A signed checkpoint with the cosignatures it was given, byte for byte as C2SP clients read it."""
    from service.witness.asking import checkpoint_with

    signed = checkpoint_with(workspace().log, size)
    emit({"checkpoint": signed.decode()}, text=lambda answer: str(answer["checkpoint"]))


@ledger.command()
def seal() -> None:
    """Commit the tree to the chain's head; done hourly by the scheduler and at every close."""
    done = workspace().log.seal()
    emit({"index": done.first, "size": done.size})


@ledger.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the static log goes; what is there already is extended.")],
) -> None:
    """The log as static files (C2SP tlog-tiles) that any web server can publish and any client read."""
    from service.log.operating import export as write

    with progress("Exporting", unit="tiles") as advance:
        emit(write(workspace(), folder, on_progress=advance))


@ledger.command()
def prune(
    folder: Annotated[Path, typer.Argument(help="An exported log; the log itself keeps everything.")],
    below: Annotated[int, typer.Option(help="The first index that the export must still hold.")],
) -> None:
    """Drop an export's oldest entries as C2SP tlog-tiles allows; what is left proves all the rest."""
    from ledger.prune import prune as drop

    emit(drop(folder, below))


@ledger.command()
def fsck() -> None:
    """Read everything again: every entry re-encoded, hashed, chained, compared; leaves with 3 if one is not right."""
    from service.log.operating import fsck as examine

    with progress("Checking", unit="entries") as advance:
        found = examine(workspace(), on_progress=advance)
    emit(found)
    if not found.ok:
        leave(EXIT_CODES[VerificationError])


@ledger.command()
def recover(
    tiles: Annotated[
        Path | None, typer.Option("--from", help="An export of the log that is newer than the database.")
    ] = None,
    new_origin: Annotated[str, typer.Option(help="Give the log up at what is left and go on under this name.")] = "",
    reason: Annotated[str, typer.Option(help="What happened; it stands in the new log's first leaf.")] = "",
) -> None:
    """Bring a rolled-back log up to what it has answered for, or start its successor."""
    from service.log.operating import recover as mend

    emit(mend(workspace(), tiles=tiles, new_origin=new_origin or None, reason=reason or None))


# --- several logs -------------------------------------------------------------------------------


@logs.command("add")
def logs_add(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="The other log's workspace; it will follow this one.")],
) -> None:
    """Register another workspace's log: what it takes is settled here, with this log's registry."""
    from service.log import members

    emit(members.add(workspace(), place))


@logs.command("list")
def logs_list() -> None:
    """This log and those registered with it: where each is, how far it has come, the sources it takes."""
    from service.log import members

    emit(members.show(workspace()))


def _write(data: bytes, out: Path | None, answer: dict[str, Any]) -> None:
    if out is None:
        emit({"bundle": data.decode()}, text=lambda document: str(document["bundle"]))
        return
    out.write_bytes(data)
    emit(answer)


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
