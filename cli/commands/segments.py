"""`settle segments`: write, verify and repair ranges of the log as Parquet."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.progress import progress
from cli.shell import emit, workspace

app = typer.Typer(help="Sealed ranges of the log as Parquet files: seal, verify, mend.", no_args_is_help=True)


@app.command()
def seal(
    stop: Annotated[int | None, typer.Option(help="Seal leaves below this index; by default all.")] = None,
) -> None:
    """Seal all leaves that are in no segment yet; run hourly, or before a settlement run."""
    from ledger.segments.seal import seal as seal_segments
    from service.settlement.usage import folder_of

    ws = workspace()
    with progress("sealing", unit="leaves") as on_progress:
        done = seal_segments(ws.log, folder_of(ws), stop=stop, on_progress=on_progress)
    emit(done, text=lambda it: f"{it.segments} segments sealed: {it.events} events, leaves {it.start} to {it.stop}")


@app.command()
def verify() -> None:
    """Encode every leaf from its row, hash it, and compare with the signed tree."""
    from ledger.segments.check import verify_segments
    from ledger.segments.manifest import manifests
    from service.settlement.usage import folder_of

    ws = workspace()
    with progress("verifying", unit="leaves") as on_progress:
        checked = verify_segments(ws.log, folder_of(ws), manifests(ws.log), on_progress)
    emit(checked, text=lambda it: f"ok: {it.leaves} leaves in {it.segments} segments lead back to the signed tree")


@app.command()
def mend() -> None:
    """Write missing or damaged files of sealed segments again from the log."""
    from ledger.segments.seal import mend as mend_segments
    from service.settlement.usage import folder_of

    ws = workspace()
    with progress("mending", unit="leaves") as on_progress:
        paths = mend_segments(ws.log, folder_of(ws), on_progress=on_progress)
    emit({"mended": paths}, text=_mended)


def _mended(answer: dict[str, Any]) -> str:
    paths: list[str] = answer["mended"]
    return "\n".join(["made again:", *paths]) if paths else "every file matches the log"
