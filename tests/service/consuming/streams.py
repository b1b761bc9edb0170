"""Streams for tests: librdkafka's mock broker in this process, and a real nats-server beside it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from service.consuming.broker import Broker
from service.consuming.consumer import Consumer
from service.log.intake import Intake
from service.standing import Standing
from service.workspace import Workspace
from tests.service.web.serving import row
from tests.support import ROOT, until


def message(*ids: str, **fields: Any) -> bytes:
    """A message of whole lines, one event each."""
    return b"".join(json.dumps(row(one, **fields)).encode() + b"\n" for one in ids)


class MockKafka:
    """librdkafka's mock cluster: it lives in a producer of this process and is reached over loopback."""

    def __init__(self) -> None:
        self._producer = Producer({"bootstrap.servers": "", "test.mock.num.brokers": 1, "log_level": 0})
        brokers = self._producer.list_topics(timeout=10).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def send(self, topic: str, bodies: Sequence[bytes | None], *, partition: int = 0) -> None:
        for body in bodies:
            self._producer.produce(topic, body, partition=partition)
        assert self._producer.flush(10) == 0


class NatsServer:
    """A real nats-server with JetStream on disk, on a port of its own; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("nats-server")
        if binary is None:
            pytest.fail("nats-server is not installed (Debian: nats-server)")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._command = [binary, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(folder)]
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens)
        return self.process

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def make(self, stream: str, *subjects: str) -> None:
        async def work() -> None:
            import nats

            client = await nats.connect(self.url)
            await client.jetstream().add_stream(name=stream, subjects=list(subjects))
            await client.close()

        asyncio.run(work())

    def send(self, subject: str, bodies: Sequence[bytes]) -> None:
        async def work() -> None:
            import nats

            client = await nats.connect(self.url)
            for body in bodies:
                await client.jetstream().publish(subject, body)
            await client.close()

        asyncio.run(work())

    def send_quickly(self, subject: str, bodies: Sequence[bytes]) -> None:
        """Without waiting for each message's confirmation: for many."""

        async def work() -> None:
            import nats

            client = await nats.connect(self.url)
            jetstream = client.jetstream(publish_async_max_pending=256)
            for body in bodies:
                await jetstream.publish_async(subject, body)
            await jetstream.publish_async_completed()
            await client.close()

        asyncio.run(work())


@contextmanager
def nats_server(folder: Path) -> Iterator[NatsServer]:
    server = NatsServer(folder)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def consumer(
    ws: Workspace, connect: Any, name: str = "first", source: str | None = None
) -> Iterator[tuple[Consumer, list[str]]]:
    """A consumer in this process, and what it says."""
    standing = Standing(ws, ("log", "attribution"))
    lines: list[str] = []
    reading = Consumer(standing, Intake(standing), connect, name=name, say=lines.append, source=source)
    try:
        yield reading, lines
    finally:
        reading.close()
        standing.close()


def drained(reading: Consumer) -> None:
    """Turn until nothing is left to read."""
    until(lambda: reading.turn() == 0 and reading.idle)


def consuming(home: Path, *words: str) -> subprocess.Popen[str]:
    """`settle consume` as a process of its own."""
    command = [sys.executable, "-c", "from cli.main import main; main()", "consume", "--home", str(home), "--json"]
    return subprocess.Popen(
        [*command, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def events_of(home: Path) -> list[str]:
    """The ids of the log's events, in order."""
    ws = Workspace.open(home)
    try:
        return [json.loads(entry.body)["event_id"] for entry in ws.log.entries(types=["event"])]
    finally:
        ws.close()


class Scripted:
    """A broker that hands out what a test says, for what no real one does on demand."""

    def __init__(self, script: Any, names: Sequence[str] = ("0",), generation: str = "g1") -> None:
        self.stream, self.generation = "scripted:EVENTS", generation
        self._script, self._names = script, names
        self.assigned: list[dict[str, int]] = []
        self.closed = False

    def partitions(self) -> Sequence[str]:
        return self._names

    def assign(self, starts: Any) -> list[str]:
        self.assigned.append({name: start.position for name, start in starts.items()})
        return []

    def receive(self, most: int, seconds: float) -> list[Any]:  # noqa: ARG002  as the protocol has it
        received: list[Any] = self._script(most)
        return received

    def behind(self, partition: str) -> int:  # noqa: ARG002  as the protocol has it
        return 0

    def confirm(self, positions: Any) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def _is_broker(broker: Scripted) -> Broker:
    return broker  # mypy holds the script to the protocol
