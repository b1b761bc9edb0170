"""Prune an exported log: delete the files of its oldest entries; all later entries can still be proven.

Only copies are pruned; the log itself keeps everything. A pruned export says in `minimum` from which
index on it holds the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger.errors import InputError
from ledger.files import PUBLIC, write_whole
from ledger.log.anchor import content
from ledger.proofs.tile import format_path, prunable


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """The result of pruning: the export contains entries from `minimum` on."""

    folder: str
    minimum: int
    removed: int


def prune(folder: Path, minimum: int) -> Pruned:
    """Delete the files below this index that tlog-tiles allows to be missing; the index never goes back."""
    if not (folder / "checkpoint").is_file():
        raise InputError(f"{folder} is not an exported log: it has no checkpoint")
    size = content((folder / "checkpoint").read_bytes()).size
    if not 0 <= minimum <= size:
        raise InputError(f"minimum index {minimum} is not within the exported tree of {size}")
    minimum_path = folder / "minimum"
    previous = int(minimum_path.read_text()) if minimum_path.exists() else 0
    if minimum < previous:
        raise InputError(f"{folder} is pruned below {previous} already; export again for what came before")
    write_whole(
        minimum_path, f"{minimum}\n".encode(), mode=PUBLIC
    )  # first: from here on nobody is promised what is about to go
    removed = 0
    for level, n in prunable(minimum):
        path = folder / format_path(level, n)
        if path.exists():
            path.unlink()
            removed += 1
    return Pruned(folder=str(folder), minimum=minimum, removed=removed)
