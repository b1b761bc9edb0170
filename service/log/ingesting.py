"""Ingest events into the workspace's log: files and streams, quarantine, listeners."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from ledger.errors import InputError, StateError
from ledger.ingest import erasure, ndjson, quarantine
from ledger.ingest.acknowledged import Counts
from ledger.ingest.admission import Ingest
from ledger.ingest.blocks import LineBlock, TruncatedError, open_file
from ledger.ingest.checks import check_id
from ledger.ingest.files import SUFFIXES, named_as_events, reader_for
from ledger.ingest.naming import Naming
from ledger.ingest.quarantine import Kept, State
from ledger.ingest.receipts import ReceiptWriter
from ledger.ingest.recognise import Reader
from ledger.ingest.rows import Rows
from ledger.log.append import HandedOverError
from ledger.proofs import vector
from ledger.proofs.batch import label
from ledger.proofs.dsse import Envelope
from ledger.proofs.source import Home
from ledger.registry import declared
from ledger.tabular import ASSUMED
from ledger.types import InfluenceVector, format_time
from service.log import batches, reports
from service.log.batches import RecordedBatch
from service.log.following import follow, takes
from service.trade.dsr.report import DsrReport
from service.workspace import Workspace

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """The result for a file's events, and who vouches for them: `signed by PARTY` in `batch`, or `unsigned`.

    `ranges` are [first index, count] of the accepted events in the order of the file, and `checkpoint` covers them:
    the compact receipt. `ignored` counts the rows in which each unknown field was left out. `incomplete` says why
    reading stopped before the end, if it did. `report` is what a sales report (DSR) says of itself and was checked by.
    `assumed` is what was assumed of the file's letters, if anything was.
    """

    read: int
    accepted: int
    unresolved: int
    duplicates: int
    conflicts: int
    quarantined: int
    tree_size: int
    root: str
    platform: str
    batch: int | None = None
    incomplete: str | None = None
    ranges: list[tuple[int, int]] = field(default_factory=list)
    checkpoint: str = ""
    ignored: dict[str, int] = field(default_factory=dict)
    report: dict[str, Any] | None = None
    assumed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedFile:
    """One of several files: its result, or the reason why nothing of it was accepted."""

    file: str
    done: Ingested | None = None
    refused: str | None = None


def ingest_files(
    workspace: Workspace, paths: Sequence[Path], *, naming: Callable[[], Naming], **options: Any
) -> list[IngestedFile]:
    """Ingest every file, and every file of events in a folder; a refused file does not stop the others."""
    results = []
    for path in _expanded(paths):
        try:
            results.append(IngestedFile(file=str(path), done=ingest_file(workspace, path, naming=naming(), **options)))
        except InputError as problem:
            results.append(IngestedFile(file=str(path), refused=str(problem)))
    return results


def _expanded(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(file for file in path.rglob("*") if file.is_file() and named_as_events(file))
        if not inside:
            raise InputError(f"{path}: no file of events in it; their names end in {', '.join(SUFFIXES)}")
        yield from inside


def ingest_file(
    workspace: Workspace,
    path: Path | None,
    *,
    form: str | None = None,
    receipts: Path | None = None,
    source: str | None = None,
    batch_file: Path | None = None,
    naming: Naming | None = None,
    on_progress: Progress | None = None,
) -> Ingested:
    """Append the events of a file, or of standard input (None), block by block; each block is acknowledged separately.

    With a `source`, the file is that platform's: rows that name another go to quarantine. With a `batch_file`, it is a
    batch that a platform signed: it is appended as signed or not at all. Unknown fields are refused unless `naming`
    allows them.
    """
    if source is not None:
        check_id(source, "source")
    name = "-" if path is None else str(path)
    if batch_file is not None and naming is not None and naming.renamed:
        raise InputError("a signed batch is what the platform signed: its fields are not renamed")
    naming = naming or Naming(strict=True)
    report: DsrReport | None = None
    blocks: Iterator[Rows] = iter(())
    if reports.is_report(path, form):
        if path is None or batch_file is not None or naming.renamed:
            raise InputError("a sales report (DSR) is a file that is read twice: no pipe, no batch, no renamed fields")
        parts, report = reports.checked(path, source)
        blocks = reports.read(workspace, parts, report)

    read = reader_for(name, form, naming) if report is None else _always(blocks)
    home = follow(workspace)
    recorded = None if batch_file is None else _taken(workspace, path, batch_file, home, form=form, source=source)
    writer = None if receipts is None else ReceiptWriter(workspace.log, receipts, batches.signers(workspace.log))
    run = Ingest(
        workspace.log,
        name=name,
        entropy=secrets.token_bytes,
        source=source,
        home=home,
        admit=Admission(workspace) if home is None else None,
        places=None if recorded is None else recorded.places,
    )
    if writer is not None and recorded is not None:
        writer.write_batch(recorded.batch.source, recorded.batch.number, recorded.index)
    incomplete = None
    ranges = IndexRanges()
    total = path.stat().st_size if path is not None and path.exists() else None
    with _opened(path, form) as file:
        try:
            for rows in read(file, name):
                try:
                    done = run.take(rows)
                except HandedOverError:  # nothing was written: the same rows once more, under the successor
                    workspace.renew_log_key()
                    done = run.take(rows)
                ranges.add(done.first, done.counts.accepted)
                if writer is not None:
                    writer.write(done)
                if on_progress is not None:
                    on_progress(rows.position, total)
        except TruncatedError as problem:
            incomplete = str(problem)
    return replace(
        _result(workspace, run.counts, incomplete, recorded),
        ranges=ranges.pairs,
        checkpoint=workspace.log.checkpoint().decode(),
        ignored=dict(naming.ignored),
        report=None if report is None else asdict(report),
        assumed=ASSUMED if naming.is_windows else None,
    )


@dataclass(slots=True)
class IndexRanges:
    """Indexes as [first, count]; adjacent ranges are joined."""

    pairs: list[tuple[int, int]] = field(default_factory=list)

    def add(self, first: int, count: int) -> None:
        if not count:
            return
        if self.pairs and sum(self.pairs[-1]) == first:
            first, count = self.pairs[-1][0], self.pairs.pop()[1] + count
        self.pairs.append((first, count))


def _always(blocks: Iterator[Rows]) -> Reader:
    """Return a reader that ignores its file: the rows of a report are read already."""
    return lambda _file, _name: blocks


def _taken(
    workspace: Workspace,
    path: Path | None,
    batch_file: Path,
    home: Home | None,
    *,
    form: str | None,
    source: str | None,
) -> RecordedBatch:
    """Append the batch leaf of a file before the file's events."""
    if path is None:
        raise InputError("a signed batch is read twice, first to check it: name the file of its events")
    statement = batches.read(batch_file)[0]
    if source not in (None, statement.source):
        raise InputError(f"{batch_file} is a batch of {statement.source}, and this file is taken as one of {source!r}")
    if not takes(workspace, home, statement.source):
        raise StateError(
            f"source {statement.source} is assigned to another log than {workspace.log.origin}: hand it in there"
        )
    return batches.take(workspace, path, batch_file, form)


