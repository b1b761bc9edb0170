"""Engines that sum usage. Every engine gives the same result."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ledger.segments.check import check_files
from ledger.segments.manifest import File
from payouts.usage.segments import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir

MEMORY_MIB: Final = 256
"""What DuckDB may keep in memory; beyond it, it goes on in temporary files."""


class DuckDB:
    """In this process, on this machine's cores."""

    name = "duckdb"

    def __init__(self, temporary: str, *, memory_mib: int = MEMORY_MIB, threads: int | None = None) -> None:
        import ibis

        self._ibis = ibis
        self._connection: Any = ibis.duckdb.connect(
            threads=threads or os.cpu_count() or 1,
            memory_limit=f"{memory_mib}MiB",
            temp_directory=temporary,
            preserve_insertion_order=False,
        )
        self._connection.con.execute("SET enable_progress_bar = false")

    def check(self, base: str, files: Sequence[File]) -> None:
        check_files(Path(base), files)

    def scan(self, paths: Sequence[str]) -> ir.Table:
        return self._connection.read_parquet(list(paths), hive_partitioning=False)

    def local(self, rows: pa.Table) -> ir.Table:
        return self._ibis.memtable(rows)

    def run(self, expression: ir.Table) -> pa.Table:
        return self._connection.to_pyarrow(expression)

    def close(self) -> None:
        self._connection.disconnect()


@contextmanager
def duckdb_engine(*, memory_mib: int = MEMORY_MIB, threads: int | None = None) -> Iterator[Engine]:
    """DuckDB with a memory limit and a folder of its own to spill into."""
    with TemporaryDirectory(prefix="settle-usage-") as temporary:
        engine = DuckDB(temporary, memory_mib=memory_mib, threads=threads)
        try:
            yield engine
        finally:
            engine.close()
