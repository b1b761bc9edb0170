"""The interface that a message broker must implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a partition. `position` grows from message to message; it need not grow by one.

    `mark` tells it from another message at the same position of a stream that was made anew; empty where the
    generation tells that.
    """

    partition: str
    position: int
    body: bytes
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition is read from, and the mark of the message before it that was read last."""

    position: int
    mark: str = ""


class Broker(Protocol):
    """One connection to one stream. Whatever fails raises TransientError; the consumer then opens a new one."""

    @property
    def stream(self) -> str:
        """What positions and quarantine call the stream, such as `nats:EVENTS`."""

    @property
    def generation(self) -> str:
        """What tells this stream from another one of the same name, whose positions mean nothing here."""

    def partitions(self) -> Sequence[str]:
        """The parts that are read independently of each other, each in order."""

    def assign(self, starts: Mapping[str, Start]) -> list[str]:
        """Read these partitions from here on, and no others; says what was dropped, and what is read from the first."""

    def receive(self, most: int, seconds: float) -> list[Message]:
        """Up to so many messages in order; none if nothing came in this time."""

    def behind(self, partition: str) -> int:
        """How many messages wait after the one received last, as far as the broker says."""

    def confirm(self, positions: Mapping[str, int]) -> None:
        """Tell the broker how far the ledger is, for its own figures; nothing depends on it."""

    def close(self) -> None:
        """End the connection."""