def _opened(path: Path | None, form: str | None) -> AbstractContextManager[BinaryIO]:
    if path is not None:
        return open_file(path)
    if form == "parquet":
        raise InputError("Parquet cannot be read from a pipe: its index is at the end; name a file")
    return nullcontext(sys.stdin.buffer)


def _result(
    workspace: Workspace, counts: Counts, incomplete: str | None = None, taken: RecordedBatch | None = None
) -> Ingested:
    head = workspace.log.head()
    return Ingested(
        read=counts.read,
        accepted=counts.accepted,
        unresolved=counts.unresolved,
        duplicates=counts.duplicates,
        conflicts=counts.conflicts,
        quarantined=counts.quarantined,
        tree_size=head.size,
        root=head.root.hex(),
        platform=label(None if taken is None else taken.party),
        batch=None if taken is None else taken.batch.number,
        incomplete=incomplete,
    )


class Admission:
    """Vectors that events carry: each source must be registered and permitted, then the operator signs."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __call__(self, found: InfluenceVector, territory: str) -> Envelope:
        view = self._workspace.registry.view()
        declared.check_payable(view, found)
        for aspect in (found.recording, found.composition):
            for influence in aspect.sources:
                if influence.id not in view.all_recordings:
                    raise InputError(f"vector: {influence.id!r} is not registered")
        if wrong := declared.findings(view, found, territory):
            raise InputError(f"vector: {wrong[0].about[:64]}: {wrong[0].kind}: {wrong[0].text}")
        return vector.sign(found, self._workspace.signer("attribution"))


# --- quarantine ---------------------------------------------------------------------------------


def quarantined(workspace: Workspace, *, state: State | None = "waiting", kind: str | None = None) -> list[Kept]:
    """Return the quarantined rows."""
    with workspace.log.store.reading() as connection:
        return quarantine.listed(connection, state=state, kind=kind)


def quarantined_row(workspace: Workspace, number: int) -> Kept:
    """Return one row as it was sent."""
    with workspace.log.store.reading() as connection:
        return quarantine.one(connection, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed(Ingested):
    """The result of a replay; `left`: the number of skipped rows, which name another source than their sender's."""

    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """Rows discarded by this call; the other named rows were closed before."""

    discarded: int
    already: int
    waiting: int


