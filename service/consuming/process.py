"""`settle consume` as a process: it stops at a signal, after the group that it has received."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from ledger.ingest.checks import check_id
from service.consuming import positions
from service.consuming.broker import Broker
from service.consuming.consumer import Consumer
from service.log.intake import Intake
from service.scheduler.process import holder_name
from service.standing import Standing
from service.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumedStream:
    """The result for a stream's messages. read = accepted + duplicates + conflicts + quarantined."""

    messages: int
    poisoned: int
    read: int
    accepted: int
    unresolved: int
    duplicates: int
    conflicts: int
    quarantined: int


def consume(
    ws: Workspace,
    connect: Callable[[], Broker],
    *,
    source: str | None,
    drain: bool,
    again: bool,
    say: Callable[[str], None],
) -> ConsumedStream:
    """Consume until SIGTERM or SIGINT, or with `drain` until nothing is left."""
    if source is not None:
        check_id(source, "source")
    broker = connect()  # a mistyped URL is told at once, not tried again and again
    stream = broker.stream
    broker.close()
    if again:
        positions.forget(ws.log, stream)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    standing = Standing(ws, ("log", "attribution"))
    consumer = Consumer(
        standing, Intake(standing), connect, name=holder_name(), say=lambda line: say(f"settle: {line}"), source=source
    )
    try:
        try:
            consumer.run(stop, drain=drain)
        finally:  # whatever ends it: others need not wait for its leases to run out
            consumer.close()
    finally:
        standing.close()
    done = consumer.consumed
    return ConsumedStream(
        messages=done.messages,
        poisoned=done.poisoned,
        read=done.counts.read,
        accepted=done.counts.accepted,
        unresolved=done.counts.unresolved,
        duplicates=done.counts.duplicates,
        conflicts=done.counts.conflicts,
        quarantined=done.counts.quarantined,
    )
