"""Sources of events in the log: the party of each, and whether its events must be signed.

A `source` leaf, signed by the operator, says it from its index on; the last one of a source counts. A
source without one is anybody's: its events are taken unsigned, as they always were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.errors import VerificationError
from ledger.proofs import leaf
from ledger.proofs.keys import PrivateKey

TYPE: Final = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSource:
    """The content and the index of the last `source` leaf of a source."""

    index: int
    source: str
    party: str | None = None
    signed: bool = False
    """Whether events without the party's signature are refused."""
    log: str | None = None
    """The origin of the log that takes its events; the home log where none is named."""
    declares: bool = False
    """Whether vectors that its party signed for, inside batches, pay for its events."""


@dataclass(frozen=True, slots=True)
class Home:
    """The home log's assignment of sources: each belongs to one log, so that no event counts in two."""

    origin: str
    sources: Mapping[str, EventSource]

    def log_of(self, source: str) -> str:
        """Return the origin of the log that accepts this source's events."""
        source_record = self.sources.get(source)
        return self.origin if source_record is None or source_record.log is None else source_record.log


def make(
    at: datetime,
    *,
    source: str,
    party: str | None,
    signed: bool,
    signer: PrivateKey,
    log: str | None = None,
    follows: int | None = None,
    declares: bool = False,
) -> dict[str, Any]:
    """The leaf that assigns a source's party, and the log that accepts its events.

    `follows` is the index of the source's leaf before it: without it, what is said again within a second would have the
    same signature, and be void as a repetition.
    """
    said = {"source": source, "party": party, "signed": signed, "log": log, "follows": follows}
    return leaf.sign(leaf.make(TYPE, at, **said, declares=declares or None), signer)


def parse(index: int, body: Mapping[str, Any]) -> EventSource:
    """Return the source in this leaf; the caller must check that the operator signed it."""
    source, party, signed, log = (body.get(name) for name in ("source", "party", "signed", "log"))
    if body.get("type") != TYPE or not isinstance(source, str) or not isinstance(signed, bool):
        raise VerificationError(f"leaf {index} does not speak of a source")
    if not all(value is None or isinstance(value, str) for value in (party, log)):
        raise VerificationError(f"source leaf {index}: party {party!r}, log {log!r}: expected a party's id, an origin")
    declares = body.get("declares", False)
    if not isinstance(declares, bool):
        raise VerificationError(f"source leaf {index}: declares is {declares!r}, expected true or false")
    return EventSource(index=index, source=source, party=party, signed=signed, log=log, declares=declares)
