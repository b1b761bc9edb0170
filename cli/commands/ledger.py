"""Commands for the log: heads, proofs, export, checks, recovery, and further logs."""

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
app.add_typer(receipts, name="receipts", help="Receipts that were issued before.")
app.add_typer(logs, name="logs", help="Further logs under this one; each accepts the sources assigned to it.")


@app.command()
def head() -> None:
    """Show the log's size, tree root and chain head."""
    emit(workspace().log.head())


@app.command()
def prove(
    event: Annotated[
        str, typer.Argument(metavar="[SOURCE:]EVENT", help="An event's id, with its source if needed.")
    ] = "",
    index: Annotated[int | None, typer.Option(help="Any entry, by its index.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the bundle; by default standard output.")] = None,
) -> None:
    """Write a bundle that proves one entry to anyone who has the operator's trust.json."""
    from service.operating import prove as make

    proven = make(workspace(), event=event or None, index=index)
    _write(proven.bundle, out, {"bundle": str(out), "index": proven.index, "size": proven.size, "kind": proven.kind})


@app.command()
def consistency(
    old: Annotated[int, typer.Argument(help="A smaller size of the log.")],
    new: Annotated[int, typer.Argument(help="A larger one, or the same.")],
) -> None:
    """Print the hashes which prove that the log of size OLD is a prefix of the log of size NEW."""
    from service.operating import consistency as make

    emit(make(workspace(), old, new))


@app.command()
def checkpoint(
    size: Annotated[int | None, typer.Option(help="The checkpoint of this size; by default the newest.")] = None,
) -> None:
    """Print a signed checkpoint with its cosignatures, byte for byte as C2SP clients read it."""
    from service.witness.asking import checkpoint_with

    signed = checkpoint_with(workspace().log, size)
    emit({"checkpoint": signed.decode()}, text=lambda answer: str(answer["checkpoint"]))


@app.command()
def seal() -> None:
    """Commit the tree to the chain's head; the scheduler does this hourly, and so does every close."""
    done = workspace().log.seal()
    emit({"index": done.first, "size": done.size})


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Folder for the static log; an earlier export in it is extended.")],
) -> None:
    """Export the log as static files (C2SP tlog-tiles), which any web server can publish."""
    from service.operating import export as write

    with progress("Exporting", unit="tiles") as advance:
        emit(write(workspace(), folder, on_progress=advance))


@app.command()
def prune(
    folder: Annotated[Path, typer.Argument(help="An exported log; the log itself is not changed.")],
    below: Annotated[int, typer.Option(help="The first index that the export must keep.")],
) -> None:
    """Drop an export's oldest entries as C2SP tlog-tiles allows; the remaining entries can still be proven."""
    from ledger.log.prune import prune as drop

    emit(drop(folder, below))


@app.command()
def fsck() -> None:
    """Check the whole log: encode, hash, chain and compare every entry; exits with 3 if one is wrong."""
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
    new_origin: Annotated[
        str, typer.Option(help="Start a successor log with this name from the remaining entries.")
    ] = "",
    reason: Annotated[str, typer.Option(help="The reason; the new log's first leaf contains it.")] = "",
) -> None:
    """Restore a rolled-back log to all acknowledged entries, or start its successor."""
    from service.operating import recover as mend

    emit(mend(workspace(), tiles=tiles, new_origin=new_origin or None, reason=reason or None))


@receipts.command("renew")
def receipts_renew(
    places: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Receipts, or folders of them, as settle ingest wrote them.")
    ],
) -> None:
    """Write receipts again if the log key was rotated, so that they verify without an export."""
    from service.log.renewing import renew

    emit(renew(workspace(), places))


# --- several logs -------------------------------------------------------------------------------


@logs.command("add")
def logs_add(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="The other log's workspace; it will follow this one.")],
) -> None:
    """Register another workspace's log: its events are settled here, with this log's registry."""
    from service.log import members

    emit(members.add(workspace(), place))


@logs.command("list")
def logs_list() -> None:
    """List this log and its registered logs: folder, size, and sources."""
    from service.log import members

    emit(members.show(workspace()))


def _write(data: bytes, out: Path | None, answer: dict[str, Any]) -> None:
    if out is None:
        emit({"bundle": data.decode()}, text=lambda document: str(document["bundle"]))
        return
    out.write_bytes(data)
    emit(answer)
