"""Choose the reader of a file of events, by its name or by the caller's choice."""

from __future__ import annotations

from functools import partial
from pathlib import PurePath
from typing import Final

from ledger.errors import InputError
from ledger.ingest import ndjson, tables
from ledger.ingest.naming import Naming
from ledger.ingest.recognise import Reader, of_events

READERS: Final = {"ndjson": ndjson.read, "csv": tables.read_csv, "parquet": tables.read_parquet}
SUFFIXES: Final = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}


def named_as_events(path: PurePath) -> bool:
    """Return whether a file's name is that of an event file (apart from `.gz`); hidden files are unfinished."""
    return not path.name.startswith(".") and PurePath(path.name.removesuffix(".gz")).suffix.lower() in SUFFIXES


def reader_for(name: str, form: str | None = None, naming: Naming | None = None) -> Reader:
    """Return the reader of this format; by default the format that the file's name says, else NDJSON.

    Unknown fields are refused unless `naming` allows them.
    """
    if form is None:
        form = SUFFIXES.get(PurePath(name.removesuffix(".gz")).suffix.lower(), "ndjson")
    if form not in READERS:
        raise InputError(f"format {form!r}; known are {', '.join(READERS)}")
    read = partial(READERS[form], naming=naming)
    return of_events(read) if form == "ndjson" else read
