"""The items that callers submit and the acknowledgements that they get, shared by all ways into a log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.ingest.quarantine import Kind
from ledger.ingest.rows import RowRefusal, Rows
from ledger.log.append import Appended


@dataclass(slots=True, kw_only=True)
class Counts:
    """read = accepted + duplicates + conflicts + quarantined; unresolved is the part of accepted without a vector."""

    read: int = 0
    accepted: int = 0
    unresolved: int = 0
    duplicates: int = 0
    conflicts: int = 0
    quarantined: int = 0

    def add(self, more: Counts) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(more, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A batch that is in the log: keys of the accepted events, (source, event id, index) of the duplicates.

    `first` is the index of the first accepted event; the others follow without gaps. `refused` are the rows that went
    to quarantine. `appended` is None where the whole transaction appended nothing.
    """

    appended: Appended | None
    first: int
    keys: Sequence[tuple[str, str]]
    duplicates: list[tuple[str, str, int]]
    refused: Sequence[tuple[Kind, RowRefusal]]
    counts: Counts

    @property
    def accepted(self) -> list[tuple[str, str, int]]:
        """Every accepted event with its index."""
        return [(source, event_id, index) for index, (source, event_id) in enumerate(self.keys, start=self.first)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """The rows of one caller, and their origin for quarantine.

    With a `source`, rows of every other go to quarantine. `record` writes what must become durable together with them,
    such as a broker's position: it is called inside the transaction, and again at each retry.
    """

    rows: Rows
    name: str
    source: str | None = None
    record: Callable[[Connection], None] | None = None
