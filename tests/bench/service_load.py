"""A load of HTTP requests from a process of its own: closed (each client as fast as it is answered) or open loop.

In an open loop requests are due by the clock, and latency counts from when each was due: a server that falls behind
cannot hide it by slowing its clients down. Run as `python -m tests.bench.service_load JSON`; answers one JSON document.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send. `rate` is requests a second over all clients, 0 for a closed loop."""

    host: str
    port: int
    path: str
    token: str
    run: str
    clients: int
    batch: int
    seconds: float
    rate: float = 0.0
    tracks: int = 1000


@dataclass(slots=True, kw_only=True)
class Sent:
    """What came back: requests by status, events accepted, milliseconds of those that were taken."""

    seconds: float = 0.0
    accepted: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    p50: float = 0.0
    p99: float = 0.0
    slowest: float = 0.0
    late: int = 0
    """Requests that were due and not sent when the time was over: more than the clients could carry."""


def body(load: Load, number: int) -> bytes:
    """A batch of new events, each of a new listener."""
    first = number * load.batch
    return b"".join(
        b'{"source":"acme","event_id":"%s-%d","track":"trk-b%d","occurred_at":"2026-06-%02dT11:05:00Z",'
        b'"territory":"SE","units":1,"product":"premium","gross_micros":4200,"currency":"EUR","listener":"u-%s-%d"}\n'
        % (load.run.encode(), i, i * 7919 % load.tracks, 1 + i % 30, load.run.encode(), i)
        for i in range(first, first + load.batch)
    )


async def send(load: Load) -> Sent:
    """Every client with a connection of its own, for so many seconds."""
    sent, times, statuses = Sent(), list[float](), Counter[str]()
    started = time.perf_counter()
    until = started + load.seconds
    numbers = iter(range(1 << 40))

    async def client() -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while True:
            number = next(numbers)
            due = started + number / load.rate if load.rate else time.perf_counter()
            if due >= until or time.perf_counter() >= until:
                sent.late += due < until and bool(load.rate)
                break
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            data = body(load, number)
            if streams is None:  # not before its first request: a server hangs up on those who say nothing
                streams = await asyncio.open_connection(load.host, load.port)
            reader, writer = streams
            head = (
                f"POST {load.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {load.token}\r\n"
                f"Content-Type: application/x-ndjson\r\nContent-Length: {len(data)}\r\n\r\n"
            )
            writer.write(head.encode() + data)
            status, answer = await _answer(reader)
            statuses[status] += 1
            if status == "200":
                times.append((time.perf_counter() - due) * 1000)
                sent.accepted += _accepted(answer)
        if streams is not None:
            streams[1].close()

    await asyncio.gather(*(client() for _ in range(load.clients)))
    sent.seconds = time.perf_counter() - started
    sent.statuses = dict(statuses)
    if times:
        times.sort()
        sent.p50, sent.p99, sent.slowest = times[len(times) // 2], times[int(len(times) * 0.99)], times[-1]
    return sent


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return head[9:12].decode(), await reader.readexactly(length)


def _accepted(answer: bytes) -> int:
    """Of an answer as this server writes it, without decoding all of it: the load shares the cores."""
    return int(answer.partition(b'"accepted":')[2].partition(b",")[0] or 0)


def main(document: str) -> None:
    fields: dict[str, Any] = json.loads(document)
    print(json.dumps(asdict(uvloop.run(send(Load(**fields))))))


if __name__ == "__main__":
    main(sys.argv[1])
