"""The queries on a log's tables, the same for every database.

Each function takes an open connection, so that one snapshot can answer several questions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select, text
from sqlmodel import col

from ledger.errors import VerificationError
from ledger.event import Entry
from ledger.log.store.schema import BlobRow, CheckpointRow, EntryRow, EventRow, SaltRow, TileRow, TrackProjection
from ledger.proofs.canon import INT_MAX

PAGE: Final = 4096
"""Entries read at a time: a long read never keeps a transaction open."""


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint as stored, with the chain head at its size."""

    size: int
    root: bytes
    chain: bytes
    note: bytes


def last_checkpoint(connection: Connection) -> StoredCheckpoint | None:
    """Return the newest signed checkpoint."""
    return _signed(connection, select(*_CHECKPOINT).order_by(col(CheckpointRow.size).desc()).limit(1))


def checkpoint_at(connection: Connection, size: int) -> StoredCheckpoint | None:
    """Return the checkpoint of exactly this size."""
    return _signed(connection, select(*_CHECKPOINT).where(col(CheckpointRow.size) == size))


def checkpoint_covering(connection: Connection, index: int) -> StoredCheckpoint | None:
    """Return the first checkpoint that covers this entry: the one with which it was acknowledged."""
    query = select(*_CHECKPOINT).where(col(CheckpointRow.size) > index).order_by(col(CheckpointRow.size)).limit(1)
    return _signed(connection, query)


_CHECKPOINT: Final = (
    col(CheckpointRow.size),
    col(CheckpointRow.root),
    col(CheckpointRow.chain),
    col(CheckpointRow.note),
)


def _signed(connection: Connection, query: Any) -> StoredCheckpoint | None:
    row = connection.execute(query).first()
    return None if row is None else StoredCheckpoint(row[0], bytes(row[1]), bytes(row[2]), bytes(row[3]))


def checkpoints(connection: Connection) -> Iterator[StoredCheckpoint]:
    """Every checkpoint, smallest first."""
    for size, root, chain, note in connection.execute(select(*_CHECKPOINT).order_by(col(CheckpointRow.size))).all():
        yield StoredCheckpoint(size, bytes(root), bytes(chain), bytes(note))


def entry_count(connection: Connection) -> int:
    """Return the number of stored entries; indexes have no gaps."""
    return int(connection.execute(select(func.coalesce(func.max(col(EntryRow.idx)) + 1, 0))).scalar_one())


def read_tile(connection: Connection, level: int, n: int) -> bytes:
    """The hashes of a tile; VerificationError if it is missing."""
    query = select(col(TileRow.hashes)).where(col(TileRow.level) == level, col(TileRow.n) == n)
    data = connection.execute(query).scalar_one_or_none()
    if data is None:
        raise VerificationError(f"tile {level}/{n} is missing from the log's database")
    return bytes(data)


def page(
    connection: Connection, start: int, stop: int, types: Collection[str] | None = None, limit: int = PAGE
) -> list[Entry]:
    """Return at most `limit` entries of `[start, stop)` in order, optionally only those of some types."""
    query = select(col(EntryRow.idx), col(EntryRow.body)).where(col(EntryRow.idx) >= start, col(EntryRow.idx) < stop)
    if types is not None:
        query = query.where(col(EntryRow.type).in_(sorted(types)))
        if "event" not in types:
            query = query.where(text("type <> 'event'"))  # as the index says it, so that the planner sees the match
    rows = connection.execute(query.order_by(col(EntryRow.idx)).limit(limit))
    return [Entry(index, bytes(body)) for index, body in rows]


def of_type(connection: Connection, kind: str) -> list[Entry]:
    """Every entry of one of the rarer types."""
    return page(connection, 0, INT_MAX, [kind], limit=INT_MAX)


def of_types(connection: Connection, kinds: Collection[str]) -> list[Entry]:
    """Every entry of these rarer types, in order."""
    return page(connection, 0, INT_MAX, kinds, limit=INT_MAX)


def last_of_type(connection: Connection, kind: str) -> Entry | None:
    """The newest entry of one of the rarer types."""
    query = select(col(EntryRow.idx), col(EntryRow.body)).where(col(EntryRow.type) == kind, text("type <> 'event'"))
    row = connection.execute(query.order_by(col(EntryRow.idx).desc()).limit(1)).first()
    return None if row is None else Entry(row[0], bytes(row[1]))


def typed_page(connection: Connection, start: int, stop: int, limit: int = PAGE) -> list[tuple[int, str, bytes]]:
    """(index, type, bytes) of entries in `[start, stop)`, at most `limit`, as they are stored."""
    query = select(col(EntryRow.idx), col(EntryRow.type), col(EntryRow.body)).where(
        col(EntryRow.idx) >= start, col(EntryRow.idx) < stop
    )
    rows = connection.execute(query.order_by(col(EntryRow.idx)).limit(limit))
    return [(index, kind, bytes(body)) for index, kind, body in rows]


