"""Commands for events: append files, handle quarantined rows, erase listeners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exits import EXIT_CODES, OK
from cli.progress import progress
from cli.rows import Allowance, quarantine_allowance, replay_code, rows_code
from cli.shell import emit, filled, leave, mapping_pairs, say, workspace
from ledger.errors import InputError
from ledger.shown import added_up, counted

if TYPE_CHECKING:
    from service.log.ingesting import Ingested, IngestedFile

app = typer.Typer(no_args_is_help=True)
quarantine = typer.Typer(no_args_is_help=True)
listener = typer.Typer(no_args_is_help=True)
app.add_typer(quarantine, name="quarantine", help="Rejected rows that wait for a correction.")
app.add_typer(listener, name="listener", help="Erase a listener on request.")


@app.command()
def ingest(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE|FOLDER|-...", help="Stream events; - reads standard input.")
    ],
    *,
    form: Annotated[
        str, typer.Option("--format", help="ndjson, csv (also TSV), parquet or dsr; by default from the file.")
    ] = "",
    receipts: Annotated[
        Path | None, typer.Option(help="One file NAME.ndjson for every event's receipt, or a folder for a few of them.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="The platform of this file; rows that name another source go to quarantine.")
    ] = "",
    batch: Annotated[
        Path | None, typer.Option(help="The signed batch of FILE; the file is accepted as signed or not at all.")
    ] = None,
    max_quarantine: Annotated[
        str, typer.Option(help="Rows that may be quarantined without exit code 5: a number, or a share such as 5%.")
    ] = "",
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="A field under another name: played_at=occurred_at; THEIRS= ignores it, @FILE reads saved pairs.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse unknown fields instead of leaving them out.")
    ] = False,
) -> None:
    """Append stream events to the log. Accepted events get receipts; rejected rows go to quarantine with a reason.

    Every row needs source, event_id, track, occurred_at, territory and units; product, gross_micros with currency,
    listener and vector are optional. Other fields are left out and counted. A name that looks like a typing error
    (within two letters of a known name) is refused. The answer contains the compact receipt: a signed checkpoint,
    and the ranges of indexes that it covers.
    """
    from ledger.ingest.naming import Naming, renaming
    from service.log.ingesting import ingest_file, ingest_files

    allowance, renamed = quarantine_allowance(max_quarantine), renaming(mapping_pairs(mapped))
    options: dict[str, Any] = {"form": form or None, "receipts": receipts, "source": source or None}
    if len(files) == 1 and not Path(files[0]).is_dir():
        path, naming = None if files[0] == "-" else Path(files[0]), Naming(renamed=renamed, strict=strict)
        with progress("Ingesting", unit="bytes") as advance:
            done = ingest_file(workspace(), path, batch_file=batch, naming=naming, on_progress=advance, **options)
        emit(done, text=_ingested_text)
        leave(_tell(files[0], done, allowance))
    if batch is not None or "-" in files:
        raise InputError("several files are read one after the other: give standard input or a batch on its own")
    paths = list(map(Path, files))
    results = ingest_files(workspace(), paths, naming=lambda: Naming(renamed=renamed, strict=strict), **options)
    emit(results, text=_files_text)
    codes = []
    for result in results:
        if result.done is not None:
            codes.append(_tell(result.file, result.done, allowance))
        else:
            say(f"settle: {result.refused}")
            codes.append(EXIT_CODES[InputError])
    leave(next(filter(None, codes), OK))


def _tell(name: str, done: Ingested, allowance: Allowance) -> int:
    """Print remarks about the counts and return the exit code."""
    if not done.read and done.incomplete is None:
        say(f"settle: {'standard input' if name == '-' else name} contains no event: nothing was appended")
    if (report := done.report) is not None:
        left_out = f"{report['not_royalty_bearing']:,} not royalty-bearing, {report['downloads']:,} downloads"
        period = f"{report['start']} to {report['end']}"
        say(f"settle: report {report['message']} of {report['sender']}, {period}; no events: {left_out}")
    if done.assumed is not None:
        say(f"settle: {name}: {done.assumed}")
    if done.ignored:
        ignored = ", ".join(f"{field} ({count:,})" for field, count in sorted(done.ignored.items()))
        say(f"settle: unknown fields were left out (number of rows): {ignored}")
    if kept_rows := done.quarantined + done.conflicts:
        parts = f"{done.quarantined:,} rejected + {counted(done.conflicts, 'conflict')}"
        say(f"settle: {counted(kept_rows, 'row')} kept in quarantine ({parts}); `settle quarantine list` says why")
    if done.incomplete is not None:
        say(f"settle: {done.incomplete}")
        return EXIT_CODES[InputError]
    reused = f"event ids used before with another body: {done.conflicts}; those events were refused"
    return rows_code(done, conflicts=reused, allowance=allowance)


def _files_text(results: list[IngestedFile]) -> str:
    """A line a file."""
    from cli.render import table

    return table(
        [
            {
                "file": result.file,
                "read": None if result.done is None else result.done.read,
                "accepted": None if result.done is None else result.done.accepted,
                "duplicates": None if result.done is None else result.done.duplicates,
                "conflicts": None if result.done is None else result.done.conflicts,
                "quarantined": None if result.done is None else result.done.quarantined,
            }
            for result in results
        ]
    )


def _ingested_text(done: Ingested) -> str:
    """Counts that add up, then where the log stands."""
    from ledger.proofs.batch import in_words

    counts = {
        "accepted": done.accepted,
        "duplicate": done.duplicates,
        "conflict": done.conflicts,
        "quarantined": done.quarantined,
    }
    lines = [added_up(done.read, counts)]
    if done.unresolved:
        lines.append(f"{done.unresolved:,} of those accepted have no vector yet (unresolved)")
    signed = in_words(done.platform) + ("" if done.batch is None else f", batch {done.batch}")
    lines += [f"events {signed}", f"log: {counted(done.tree_size, 'entry', 'entries')}, root {done.root}"]
    return "\n".join(lines)


# --- quarantine ---------------------------------------------------------------------------------


@quarantine.command("list")
def quarantine_list(
    everything: Annotated[bool, typer.Option("--all", help="Also rows that were replayed or discarded.")] = False,
    kind: Annotated[str | None, typer.Option(help="Only these: invalid, unknown-track, conflict, registry...")] = None,
) -> None:
    """List waiting rows with file, line and reason."""
    from service.log.ingesting import quarantined

    rows = quarantined(workspace(), state=None if everything else "waiting", kind=kind)
    emit(rows, text=_rows_text)


@quarantine.command("show")
def quarantine_show(number: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Show one row as it was sent."""
    from service.log.ingesting import quarantined_row

    emit(quarantined_row(workspace(), number))


