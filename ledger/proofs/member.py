"""Several logs under one home log: the leaves that register a member, and that copy tracks to it.

The home log holds the registry. A `member` leaf there, signed by the operator, registers another log by its
origin and first keys, in the words of a trust file. A member's own `follow` leaf says which tracks the home
log registers, as of a size and root of it; vectors and assignments are logged in the member anew, in the
order of the home log, so that its events bind, and are proven, as in any other log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import leaf, trust
from ledger.proofs.keys import PrivateKey
from ledger.proofs.trust import TrustedLog
from ledger.types import Head

TYPE: Final = "member"
FOLLOW: Final = "follow"
TRACKS_MAX: Final = 200
"""Track ids in one leaf, so that even the longest fit."""


def make(at: datetime, log: TrustedLog, signer: PrivateKey) -> dict[str, Any]:
    """The leaf that registers a log with its first keys."""
    return leaf.sign(leaf.make(TYPE, at, **trust.format_log(log)), signer)


def parse(index: int, body: Mapping[str, Any]) -> TrustedLog:
    """Return the log that a `member` leaf registers; the caller must check that the operator signed it."""
    if body.get("type") != TYPE:
        raise VerificationError(f"leaf {index} registers no log")
    drawn = {} if body.get("form") is None else {"form": body["form"]}
    return trust.parse_log({"origin": body.get("origin"), "keys": body.get("keys"), **drawn})


def follow(at: datetime, home: Head, tracks: Sequence[str], signer: PrivateKey) -> Iterator[dict[str, Any]]:
    """The leaves that copy the home log's tracks to a member; at least one, for the head itself."""
    for start in range(0, max(1, len(tracks)), TRACKS_MAX):
        some = list(tracks[start : start + TRACKS_MAX])
        body = leaf.make(FOLLOW, at, origin=home.origin, size=home.size, root=home.root.hex(), tracks=some)
        yield leaf.sign(body, signer)
