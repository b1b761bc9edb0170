"""Check that the database still contains every signed entry, under its own type, up to the signed root.

Opening a log checks only its right edge. Commands that move money check all of it first. Otherwise a person who can
write to the database could change an event, or store a hold under a type that nobody reads, and have the month paid
accordingly.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ledger.errors import VerificationError
from ledger.log.append import Log
from ledger.log.store import edge, queries
from ledger.proofs.tree import EMPTY_ROOT, leaf_hashes, root_of

BLOCK: Final = 256
"""Leaves that are folded into one hash before the next are read; a power of two, so that blocks are subtrees."""


class _Typed(msgspec.Struct, frozen=True):
    type: str


_DECODER: Final = msgspec.json.Decoder(_Typed)


def check_whole(log: Log) -> None:
    """Refuse a log whose entries are not those under its signed checkpoint and anchor.

    Every entry is read and hashed, at the cost of one pass over the log.
    """
    anchored = log.anchor.read()  # before the database, which may only be ahead of it
    with log.store.reading() as connection:
        expected = edge.load(connection, log.origin, log.trusted)
        edge.check_anchor(connection, expected, anchored)
        size, done = expected.head.size, 0
        subtrees: list[bytes] = []
        pending: list[bytes] = []
        while done < size:
            rows = queries.typed_page(connection, done, size)
            if not rows:
                raise _broken(log, f"entry {done} is missing")
            for index, kind, body in rows:
                if index != done:
                    raise _broken(log, f"entry {done} is missing")
                if _type(body) != kind:
                    raise _broken(log, f"entry {index} is filed as {kind!r} and is another leaf")
                done += 1
            pending += leaf_hashes([body for _, _, body in rows])
            full = len(pending) - len(pending) % BLOCK
            subtrees += [root_of(pending[start : start + BLOCK]) for start in range(0, full, BLOCK)]
            del pending[:full]
    root = root_of([*subtrees, *([root_of(pending)] if pending else [])]) if size else EMPTY_ROOT
    if root != expected.head.root:
        raise _broken(log, f"its {size} entries hash to {root.hex()[:16]}, its signed checkpoint says otherwise")


def _type(body: bytes) -> str | None:
    try:
        return _DECODER.decode(body).type
    except msgspec.MsgspecError:
        return None


def _broken(log: Log, problem: str) -> VerificationError:
    return VerificationError(
        f"the database of log {log.origin} was changed: {problem}; nothing is calculated, approved or paid by it. "
        "`settle ledger fsck` names the first bad entry, `settle ledger recover` builds the log from an export"
    )
