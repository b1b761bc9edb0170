"""Consume events: receive, decode, and append them in one transaction with the positions.

Whatever crashes, a message is either in the ledger with its position or will be received again; and an event that
comes again is found to be a duplicate by its id. What cannot be read goes to quarantine with its stream, partition
and position, so that it stops nobody.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, SettleError, TransientError
from ledger.ingest import ndjson
from ledger.ingest.acknowledged import Counts, Handed
from ledger.ingest.blocks import KEPT, LINE_MAX, LineBlock
from ledger.ingest.naming import Naming
from ledger.ingest.rows import RowRefusal, Rows
from service.consuming import positions
from service.consuming.broker import Broker, Message, Start
from service.consuming.positions import LEASE, LeaseLostError
from service.log.intake import GROUP_EVENTS, decoded

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.log.intake import Intake
    from service.standing import Standing

GROUP_BYTES: Final = 1 << 20
"""Of messages to a commit: some 5,000 events."""
FIRST_MESSAGES: Final = 16
"""Asked for before it is known how long messages are."""
WAIT_SECONDS: Final = 0.5
"""For a first message; after it the lease is looked at, and whether to stop."""
PLAIN_MAX: Final = 64 << 20
"""Of one message, decompressed."""
LINES_MAX: Final = 50_000
"""Of one message; more are no message of ours, and would fill quarantine line by line."""
BACKOFF_SECONDS: Final = (0.1, 0.5, 2.0, 5.0)
"""Between attempts while a broker or the database is away; the last one repeats."""
_GZIP: Final = b"\x1f\x8b"


@dataclass(slots=True, kw_only=True)
class Consumed:
    """What one consumer did: messages, and what became of their events."""

    messages: int = 0
    poisoned: int = 0
    counts: Counts = field(default_factory=Counts)


class Consumer:
    """One consumer of one stream. `turn` does what is there; `run` goes on until it is told to stop."""

    def __init__(
        self,
        standing: Standing,
        intake: Intake,
        connect: Callable[[], Broker],
        *,
        name: str,
        say: Callable[[str], None],
        source: str | None = None,
    ) -> None:
        """With a `source`, events that speak for another one go to quarantine."""
        self._standing, self._intake, self._connect = standing, intake, connect
        self._name, self._say, self._source = name, say, source
        self._broker: Broker | None = None
        self._stream: str | None = None
        self._positions: dict[str, Start] = {}
        self._leased_at: datetime | None = None
        self._began: datetime | None = None
        self._message_bytes = GROUP_BYTES // FIRST_MESSAGES
        self.consumed: Final = Consumed()

    @property
    def idle(self) -> bool:
        """Whether every partition has been read, as far as the broker says; or those that no other consumer reads.

        Others may be dead: their partitions are waited for as long as a lease can last.
        """
        broker = self._broker
        if broker is None or self._leased_at is None or self._began is None:
            return False
        alone = len(self._positions) == len(broker.partitions())
        return (alone or self._leased_at - self._began >= LEASE) and not any(map(broker.behind, self._positions))

    def run(self, stop: Event, *, drain: bool = False) -> None:
        """Until `stop`, or with `drain` until nothing is left to read. What fails for a while is tried again."""
        failures = 0
        while not stop.is_set():
            try:
                count = self.turn()
                failures = 0
                if drain and not count and self.idle:
                    return
            except TransientError as problem:
                self._say(f"{problem}; trying again")
                self._disconnect()
                stop.wait(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
                failures += 1

    def turn(self) -> int:
        """Receive once and append what came; how many messages."""
        broker = self._connected()
        self._lease_when_due(broker)
        limit = max(1, min(GROUP_EVENTS, GROUP_BYTES // self._message_bytes))
        messages = [message for message in broker.receive(limit, WAIT_SECONDS) if message.partition in self._positions]
        if not messages:
            return 0
        self._message_bytes = max(1, sum(len(message.body) for message in messages) // len(messages))
        following = {message.partition: Start(message.position + 1, message.mark) for message in messages}
        try:
            self._append(broker, messages, following)
        except LeaseLostError as problem:
            self._say(str(problem))
            self._leased_at = None
            return 0
        except SettleError:
            self._disconnect()  # how far the ledger is, is for the ledger to say
            raise
        self._positions |= following
        broker.confirm({partition: start.position for partition, start in following.items()})
        return len(messages)

    def close(self) -> None:
        """Give connection and partitions back; the partitions also where the broker is away."""
        self._disconnect()
        if self._stream is not None:
            with self._standing.workspace() as ws:
                positions.release(ws.log, self._stream, consumer=self._name)

    def _connected(self) -> Broker:
        if self._broker is None:
            self._broker = self._connect()
            self._stream = self._broker.stream
            self._leased_at = None
        return self._broker

    def _disconnect(self) -> None:
        if self._broker is not None:
            self._broker.close()
        self._broker, self._positions = None, {}

    def _lease_when_due(self, broker: Broker) -> None:
        with self._standing.workspace() as ws:
            now = ws.clock()
            if self._leased_at is not None and now - self._leased_at < LEASE / 4:
                return
            leased = positions.lease(
                ws.log, broker.stream, broker.generation, broker.partitions(), consumer=self._name, now=now
            )
        if self._leased_at is None or leased != self._positions:
            for line in broker.assign(leased):
                self._say(line)
        self._positions, self._leased_at, self._began = leased, now, self._began or now

    def _append(self, broker: Broker, messages: Sequence[Message], following: Mapping[str, Start]) -> None:
        """One transaction: the events of all messages, and how far each partition is then."""
        parts, poisoned = [], 0
        for message in messages:
            rows, readable = _rows(message)
            poisoned += not readable
            name = f"{broker.stream}/{message.partition}@{message.position}"
            parts.append(Handed(rows=rows, name=name, source=self._source))
        parts[-1] = Handed(
            rows=parts[-1].rows,
            name=parts[-1].name,
            source=self._source,
            record=partial(self._advance, broker, following),
        )
        for done in self._intake.take_together(parts):
            self.consumed.counts.add(done.counts)
        self.consumed.messages += len(messages)
        self.consumed.poisoned += poisoned

    def _advance(self, broker: Broker, following: Mapping[str, Start], tx: Connection) -> None:
        for partition, start in following.items():
            positions.advance(
                tx,
                broker.stream,
                partition,
                consumer=self._name,
                start=self._positions[partition].position,
                following=start,
                behind=broker.behind(partition),
            )


def _rows(message: Message) -> tuple[Rows, bool]:
    """The events of a message; as a whole refused, and False, where it is nothing that can be read by lines."""
    try:
        body = _plain(message.body)
        if body.count(b"\n") > LINES_MAX:
            raise InputError(f"the message has more than {LINES_MAX:,} lines")
        if len(body) <= LINE_MAX:
            return ndjson.decode(LineBlock(1, body, 0), Naming()), True
        return decoded(body, "ndjson", "the message", Naming()), True
    except InputError as problem:
        return _whole(message.body, str(problem)), False


def _plain(body: bytes) -> bytes:
    if not body.startswith(_GZIP):
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            plain = file.read(PLAIN_MAX + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        raise InputError(f"the message's compressed data is cut off or damaged ({problem})") from None
    if len(plain) > PLAIN_MAX:
        raise InputError(f"the message is more than {PLAIN_MAX:,} bytes long when decompressed")
    return plain


def _whole(body: bytes, reason: str) -> Rows:
    """A message that is no lines of events, as one row of quarantine."""
    if len(body) > LINE_MAX:
        body, reason = body[:KEPT], f"{reason}; only the first {KEPT:,} of {len(body):,} bytes are kept"
    return Rows([], lambda _: 0, lambda _: b"", [RowRefusal(1, body, reason)])
