"""Kafka: partitions are assigned by the ledger's leases and read from its positions; groups are not used.

The position is also committed to the broker, under the group `settle`, so that its own tools show how far we are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from ledger.errors import InputError, TransientError
from service.consuming.broker import Message, Start

GROUP: Final = "settle"
ASK_SECONDS: Final = 10.0
_FIXED: Final = frozenset(
    {"bootstrap.servers", "group.id", "enable.auto.commit", "auto.offset.reset", "enable.partition.eof"}
)


class KafkaTopic:
    """One topic over one client."""

    def __init__(self, servers: str, topic: str, properties: Mapping[str, str]) -> None:
        self.stream: Final = f"kafka:{topic}"
        self._topic = topic
        self._next: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        settings = {
            # What fails is said by us; librdkafka would write it on standard error as well, twenty times a second.
            "log_level": 2,
            **properties,
            "bootstrap.servers": servers,
            "group.id": GROUP,
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            # A position that the broker no longer has is said, not passed over.
            "auto.offset.reset": "error",
        }
        try:
            self._consumer = Consumer(settings)
        except KafkaException as problem:  # nothing has been asked of a broker yet: the settings are wrong
            raise InputError(f"settings of librdkafka: {problem.args[0].str()}") from None
        try:
            listing = self._asked(lambda: self._consumer.list_topics(topic, timeout=ASK_SECONDS))
            about = listing.topics[topic]
            if about.error is not None:
                raise InputError(f"{servers} has no topic {topic!r}: {about.error.str()}")
        except BaseException:
            self.close()
            raise
        self.generation: Final = str(listing.cluster_id)
        self._partitions = tuple(str(number) for number in sorted(about.partitions))

    def _asked(self, ask: Any) -> Any:
        try:
            return ask()
        except KafkaException as problem:
            raise TransientError(f"{self.stream}: {problem.args[0].str()}") from problem

    def partitions(self) -> Sequence[str]:
        return self._partitions

    def assign(self, starts: Mapping[str, Start]) -> list[str]:
        offsets, said = [], []
        for name, stored in starts.items():
            position = stored.position
            partition = TopicPartition(self._topic, int(name))
            low, high = self._asked(lambda at=partition: self._consumer.get_watermark_offsets(at, timeout=ASK_SECONDS))
            start = position
            if position > high:  # the topic was made anew: what we have already is found to be a duplicate
                start = low
                said.append(f"{self.stream}: partition {name} ends at {high}, not at {position}; read from {low}")
            elif position < low:
                start = low
                if position:
                    said.append(
                        f"{self.stream}: messages {position} to {low - 1} of partition {name} were dropped by the "
                        "broker before they were read"
                    )
            elif stored.mark and position > low and self._mark_at(name, position - 1) != stored.mark:
                start = low
                said.append(
                    f"{self.stream}: message {position - 1} of partition {name} is not the one that was read: the "
                    f"topic was made anew or compacted; read from {low}"
                )
            self._next[name], self._ends[name] = start, high
            offsets.append(TopicPartition(self._topic, int(name), start))
        self._asked(lambda: self._consumer.assign(offsets))
        return said

    def _mark_at(self, name: str, position: int) -> str:
        """The mark of the message at a position; empty if the broker has none there.

        A topic that was deleted and made anew counts from 0 again. Once it has grown past our position, only the
        message before it shows that: otherwise all messages up to there would be skipped.
        """
        self._asked(lambda: self._consumer.assign([TopicPartition(self._topic, int(name), position)]))
        received = self._asked(lambda: self._consumer.consume(1, ASK_SECONDS))
        if not received or received[0].error() is not None:
            raise TransientError(f"{self.stream}: message {position} of partition {name} could not be read")
        return _mark(received[0]) if received[0].offset() == position else ""

    def receive(self, most: int, seconds: float) -> list[Message]:
        received = []
        for message in self._asked(lambda: self._consumer.consume(most, seconds)):
            if (problem := message.error()) is not None:
                raise TransientError(f"{self.stream}: {problem.str()}")
            body = message.value() or b""
            received.append(Message(str(message.partition()), message.offset(), body, _mark(message)))
            self._next[received[-1].partition] = message.offset() + 1
        return received

    def behind(self, partition: str) -> int:
        _, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, int(partition)), cached=True)
        return max(0, max(high, self._ends[partition]) - self._next[partition])

    def confirm(self, positions: Mapping[str, int]) -> None:
        offsets = [TopicPartition(self._topic, int(name), following) for name, following in positions.items()]
        with suppress(KafkaException):
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        with suppress(KafkaException, RuntimeError):
            self._consumer.close()


def _mark(message: Any) -> str:
    """A digest of time and body: whoever sends the same events again sends them at another time."""
    return hashlib.sha256(f"{message.timestamp()[1]}\n".encode() + (message.value() or b"")).hexdigest()


def read_properties(path: Path) -> dict[str, str]:
    """A file of librdkafka's settings, `name=value` a line: security.protocol, sasl.username, ssl.ca.location."""
    properties = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or name.strip() in _FIXED:
            raise InputError(f"{path}, line {number}: expected name=value, and not {', '.join(sorted(_FIXED))}")
        properties[name.strip()] = value.strip()
    return properties
