"""The log at the command line: heads and proofs out, its health looked after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exits import EXIT_CODES
from cli.progress import progress
from cli.shell import emit, leave, workspace
from ledger.errors import VerificationError

app = typer.Typer(no_args_is_help=True, help="The log: heads, proofs, export, health.")
logs = typer.Typer(no_args_is_help=True)
receipts = typer.Typer(no_args_is_help=True)
app.add_typer(receipts, name="receipts", help="Receipts that were handed out.")
app.add_typer(logs, name="logs", help="Further logs under this one: each takes the sources assigned to it.")


@app.command()
def head() -> None:
    """Where the log stands: size, tree root, chain head."""
    emit(workspace().log.head())


@app.command()
def prove(
    event: Annotated[
        str, typer.Argument(metavar="[SOURCE:]EVENT", help="An event's id, with its source if needed.")
    ] = "",
    index: Annotated[int | None, typer.Option(help="Any entry, by its index.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the bundle; standard output if absent.")] = None,
) -> None:
    """A bundle that proves one entry to anyone who has the operator's trust.json."""
    from service.operating import prove as make

    proven = make(workspace(), event=event or None, index=index)
    _write(proven.bundle, out, {"bundle": str(out), "index": proven.index, "size": proven.size, "kind": proven.kind})


@app.command()
def consistency(
    old: Annotated[int, typer.Argument(help="A smaller size of the log.")],
    new: Annotated[int, typer.Argument(help="A larger one, or the same.")],
) -> None:
    """The hashes that show the log at OLD to be a prefix of the log at NEW."""
    from service.operating import consistency as make

    emit(make(workspace(), old, new))


@app.command()
def checkpoint(
    size: Annotated[int | None, typer.Option(help="The checkpoint of this size; the newest if absent.")] = None,
) -> None:
    """A signed checkpoint with the cosignatures it was given, byte for byte as C2SP clients read it."""
    from service.witness.asking import checkpoint_with

    signed = checkpoint_with(workspace().log, size)
    emit({"checkpoint": signed.decode()}, text=lambda answer: str(answer["checkpoint"]))


@app.command()
def seal() -> None:
    """Commit the tree to the chain's head; done hourly by the scheduler and at every close."""
    done = workspace().log.seal()
    emit({"index": done.first, "size": done.size})


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the static log goes; what is there already is extended.")],
) -> None:
    """The log as static files (C2SP tlog-tiles) that any web server can publish and any client read."""
    from service.operating import export as write

    with progress("Exporting", unit="tiles") as advance:
        emit(write(workspace(), folder, on_progress=advance))


@app.command()
def prune(
    folder: Annotated[Path, typer.Argument(help="An exported log; the log itself keeps everything.")],
    below: Annotated[int, typer.Option(help="The first index that the export must still hold.")],
) -> None:
    """Drop an export's oldest entries as C2SP tlog-tiles allows; what is left proves all the rest."""
    from ledger.log.prune import prune as drop

    emit(drop(folder, below))


@app.command()
def fsck() -> None:
    """Read everything again: every entry re-encoded, hashed, chained, compared; leaves with 3 if one is not right."""
    from service.operating import fsck as examine

    with progress("Checking", unit="entries") as advance:
        report = examine(workspace(), on_progress=advance)
    emit(report)
    if not report.ok:
        leave(EXIT_CODES[VerificationError])


@app.command()
def recover(
    tiles: Annotated[
        Path | None, typer.Option("--from", help="An export of the log that is newer than the database.")
    ] = None,
    new_origin: Annotated[str, typer.Option(help="Give the log up at what is left and go on under this name.")] = "",
    reason: Annotated[str, typer.Option(help="What happened; it stands in the new log's first leaf.")] = "",
) -> None:
    """Bring a rolled-back log up to what it has answered for, or start its successor."""
    from service.operating import recover as mend

    emit(mend(workspace(), tiles=tiles, new_origin=new_origin or None, reason=reason or None))


@receipts.command("renew")
def receipts_renew(
    places: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Receipts, or folders of them, as settle ingest wrote them.")
    ],
) -> None:
    """Write receipts anew whose log key has been handed over since, so that they verify by themselves again."""
    from service.log.renewing import renew

    emit(renew(workspace(), places))


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
