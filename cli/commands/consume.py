"""`settle consume`: append events from message brokers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.shell import emit, say, workspace

app = typer.Typer()


@app.command()
def consume(
    url: Annotated[str, typer.Argument(metavar="URL", help="nats://HOST:PORT/STREAM or kafka://HOST:PORT/TOPIC.")],
    source: Annotated[
        str, typer.Option(help="The platform of this stream; events that name another source go to quarantine.")
    ] = "",
    *,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            help="NATS: a subject to read as a separate partition; by default all subjects are one partition."
        ),
    ] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="A NATS credentials file; for Kafka, a file of librdkafka's settings.")
    ] = None,
    drain: Annotated[bool, typer.Option("--drain", help="Exit when there is nothing left to read.")] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Read from the stream's beginning; events that the log contains are duplicates."),
    ] = False,
) -> None:
    """Append the events of a broker's stream, each once; several consumers share its partitions."""
    from service.consuming.connecting import opener
    from service.consuming.process import consume as read

    connect = opener(url, subjects=subject or (), credentials=credentials)
    emit(read(workspace(), connect, source=source or None, drain=drain, again=again, say=say))