def discard(workspace: Workspace, numbers: Sequence[int], reason: str) -> Discarded:
    """Discard rows that will never be accepted; record the person, the time and the reason."""
    if not reason.strip():
        raise InputError("--reason is empty: say why these rows will never be taken")
    if not reason.isprintable():
        unprintable = next(mark for mark in reason if not mark.isprintable())
        raise InputError(
            f"--reason contains U+{ord(unprintable):04X}, which is not printable: write one line of plain text"
        )
    note = f"discarded by {workspace.operator} at {format_time(workspace.clock())}: {reason}"
    chosen = sorted(set(numbers))
    with workspace.log.store.writing() as tx:
        done = quarantine.discard(tx, chosen, note)
        left = quarantine.count(tx)
    return Discarded(discarded=done, already=len(chosen) - done, waiting=left)


def replay(workspace: Workspace, numbers: Sequence[int] = (), *, corrected: Path | None = None) -> Replayed:
    """Try rows again: these, or all that wait; one row may be replaced by a corrected one from a file.

    A row that names another platform than its sender's is tried only if its number is given.
    """
    log = workspace.log
    if corrected is not None and len(numbers) != 1:
        raise InputError("a corrected row replaces one row: name its id")
    with log.store.reading() as connection:
        waiting = [] if numbers else quarantine.listed(connection)
        chosen = list(numbers) or [row.id for row in waiting if row.kind in quarantine.KINDS]
        raws = {number: quarantine.raw_of(connection, number) for number in chosen}
    home = follow(workspace)
    run = Ingest(
        log,
        name="quarantine",
        entropy=secrets.token_bytes,
        places=batches.search(log),
        home=home,
        admit=Admission(workspace) if home is None else None,
    )
    released = []
    names = reports.track_names(workspace)
    for number, raw in raws.items():
        line = raw if corrected is None else _one_line(corrected)
        resolved = run.counts.accepted + run.counts.duplicates
        run.take(reports.resolved(ndjson.decode(LineBlock(number, line, 0), Naming()), names))
        if run.counts.accepted + run.counts.duplicates > resolved:
            released.append(raw)
    with log.store.writing() as tx:
        quarantine.release(tx, released)
    left = sum(row.kind == quarantine.OTHER_SOURCE for row in waiting)
    return Replayed(**asdict(_result(workspace, run.counts)), left=left)


def _one_line(path: Path) -> bytes:
    with open_file(path) as file:
        lines = [line for line in file.read().splitlines() if line.strip()]
    if len(lines) != 1:
        raise InputError(f"{path}: {len(lines)} lines, expected the one corrected row")
    return lines[0]


# --- listeners ----------------------------------------------------------------------------------


def erase_listener(workspace: Workspace, source: str, listener: str) -> erasure.Erased:
    """Erase a listener: the salts, and the id in all quarantined rows."""
    return erasure.erase(workspace.log.store, source, listener)
