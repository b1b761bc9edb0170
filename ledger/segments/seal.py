"""Seal the next range of a log as a segment.

In the order in which things reach the disk, and what a crash means at each point: 1. the files are written aside,
synced and renamed; 2. they are read back, every leaf is written again from its row, hashed, and compared with the tree;
3. the manifest and its leaf are appended to the log in one transaction. A crash before 3 leaves files that no manifest
names: the next sealing deletes them and starts the same stretch again. After 3 the segment is sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, select, text
from sqlmodel import col

from ledger.errors import ConflictError, InputError, StateError
from ledger.log.append import Log, batch_of
from ledger.log.store import queries
from ledger.log.store.schema import EntryRow
from ledger.segments import columns, files, schema
from ledger.segments.bindings import Known, as_table, load, more
from ledger.segments.check import check_tree, read_back
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import TYPE, File, Kind, SegmentManifest, manifests, ordered_digest
from ledger.segments.schema import BINDINGS
from ledger.types import Head

SPAN: Final = 250_000
"""Leaves to a segment at most: bounds memory, and makes a file one row group."""

CHUNK: Final = 50_000
"""Leaves read and turned into columns at a time."""

Progress = Callable[[int, int | None], None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The result of sealing: leaves `[start, stop)` are in `segments` more segments."""

    start: int
    stop: int
    segments: int
    events: int
    files: int
    bytes: int


def seal(log: Log, folder: Path, *, stop: int | None = None, span: int = SPAN, on_progress: Progress = None) -> Sealed:
    """Seal every leaf below `stop` (by default all leaves) that is not in a segment yet."""
    size = log.head().size
    end = size if stop is None else stop
    if end > size:
        raise InputError(f"log {log.origin} has {size} leaves, {end} cannot be sealed")
    with files.locked(folder), ThreadPoolExecutor(1) as writer:
        earlier = manifests(log)
        first = earlier[-1].stop if earlier else 0
        files.tidy(folder, {file.path for manifest in earlier for file in manifest.files})
        bindings = Known(load(folder, earlier) if first < end else as_table(()))
        sealed: list[SegmentManifest] = []
        writing: Future[SegmentManifest] | None = None
        for start in range(first, end, span):  # one stretch is read while the one before it is written and checked
            stretch = gather(log, start, min(start + span, end), bindings)
            sealed += _committed(log, writing)
            writing = writer.submit(write_segment, log, folder, stretch)
            if on_progress is not None:
                on_progress(start - first, end - first)
        sealed += _committed(log, writing)
    return Sealed(
        start=first,
        stop=max(first, end),
        segments=len(sealed),
        events=sum(manifest.events for manifest in sealed),
        files=sum(len(manifest.files) for manifest in sealed),
        bytes=sum(file.bytes for manifest in sealed for file in manifest.files),
    )


