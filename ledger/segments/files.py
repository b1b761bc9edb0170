"""Write segment files (temporary file, sync, rename) and read them back in pieces.

```
segments/
  period=2026-06/day=03/part-000000000000-000000524288.parquet   streams of that day
  leaves/part-000000000000-000000524288.parquet                  everything else in the stretch
  bindings/part-000000000000-000000524288.parquet                (source, track, vector) seen first in it
```
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ledger.errors import StateError, TransientError
from ledger.files import make_folder, whole
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import File, Kind
from ledger.segments.schema import REPETITIVE
from ledger.types import Digest

ROW_GROUP: Final = 250_000
_DICTIONARY_MAX: Final = 1 << 26
"""Dictionaries of ids outgrow Parquet's usual limit of 1 MiB, and without one every text is written out."""
_PIECE: Final = 1 << 20

AGAIN: Final = "make it again from the log: settle segments mend"


def place(kind: Kind, start: int, stop: int, day: str | None = None) -> str:
    """Return the path of a segment's file, relative to the segments' folder."""
    folder = f"period={day[:7]}/day={day[8:]}" if day else kind
    return f"{folder}/part-{start:012d}-{stop:012d}.parquet"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Allow one sealer at a time; others get an error at once."""
    make_folder(folder)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StateError(f"{folder}: another process is sealing segments here; wait for it") from None
    finally:
        os.close(handle)


def write(path: Path, rows: pa.Table) -> None:
    """Write a Parquet file atomically."""
    columns = [name for name in REPETITIVE if name in rows.column_names]
    try:
        with whole(path) as file:
            pq.write_table(
                rows,
                file,
                row_group_size=ROW_GROUP,
                compression="zstd",
                use_dictionary=columns,
                dictionary_pagesize_limit=_DICTIONARY_MAX,
                store_schema=False,
            )
    except OSError as failure:
        raise TransientError(
            f"{path}: {failure.strerror}; nothing of this segment was committed, run it again"
        ) from None


def described(folder: Path, kind: Kind, path: str, rows: pa.Table, day: str | None = None) -> File:
    """Return the manifest's entry for a file that was just written."""
    key = "binding" if kind == "bindings" else "index"
    ends: dict[str, Any] = pc.min_max(rows.column(key)).as_py()
    return File(
        kind=kind,
        path=path,
        sha256=digest(folder / path),
        bytes=(folder / path).stat().st_size,
        rows=rows.num_rows,
        first=ends["min"],
        last=ends["max"],
        day=day,
    )


def digest(path: Path) -> Digest:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(folder: Path, file: File) -> None:
    """Refuse a file that is missing or differs from the one that the log committed to."""
    path = folder / file.path
    try:
        size, actual = path.stat().st_size, digest(path)
    except FileNotFoundError:
        raise SegmentError(f"segment file {file.path} is missing from {folder}; {AGAIN}") from None
    except OSError as failure:
        raise TransientError(f"segment file {path}: {failure.strerror}") from None
    if (size, actual) != (file.bytes, file.sha256):
        raise SegmentError(
            f"segment file {file.path} has {size} bytes and SHA-256 {actual}, the log says {file.bytes} and "
            f"{file.sha256}; {AGAIN}"
        )


def intact(folder: Path, file: File) -> bool:
    """Return whether a file exists and is the one that the log committed to."""
    try:
        check(folder, file)
    except SegmentError:
        return False
    return True


def pieces(folder: Path, file: File, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of a file by row group; SegmentError for a file of another format or schema."""
    try:
        with pq.ParquetFile(folder / file.path) as parquet:
            if parquet.schema_arrow.names != schema.names or parquet.metadata.num_rows != file.rows:
                raise SegmentError(f"segment file {file.path}: other columns or rows than its manifest says; {AGAIN}")
            for number in range(parquet.num_row_groups):
                yield parquet.read_row_group(number).cast(schema)
    except (pa.ArrowException, OSError, ValueError) as problem:  # ValueError: a name that is not UTF-8
        raise SegmentError(f"segment file {file.path} cannot be read: {problem}; {AGAIN}") from None


def tidy(folder: Path, keep: set[str]) -> list[str]:
    """Delete the files of an interrupted sealing: Parquet files that no manifest names."""
    left = [
        str(path.relative_to(folder))
        for pattern in ("*/part-*.parquet*", "period=*/day=*/part-*.parquet*")
        for path in folder.glob(pattern)
        if str(path.relative_to(folder)) not in keep
    ]
    for path in left:
        (folder / path).unlink(missing_ok=True)
    return left
