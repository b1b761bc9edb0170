"""Check segments: files must match their manifest in the log, and their rows must match the leaves of its tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select
from sqlmodel import col

from ledger.log.append import Log
from ledger.log.store.schema import TileRow
from ledger.proofs.tile import WIDTH, Tiles
from ledger.proofs.tree import HASH_SIZE, leaf_hashes
from ledger.segments import bindings, columns, files, schema
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import File, SegmentManifest, ordered_digest

HASHED_AT_ONCE: Final = 8192

Progress = Callable[[int, int | None], None] | None
Hashes = np.ndarray[Any, Any]
"""Leaf hashes of a stretch in order, one row of 32 bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The result of a check: segments that match the log; each of their leaves was encoded and hashed."""

    ok: bool
    segments: int
    files: int
    bytes: int
    events: int
    leaves: int


def check_files(folder: Path, wanted: Sequence[File], on_progress: Progress = None) -> int:
    """Check that each of these files exists and has its digest; return the number of bytes hashed."""
    whole, done = sum(file.bytes for file in wanted), 0
    for file in wanted:
        files.check(folder, file)
        done += file.bytes
        if on_progress is not None:
            on_progress(done, whole)
    return done


def verify_segments(
    log: Log, folder: Path, manifests: Sequence[SegmentManifest], on_progress: Progress = None
) -> Verified:
    """Check the digests of all files, every leaf encoded again from its row, and the root over all leaves.

    Leaves after the last segment are hashed from the log, so that the root compared is the one that the log has signed.
    """
    tiles, bindings_table, total = Tiles(), bindings.as_table(()), 0
    for manifest in manifests:
        total += check_files(folder, manifest.files)
        for file in manifest.of("bindings"):
            bindings_table = bindings.more(bindings_table, folder, file)
        hashes = read_back(folder, manifest.files, manifest.start, manifest.stop, bindings_table)
        if ordered_digest([hashes.tobytes()]) != manifest.leaves:
            raise SegmentError(
                f"segment [{manifest.start}, {manifest.stop}): its rows are not the leaves it was sealed with; "
                f"{files.AGAIN}"
            )
        check_tree(log, hashes, manifest.start)
        tiles.append(list(map(bytes, hashes)))
        if on_progress is not None:
            on_progress(manifest.stop, manifests[-1].stop)
    head = log.head()
    tiles.append(leaf_hashes(entry.body for entry in log.entries(start=tiles.size, stop=head.size)))
    if tiles.root() != head.root:
        raise SegmentError(
            f"log {log.origin}: its segments and the leaves after them have root {tiles.root().hex()}, signed is "
            f"{head.root.hex()}; run `settle ledger fsck`"
        )
    return Verified(
        ok=True,
        segments=len(manifests),
        files=sum(len(manifest.files) for manifest in manifests),
        bytes=total,
        events=sum(manifest.events for manifest in manifests),
        leaves=manifests[-1].stop if manifests else 0,
    )


def read_back(folder: Path, made: Sequence[File], start: int, stop: int, known: pa.Table) -> Hashes:
    """Return the leaf hashes of `[start, stop)` from a segment's files; each index must be covered exactly once."""
    hashes = np.zeros((stop - start, HASH_SIZE), np.uint8)
    seen = np.zeros(stop - start, np.int64)
    for file in made:
        if file.kind == "bindings":
            continue
        shape = schema.EVENTS if file.kind == "events" else schema.LEAVES
        for piece in files.pieces(folder, file, shape):
            places = np.asarray(piece.column("index")) - start
            if len(places) and not 0 <= places.min() <= places.max() < stop - start:
                raise SegmentError(f"segment file {file.path} holds leaves outside [{start}, {stop}); {files.AGAIN}")
            if file.kind == "events":
                _check_derived(piece, file, known)
                bodies = columns.leaves(piece)
            else:
                bodies = piece.column("leaf")
            hashes[places] = _hashed(bodies)
            seen += np.bincount(places, minlength=stop - start)
    if len(odd := np.flatnonzero(seen != 1)):
        raise SegmentError(
            f"leaf {start + int(odd[0])} is in {seen[odd[0]]} rows of its segment, expected one; {files.AGAIN}"
        )
    return hashes


def _hashed(bodies: pa.Array | pa.ChunkedArray) -> Hashes:
    """Return the hash of each of these leaves.

    Few of them are Python bytes at a time, so that they stay in the CPU cache.
    """
    slices = (bodies.slice(at, HASHED_AT_ONCE).to_pylist() for at in range(0, len(bodies), HASHED_AT_ONCE))
    hashes = b"".join([b"".join(leaf_hashes(few)) for few in slices])
    return np.frombuffer(hashes, np.uint8).reshape(-1, HASH_SIZE)


def _check_derived(piece: pa.Table, file: File, known: pa.Table) -> None:
    """Check the parts of a row that follow from its leaf: its binding, and the day of its file."""
    numbers = piece.column("binding").combine_chunks()
    in_range = len(numbers) == 0 or (pc.min(numbers).as_py() >= 0 and pc.max(numbers).as_py() < known.num_rows)
    same = in_range and all(
        known.column(name).take(numbers).cast(pa.string()).combine_chunks().equals(piece.column(name).combine_chunks())
        for name in schema.KEY.names
    )
    days = np.unique(np.asarray(piece.column("occurred_at").combine_chunks().cast(pa.int64())) // 86_400_000)
    if not same or [str(day.astype("datetime64[D]")) for day in days] != [file.day][: len(days)]:
        raise SegmentError(
            f"segment file {file.path}: a row's binding or day does not follow from its leaf; {files.AGAIN}"
        )


def check_tree(log: Log, hashes: Hashes, start: int) -> None:
    """Check that these leaf hashes, from index `start` on, are those of the log's tree."""
    first, stop = start // WIDTH, start + len(hashes)
    with log.store.reading() as connection:
        conditions = col(TileRow.level) == 0, col(TileRow.n) >= first, col(TileRow.n) * WIDTH < stop
        tiles = (
            connection.execute(select(col(TileRow.hashes)).where(*conditions).order_by(col(TileRow.n))).scalars().all()
        )
    skip = (start - first * WIDTH) * HASH_SIZE
    tree = np.frombuffer(b"".join(tiles)[skip : skip + hashes.size], np.uint8)
    if tree.size != hashes.size:
        raise SegmentError(f"log {log.origin}: its tree ends before leaf {stop}; run `settle ledger fsck`")
    odd = np.flatnonzero((hashes != tree.reshape(-1, HASH_SIZE)).any(axis=1))
    if len(odd):
        raise SegmentError(
            f"leaf {start + int(odd[0])}: its row does not match the log's tree; run `settle ledger fsck`"
        )
