"""Store how far each partition of a stream was read, and which consumer reads it now.

A side table beside the log, in no proof. A position moves in the transaction that appends the events, so a crash
leaves both or neither. It moves only for the consumer that has the partition and from where that consumer began:
one that was thought dead and wakes up cannot write anything, whatever its clock says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, Text, inspect, or_, select

from ledger.errors import StateError
from ledger.types import format_time
from service.consuming.broker import Start

if TYPE_CHECKING:
    from ledger.log.append import Log

LEASE: Final = timedelta(seconds=30)
"""How long a consumer may be silent before others take its partitions over."""

_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
_METADATA: Final = MetaData()
_POSITION: Final = Table(
    "consume_position",
    _METADATA,
    Column("stream", Text, primary_key=True),
    Column("partition", Text, primary_key=True),
    Column("generation", Text, nullable=False),
    Column("next", _NUMBER, nullable=False),
    Column("mark", Text, nullable=False),
    Column("behind", _NUMBER, nullable=False),
    Column("consumer", Text),
    Column("leased_until", Text),
    sqlite_strict=True,
)
_MEMBER: Final = Table(
    "consume_member",
    _METADATA,
    Column("stream", Text, primary_key=True),
    Column("consumer", Text, primary_key=True),
    Column("leased_until", Text, nullable=False),
    sqlite_strict=True,
)


class LeaseLostError(StateError):
    """Another consumer reads the partition now; nothing of this group was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A partition: the position that is read next, how many messages waited after it, and who reads it."""

    stream: str
    partition: str
    next: int
    behind: int
    consumer: str | None
    leased_until: str | None


def lease(
    log: Log, stream: str, generation: str, partitions: Sequence[str], *, consumer: str, now: datetime
) -> dict[str, Start]:
    """Renew what this consumer reads, give up what is more than its share, take what is free; where each goes on.

    A stream that is not the one whose positions are stored is read from its beginning: what was taken before is
    found to be a duplicate.
    """
    with log.projection() as tx:
        _METADATA.create_all(tx)
        rows = {row.partition: row for row in tx.execute(select(_POSITION).where(_POSITION.c.stream == stream))}
        for name in partitions:
            if name not in rows:
                tx.execute(
                    _POSITION.insert().values(
                        stream=stream, partition=name, generation=generation, next=0, mark="", behind=0
                    )
                )
            elif rows[name].generation != generation:
                fresh = {"generation": generation, "next": 0, "mark": "", "consumer": None, "leased_until": None}
                tx.execute(_row(stream, name).values(**fresh))
        share = ceil(len(partitions) / _members(tx, stream, consumer, now))
        current = tx.execute(select(_POSITION).where(_POSITION.c.stream == stream).order_by(_POSITION.c.partition))
        listed = [row for row in current if row.partition in set(partitions)]
        own = [row for row in listed if row.consumer == consumer]
        for row in own[share:]:
            tx.execute(_row(stream, row.partition).values(consumer=None, leased_until=None))
        free = [row for row in listed if row.consumer is None or row.leased_until <= format_time(now)]
        chosen = [*own[:share], *(row for row in free if row.consumer != consumer)][:share]
        for row in chosen:
            tx.execute(_row(stream, row.partition).values(consumer=consumer, leased_until=format_time(now + LEASE)))
        return {row.partition: Start(row.next, row.mark) for row in chosen}


def _members(tx: Connection, stream: str, consumer: str, now: datetime) -> int:
    """How many consumers share the stream, this one included."""
    tx.execute(
        _MEMBER.delete().where(
            _MEMBER.c.stream == stream,
            or_(_MEMBER.c.leased_until <= format_time(now), _MEMBER.c.consumer == consumer),
        )
    )
    tx.execute(_MEMBER.insert().values(stream=stream, consumer=consumer, leased_until=format_time(now + LEASE)))
    return len(tx.execute(select(_MEMBER.c.consumer).where(_MEMBER.c.stream == stream)).all())


def advance(
    tx: Connection, stream: str, partition: str, *, consumer: str, start: int, following: Start, behind: int
) -> None:
    """Inside the ledger's transaction: the group read from `start` is done, `following` is read next."""
    updated = tx.execute(
        _row(stream, partition)
        .where(_POSITION.c.consumer == consumer, _POSITION.c.next == start)
        .values(next=following.position, mark=following.mark, behind=behind)
    )
    if updated.rowcount != 1:
        raise LeaseLostError(f"{stream}: partition {partition} is read by another consumer now")


def release(log: Log, stream: str, *, consumer: str) -> None:
    """Give everything up, so that others need not wait for the lease to end."""
    with log.projection() as tx:
        _METADATA.create_all(tx)
        own = _POSITION.update().where(_POSITION.c.stream == stream, _POSITION.c.consumer == consumer)
        tx.execute(own.values(consumer=None, leased_until=None))
        tx.execute(_MEMBER.delete().where(_MEMBER.c.stream == stream, _MEMBER.c.consumer == consumer))


def forget(log: Log, stream: str) -> int:
    """Read a stream from its beginning when it is next consumed; how many partitions had a position."""
    with log.projection() as tx:
        _METADATA.create_all(tx)
        return tx.execute(_POSITION.delete().where(_POSITION.c.stream == stream)).rowcount


def listed(log: Log) -> list[Position]:
    """Every partition that was ever consumed."""
    with log.store.reading() as connection:
        if not inspect(connection).has_table(_POSITION.name):
            return []
        rows = connection.execute(select(_POSITION).order_by(_POSITION.c.stream, _POSITION.c.partition)).all()
    return [
        Position(
            stream=row.stream,
            partition=row.partition,
            next=row.next,
            behind=row.behind,
            consumer=row.consumer,
            leased_until=row.leased_until,
        )
        for row in rows
    ]


def _row(stream: str, partition: str) -> Any:
    return _POSITION.update().where(_POSITION.c.stream == stream, _POSITION.c.partition == partition)
