"""Check that another log only grows: compare with the last close, and with its largest size seen since.

A log that is rolled back together with its anchor is consistent in itself. Only an observer that saw a larger size can
detect this, so a home log's workspace records the largest size seen of each of its logs in `logs-seen.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ledger.errors import StateError, VerificationError
from ledger.files import write_whole
from ledger.log.append import Log
from ledger.proofs import tree
from ledger.types import Digest

SEEN: Final = "logs-seen.json"
Extent = tuple[int, Digest]
"""How far a log had come: its size and its root there."""


def check_extends(log: Log, extents: Sequence[Extent], *, where: str = "listed") -> None:
    """Refuse a log that is smaller than its recorded size, or has another tree at that size."""
    head = log.head()
    for size, root in extents:
        if head.size < size:
            raise VerificationError(
                f"log {log.origin} ends at {head.size}, and was {where} with {size} entries: it was rolled back, or "
                "this is an old copy"
            )
        if size and (computed := tree.root(size, log.read).hex()) != root:
            raise VerificationError(
                f"log {log.origin} has root {computed} at size {size}, and was {where} with {root}: a fork"
            )


def check_seen(home: Path, log: Log) -> None:
    """Refuse a log that this workspace has seen with a larger size or another tree."""
    if (extent := _seen(home).get(log.origin)) is not None:
        check_extends(log, [extent], where="seen")


def keep_seen(home: Path, log: Log) -> None:
    """Record the log's size, after checking that it extends the recorded one."""
    check_seen(home, log)
    head, seen = log.head(), _seen(home)
    if seen.get(log.origin) == (head.size, head.root.hex()):
        return
    seen[log.origin] = head.size, head.root.hex()
    document = {origin: {"size": size, "root": root} for origin, (size, root) in sorted(seen.items())}
    write_whole(home / SEEN, (json.dumps(document, indent=2) + "\n").encode())


def _seen(home: Path) -> dict[str, Extent]:
    path = home / SEEN
    try:
        document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {str(origin): (int(head["size"]), str(head["root"])) for origin, head in document.items()}
    except (ValueError, AttributeError, LookupError, TypeError) as problem:
        raise StateError(
            f"{path}: {problem!r}; without it a rollback of another log may go undetected: restore it from a "
            "copy, or remove it to start again"
        ) from None
