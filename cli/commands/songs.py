"""Songs that carry their proof, and copies of them recognised."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.exits import EXIT_CODES
from cli.shell import emit, leave, say, workspace
from ledger.errors import StateError

app = typer.Typer()
export = typer.Typer(no_args_is_help=True)
app.add_typer(export, name="export", help="Write a track's song with its proof in it.")


@export.callback()
def _export() -> None:
    """Keep `song` a command of its own: typer would run a group's only command under the group's name."""


@export.command()
def song(
    track: Annotated[str, typer.Argument(help="A track with an assigned vector.")],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    audio: Annotated[
        Path | None, typer.Option(help="Its sound (WAV, MP3, FLAC, M4A); by default the file that was attributed.")
    ] = None,
    ai: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE",
            help="What the model contributed to: vocals, instrumentation, composition, post-production, lyrics.",
        ),
    ] = None,
) -> None:
    """Write a song with a C2PA manifest, its proof and the page that checks it.

    The key and its certificates are in the files that the settings song.key_file and song.certificates_file name.
    """
    from service.attribution import songs

    emit(songs.export_song(workspace(), track, out, audio=audio, contributed=ai or []))


@app.command()
def find(
    file: Annotated[Path, typer.Argument(help="A sound file: WAV, MP3, FLAC, OGG or AIFF; M4A by manifest.")],
) -> None:
    """Find the track that a file is a copy of; the answer has its vector and receipt."""
    from service.attribution import song_finding

    answer = song_finding.find_song(workspace(), file)
    emit(answer)
    for remark in answer.remarks:
        say(f"settle: {remark}")


@app.command()
def certificate(track: Annotated[str, typer.Argument(help="A registered track with published months.")]) -> None:
    """Certify that a track is royalty-clean: licences, unattributed part, money, until when; or list every reason.

    The exit code is 4 if there is no certificate.
    """
    from service.settlement import royalty_clean

    answer = royalty_clean.certify(workspace(), track)
    emit(answer)
    if not answer.clean:
        leave(EXIT_CODES[StateError])
