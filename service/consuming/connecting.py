"""Choose the broker of a URL, and connect to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from ledger.errors import InputError

if TYPE_CHECKING:
    from service.consuming.broker import Broker

SCHEMES: Final = ("nats", "tls", "kafka")


def opener(url: str, *, subjects: Sequence[str] = (), credentials: Path | None = None) -> Callable[[], Broker]:
    """How to connect to what a URL names: `nats://HOST:PORT/STREAM` or `kafka://HOST:PORT/TOPIC`."""
    parts = urlsplit(url)
    name = parts.path.strip("/")
    if parts.scheme not in SCHEMES or not parts.netloc or not name or "/" in name:
        raise InputError(f"{url!r}: expected nats://HOST:PORT/STREAM or kafka://HOST:PORT/TOPIC")
    if "@" in parts.netloc:
        raise InputError("a URL with a password shows it to everybody on this machine; name a file with --credentials")
    if credentials is not None and not credentials.is_file():
        raise InputError(f"no file {credentials}")
    return (
        _kafka(parts, name, subjects, credentials)
        if parts.scheme == "kafka"
        else _nats(parts, name, subjects, credentials)
    )


def _kafka(parts: SplitResult, topic: str, subjects: Sequence[str], credentials: Path | None) -> Callable[[], Broker]:
    from service.consuming.kafka import KafkaTopic, read_properties

    if subjects:
        raise InputError("a Kafka topic has partitions of its own: --subject is for NATS")
    properties = {} if credentials is None else read_properties(credentials)
    return lambda: KafkaTopic(parts.netloc, topic, properties)


def _nats(parts: SplitResult, stream: str, subjects: Sequence[str], credentials: Path | None) -> Callable[[], Broker]:
    from service.consuming.nats import NatsStream

    return lambda: NatsStream(f"{parts.scheme}://{parts.netloc}", stream, subjects, credentials)
