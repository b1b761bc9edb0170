"""Which reader a file of events needs, by its name or by what the caller says."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from ledger.errors import InputError
from ledger.ingest import ndjson, tables
from ledger.ingest.recognise import Reader, of_events

READERS: Final[dict[str, Reader]] = {
    "ndjson": of_events(ndjson.read),
    "csv": tables.read_csv,
    "parquet": tables.read_parquet,
}
_SUFFIXES: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".csv": "csv", ".parquet": "parquet"}


def reader_for(name: str, form: str | None = None) -> Reader:
    """The reader of this format; without one, the format that the file's name says (`.gz` aside), else NDJSON."""
    if form is None:
        form = _SUFFIXES.get(PurePath(name.removesuffix(".gz")).suffix.lower(), "ndjson")
    if form not in READERS:
        raise InputError(f"format {form!r}; known are {', '.join(READERS)}")
    return READERS[form]
