"""`settle inbox`: process files of events and audio from a watched folder."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from cli.shell import emit, mapping_pairs, say, workspace
from ledger.errors import SettleError, VerificationError

app = typer.Typer()


@app.command()
def inbox(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="By default the setting attribution.inbox.")
    ] = None,
    source: Annotated[str, typer.Option(help="The platform of these events; events of others go to quarantine.")] = "",
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="A field under another name: played_at=occurred_at; THEIRS= ignores it, @FILE reads saved pairs.",
        ),
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two checks of the folder.")] = 5.0,
    *,
    once: Annotated[bool, typer.Option("--once", help="Process the files that are there and exit: for cron.")] = False,
) -> None:
    """Process new files of events and audio; each moves to done/ with its result, or to failed/ with the reason."""
    from ledger.ingest.naming import Naming, renaming
    from service.inbox import Inbox, inbox_standing
    from service.workspace import Workspace

    ws, renamed, stop = workspace(), renaming(mapping_pairs(mapped)), Event()
    folder_path = folder or Path(ws.path("attribution.inbox"))
    for role in ("log", "attribution"):  # a passphrase is asked for at the start, not at the first file
        ws.signer(role)

    def opened() -> Workspace:
        fresh = Workspace.open(ws.home, clock=ws.clock)
        fresh.passphrase = ws.passphrase
        return fresh

    watched = Inbox(folder_path, opened, source=source or None, naming=lambda: Naming(renamed=renamed))
    watched.prepare()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    looks = 2 if once else 0
    while not stop.is_set():
        try:
            for result in watched.look():
                say(f"settle: {result.file}: {'done' if result.reason is None else result.reason}")
        except VerificationError:
            raise
        except SettleError as problem:
            if once:
                raise
            say(f"settle: {problem}; trying again")
        looks -= 1
        if looks == 0:
            break
        stop.wait(every)
    emit(inbox_standing(folder_path))