@quarantine.command("replay")
def quarantine_replay(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[ID...]", help="By default all waiting rows.")] = None,
    corrected: Annotated[Path | None, typer.Option("--with", help="A file with the corrected row, for one ID.")] = None,
) -> None:
    """Try rows again, after a track was registered or with a corrected row. Exit code 5: none was accepted."""
    from service.log.ingesting import replay

    done = replay(workspace(), numbers or (), corrected=corrected)
    emit(done, text=filled)
    if done.left:
        say(
            f"settle: {counted(done.left, 'row')} skipped (other-source): each names another source than its sender's; "
            "to replay one, give its id"
        )
    leave(replay_code(done))


@quarantine.command("discard")
def quarantine_discard(
    numbers: Annotated[list[int], typer.Argument(metavar="ID...", help="Rows that will never be taken.")],
    *,
    reason: Annotated[str, typer.Option(help="Why not; it stays with the row.")],
) -> None:
    """Close rows that will never be accepted. They stay on record with the reason and the person who closed them."""
    from service.log.ingesting import discard

    emit(discard(workspace(), numbers, reason))


def _rows_text(rows: list[Any]) -> str:
    """How many of each kind, then row by row."""
    from collections import Counter

    from cli.render import table

    if not rows:
        return "nothing waits in quarantine"
    kinds = Counter(row.kind for row in rows)
    shown = [
        {"id": row.id, "file": row.file, "line": row.line, "kind": row.kind, "state": row.state, "reason": row.reason}
        for row in rows
    ]
    head = f"{counted(len(rows), 'row')} = {' + '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}"
    return f"{head}\n\n{table(shown)}\n\nnext: settle quarantine show|replay|discard ID"


# --- listeners ----------------------------------------------------------------------------------


@listener.command("erase")
def listener_erase(
    source: Annotated[str, typer.Argument(help="The platform.")],
    listener_id: Annotated[str, typer.Argument(metavar="ID", help="The listener, as the platform calls them.")],
) -> None:
    """Erase a listener: nobody can then link the log's commitments to this person. Proofs stay valid."""
    from service.log.ingesting import erase_listener

    emit(erase_listener(workspace(), source, listener_id))