def _committed(log: Log, writing: Future[SegmentManifest] | None) -> list[SegmentManifest]:
    """Append the leaf of a written segment, unless its stretch was sealed into another folder meanwhile."""
    if writing is None:
        return []
    manifest = writing.result()

    def unsealed(tx: Connection, head: Head) -> None:
        if queries.page(tx, manifest.start, head.size, {TYPE}, 1) and manifests(log)[-1].stop > manifest.start:
            raise ConflictError(f"log {log.origin}: [{manifest.start}, {manifest.stop}) has been sealed elsewhere")

    log.commit(batch_of([manifest.leaf(log.clock())], [manifest.encode()]), unsealed)
    return [manifest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Leaves `[start, stop)` as columns: events, everything else, new bindings, and all bindings up to here."""

    start: int
    stop: int
    events: pa.Table
    others: pa.Table
    new_bindings: pa.Table
    bindings: pa.Table


def gather(log: Log, start: int, stop: int, known: Known) -> Stretch:
    """Read a range of the log into columns; new bindings are added to `known`."""
    first = known.table.num_rows
    with log.store.reading() as connection:
        other_leaves = _others(connection, start, stop)
    skip = {index for index, _, _ in other_leaves}
    tables = [schema.EVENTS.empty_table()]
    for at in range(start, stop, CHUNK):
        end = min(at + CHUNK, stop)
        with log.store.reading() as connection:
            bodies = _bodies(connection, at, end)
        if len(bodies) != end - at:
            raise SegmentError(
                f"log {log.origin}: entries are missing between {at} and {end}; run `settle ledger fsck`"
            )
        indexes = [index for index in range(at, end) if index not in skip]
        if indexes:
            events = bodies if len(indexes) == len(bodies) else [bodies[index - at] for index in indexes]
            tables.append(columns.table(indexes, events, known.numbers))
    by_name = {name: [row[position] for row in other_leaves] for position, name in enumerate(schema.LEAVES.names)}
    new = known.grown()
    numbers = pa.array(range(first, first + new.num_rows), pa.int32())
    return Stretch(
        start=start,
        stop=stop,
        events=pa.concat_tables(tables[1:] or tables),
        others=pa.table(by_name, schema=schema.LEAVES),
        new_bindings=pa.table([numbers, *(column.cast(pa.string()) for column in new.columns)], schema=BINDINGS),
        bindings=known.table,
    )


def _others(connection: Connection, start: int, stop: int) -> list[tuple[int, str, bytes]]:
    """Return the leaves of a stretch that are not events."""
    columns = (col(EntryRow.idx), col(EntryRow.type), col(EntryRow.body))
    rows = select(*columns).where(columns[0] >= start, columns[0] < stop, text("type <> 'event'")).order_by(columns[0])
    return [(index, kind, bytes(body)) for index, kind, body in connection.execute(rows)]


def _bodies(connection: Connection, start: int, stop: int) -> list[bytes]:
    """Return every leaf of a range, directly from the driver: creating row objects would take longer than reading."""
    cursor = connection.connection.cursor()
    cursor.execute(f"SELECT body FROM entry WHERE idx >= {start:d} AND idx < {stop:d} ORDER BY idx")  # noqa: S608
    return [body for (body,) in cursor.fetchall()]


def write_segment(log: Log, folder: Path, stretch: Stretch) -> SegmentManifest:
    """Write the files of a stretch, read them back and check them against the tree."""
    start, stop = stretch.start, stretch.stop
    written: list[File] = []

    def keep(kind: Kind, rows: pa.Table, day: str | None = None) -> None:
        if rows.num_rows:
            path = files.place(kind, start, stop, day)
            files.write(folder / path, rows)
            written.append(files.described(folder, kind, path, rows, day))

    for day, rows in by_day(stretch.events):
        keep("events", rows, day)
    keep("leaves", stretch.others)
    keep("bindings", stretch.new_bindings)
    hashes = read_back(folder, written, start, stop, stretch.bindings)
    try:
        check_tree(log, hashes, start)
    except SegmentError:
        columns.refuse_odd(log.entries(types={"event"}, start=start, stop=stop))
        raise
    return SegmentManifest(
        origin=log.origin,
        start=start,
        stop=stop,
        leaves=ordered_digest([hashes.tobytes()]),
        events=stretch.events.num_rows,
        writer=f"pyarrow {pa.__version__}",
        files=tuple(written),
    )


def by_day(events: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Group events by the day they happened on and sort them by binding, so that files sum and compress well."""
    if not events.num_rows:
        return
    days = np.asarray(events.column("occurred_at").combine_chunks().cast(pa.int64())) // 86_400_000
    binding, index = np.asarray(events.column("binding")), np.asarray(events.column("index"))
    order = np.lexsort((index, binding, days))
    edges = np.flatnonzero(np.diff(days[order])) + 1
    whole = events.unify_dictionaries().combine_chunks()
    for places in np.split(order, edges):
        yield str(days[places[0]].astype("datetime64[D]")), whole.take(pa.array(places))


def mend(log: Log, folder: Path, *, on_progress: Progress = None) -> list[str]:
    """Write missing or damaged files of sealed segments again from the log; return their paths.

    The same rows make the same file with the same version of pyarrow; with another version the file differs from the
    one that the log committed to, and is refused.
    """
    mended: list[str] = []
    bindings = as_table(())
    with files.locked(folder):
        sealed = manifests(log)
        for manifest in sealed:
            odd = [file.path for file in manifest.files if not files.intact(folder, file)]
            if odd:
                rewritten = write_segment(log, folder, gather(log, manifest.start, manifest.stop, Known(bindings)))
                if rewritten.files != manifest.files:
                    raise StateError(
                        f"segment [{manifest.start}, {manifest.stop}) was written by {manifest.writer}, not by pyarrow "
                        f"{pa.__version__}: its files differ; mend with that version, or put {odd[0]} back from a copy"
                    )
                mended += odd
            for file in manifest.of("bindings"):
                bindings = more(bindings, folder, file)
            if on_progress is not None:
                on_progress(manifest.stop, sealed[-1].stop)
    return mended