def bodies(connection: Connection, indexes: Sequence[int]) -> dict[int, bytes]:
    """Return the bytes of these entries, by index."""
    if not indexes:  # an empty list has no type in PostgreSQL
        return {}
    rows = connection.execute(
        select(col(EntryRow.idx), col(EntryRow.body)).where(col(EntryRow.idx).in_(_values(connection, indexes)))
    )
    return {int(index): bytes(body) for index, body in rows}


def last_bodies(connection: Connection, start: int, limit: int) -> list[bytes]:
    """Return the bytes of the last entries from `start` on that are not events, at most `limit`."""
    query = select(col(EntryRow.idx)).where(text("type <> 'event'")).order_by(text("idx + 0 DESC")).limit(limit)
    indexes = [index for index in connection.execute(query).scalars() if index >= start]
    return list(bodies(connection, indexes).values())


def blob(connection: Connection, digest: bytes) -> bytes | None:
    """Return a content-addressed blob."""
    data = connection.execute(select(col(BlobRow.data)).where(col(BlobRow.digest) == digest)).scalar_one_or_none()
    return None if data is None else bytes(data)


def blob_digests(connection: Connection) -> list[bytes]:
    """Return the digests of all content-addressed blobs."""
    return [bytes(digest) for digest in connection.execute(select(col(BlobRow.digest))).scalars()]


def find_event(connection: Connection, source: str, event_id: str) -> int | None:
    """The index of a source's event."""
    query = select(col(EventRow.idx)).where(col(EventRow.source) == source, col(EventRow.event_id) == event_id)
    return connection.execute(query).scalar_one_or_none()


def sources(connection: Connection) -> list[str]:
    """Return every source with stored events; takes one look-up per source."""
    names: list[str] = []
    query = select(func.min(col(EventRow.source)))
    while (name := connection.execute(query).scalar_one()) is not None:
        names.append(name)
        query = select(func.min(col(EventRow.source))).where(col(EventRow.source) > name)
    return names


def has_events(connection: Connection, source: str) -> bool:
    """Return whether any event of a source is stored."""
    query = select(col(EventRow.idx)).where(col(EventRow.source) == source).limit(1)
    return connection.execute(query).first() is not None


def find_event_id(connection: Connection, event_id: str) -> list[tuple[str, int]]:
    """Return (source, index) of every event with this id; scans all events, because ids are unique only per source."""
    query = select(col(EventRow.source), col(EventRow.idx)).where(col(EventRow.event_id) == event_id)
    return [(source, int(index)) for source, index in connection.execute(query.order_by(col(EventRow.source)))]


def find_events(connection: Connection, source: str, event_ids: Sequence[str]) -> dict[str, int]:
    """Return the index of each of these ids that the source has used already."""
    rows = connection.execute(
        select(col(EventRow.event_id), col(EventRow.idx)).where(
            col(EventRow.source) == source, col(EventRow.event_id).in_(_values(connection, event_ids))
        )
    )
    return {event_id: int(index) for event_id, index in rows}


def find_tracks(connection: Connection, ids: Sequence[str]) -> dict[str, str | None]:
    """Return the vector assigned to each of these tracks that is registered."""
    rows = connection.execute(
        select(col(TrackProjection.id), col(TrackProjection.vector)).where(
            col(TrackProjection.id).in_(_values(connection, ids))
        )
    )
    return {track: vector for track, vector in rows}  # noqa: C416  rows are not pairs to dict()


def find_assignment(connection: Connection, track: str) -> tuple[str, int] | None:
    """Return the vector that is assigned to a track now, and the index of the assignment."""
    query = select(col(TrackProjection.vector), col(TrackProjection.assigned_idx)).where(
        col(TrackProjection.id) == track
    )
    row = connection.execute(query).first()
    return None if row is None or row[0] is None or row[1] is None else (row[0], int(row[1]))


def find_salts(connection: Connection, source: str, period: str, listeners: Sequence[str]) -> dict[str, bytes]:
    """The salts stored for these listeners of a source in a period."""
    rows = connection.execute(
        select(col(SaltRow.listener), col(SaltRow.salt)).where(
            col(SaltRow.source) == source,
            col(SaltRow.period) == period,
            col(SaltRow.listener).in_(_values(connection, listeners)),
        )
    )
    return {listener: bytes(salt) for listener, salt in rows}


def assignments(connection: Connection) -> Iterator[tuple[str, str, int]]:
    """(track, vector digest, index of the assignment) of every assigned track."""
    query = select(col(TrackProjection.id), col(TrackProjection.vector), col(TrackProjection.assigned_idx))
    for track, vector, index in connection.execute(query.where(col(TrackProjection.vector).is_not(None))):
        if vector is not None and index is not None:
            yield track, vector, index


def _values(connection: Connection, values: Sequence[Any]) -> Any:
    """Bind a list of any length as one parameter, so that the statement is prepared once."""
    if connection.dialect.name == "sqlite":
        return select(text("value")).select_from(text("json_each(:listed)")).params(listed=json.dumps(list(values)))
    kind = "bigint" if values and isinstance(values[0], int) else "text"
    return (
        select(text("listed"))
        .select_from(text(f"unnest(CAST(:listed AS {kind}[])) AS listed"))
        .params(listed=list(values))
    )
