"""All kinds of bundles: the log's own, and those of other packages, which are loaded when needed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

from ledger.errors import InputError, VerificationError
from ledger.proofs import trust as trusting
from ledger.proofs import verify
from ledger.proofs.retired import LogCopy
from ledger.proofs.trust import Trust
from ledger.proofs.verify import Examination, Kind, Report

ROOMS: Final[dict[str, str]] = {
    # kind of bundle: "module:function" that adds its steps
    "claim": "contracts.claims:examine",
    "membership": "ledger.registry.membership:examine",
    "run": "payouts.bundles:check_run",
    "statement": "payouts.bundles:check_statement",
}


def _load(place: str) -> Kind:
    module, _, name = place.partition(":")

    def check(examination: Examination, document: dict[str, Any]) -> None:
        getattr(importlib.import_module(module), name)(examination, document)

    return check


KINDS: Final = {**verify.KINDS, **{kind: _load(place) for kind, place in ROOMS.items()}}


def read_file(path: Path) -> bytes:
    """Read a named file; InputError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror or problem}") from None


_FOR_READING: Final = {b"%pdf-": "a PDF", b"<!doctype html": "a page", b"<html": "a page"}


def read_bundle(path: Path) -> bytes:
    """Read a bundle file; the error for a file made for people (such as a PDF statement) says what it is."""
    data = read_file(path)
    start = data[:512].lstrip().lower()
    for beginning, what in _FOR_READING.items():
        if start.startswith(beginning):
            raise InputError(
                f"{path} is {what}, not a bundle, and can only be read; ask the sender for the .bundle file"
            )
    return data


def read_trust(path: Path) -> Trust:
    """Read a trust file; another file is a usage error (InputError), not a failed verification."""
    try:
        return trusting.parse(read_file(path))
    except VerificationError as problem:
        raise InputError(
            f"{path} is not a trust file: {problem}; expected the trust.json that the log's operator publishes "
            "(settle key export, or trust.json in the workspace)"
        ) from None


def read_log(folder: Path) -> LogCopy:
    """Read the exported log in a folder, or in an exported period, for proofs under a retired log key."""
    from ledger.log.recover import read_copy

    return read_copy(folder / "log" if (folder / "log").is_dir() else folder)


def verify_bundle(data: bytes, trust: Trust | None, copy: LogCopy | None = None) -> Report:
    """Verify a bundle of any kind; a newer copy of its log is needed if its log key has retired since."""
    return verify.verify_bundle(data, trust, kinds=KINDS, copy=copy)
