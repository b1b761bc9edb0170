"""Stream events and log entries as msgspec structs, which decode fast enough for millions.

Apart from `ledger.types`, so that the verifier needs nothing but the standard library and
cryptography.
"""

from __future__ import annotations

from typing import Any

import msgspec


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One stream as a platform reports it.

    `vector` is a declaration, or the digest of one that the log holds. A declaration and `listener` never enter a leaf.
    """

    source: str
    event_id: str
    track: str
    occurred_at: str
    territory: str
    units: int
    product: str | None = None
    gross_micros: int | None = None
    currency: str | None = None
    listener: str | None = None
    vector: dict[str, Any] | str | None = None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A leaf in its place. `body` is canonical JSON; `ledger.proofs.canon.decode` reads it."""

    index: int
    body: bytes


class EventLeaf(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event as the log holds it. Fields stand in sorted order, so that encoding one is canonical.

    True of the strings the log admits (printable ones): `ledger.proofs.canon` would write the same bytes.
    """

    currency: str | msgspec.UnsetType = msgspec.UNSET
    event_id: str
    gross_micros: int | msgspec.UnsetType = msgspec.UNSET
    listener: str | msgspec.UnsetType = msgspec.UNSET
    occurred_at: str
    product: str | msgspec.UnsetType = msgspec.UNSET
    source: str
    territory: str
    track: str
    type: str = "event"
    units: int
    v: int = 1
    vector: str | None


class EventBody(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says, as a platform signs it: `ledger.proofs.batch.body` would write the same bytes."""

    currency: str | msgspec.UnsetType = msgspec.UNSET
    event_id: str
    gross_micros: int | msgspec.UnsetType = msgspec.UNSET
    occurred_at: str
    product: str | msgspec.UnsetType = msgspec.UNSET
    source: str
    territory: str
    track: str
    units: int
