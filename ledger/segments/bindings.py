"""Bindings: numbers for the triples (source, track, vector) of events.

Numbers are given in the order in which triples first appear in the log, so they do not depend on how
the log is cut into segments. Summing by one small integer instead of three texts is what lets an engine
sum a period at the speed at which it reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from ledger.segments import files
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import File, SegmentManifest
from ledger.segments.schema import BINDINGS, KEY, Binding


def as_table(bindings: Iterable[Binding]) -> pa.Table:
    """Return triples as columns of codes: row n is binding n."""
    rows = list(bindings)
    columns = [pa.array([row[number] for row in rows], pa.string()) for number in range(len(KEY))]
    return pa.table([column.dictionary_encode() for column in columns], names=KEY.names)


def numbered(known: pa.Table) -> dict[Binding, int]:
    """Return the number of each triple; the inverse of `as_table`."""
    columns = [column.to_pylist() for column in known.columns]
    return {triple: number for number, triple in enumerate(zip(*columns, strict=True))}


class Known:
    """The bindings of a log while it is being sealed: by triple, and as a table that grows with every segment."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.numbers = numbered(table)

    def grown(self) -> pa.Table:
        """Add the triples numbered since the last call to the table, and return them."""
        new = as_table(list(self.numbers)[self.table.num_rows :])
        self.table = pa.concat_tables([self.table, new]).unify_dictionaries().combine_chunks()
        return new


def more(known: pa.Table, folder: Path, file: File) -> pa.Table:
    """Return the triples with those of one more file, whose numbers follow on."""
    for piece in files.pieces(folder, file, BINDINGS):
        numbers = range(known.num_rows, known.num_rows + piece.num_rows)
        if piece.column("binding").to_pylist() != list(numbers):
            raise SegmentError(f"segment file {file.path} does not go on numbering at {known.num_rows}; {files.AGAIN}")
        coded = [column.dictionary_encode() for column in piece.select(KEY.names).columns]
        known = pa.concat_tables([known, pa.table(coded, names=KEY.names)])
    return known.unify_dictionaries().combine_chunks()


def load(folder: Path, sealed: Sequence[SegmentManifest]) -> pa.Table:
    """Load every triple of these segments, after checking the digests of their files."""
    table = as_table(())
    for manifest in sealed:
        for file in manifest.of("bindings"):
            files.check(folder, file)
            table = more(table, folder, file)
    return table
