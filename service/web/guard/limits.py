"""Limit what one caller may send: bytes, decompressed bytes, rows, time, rate. Each refusal names its cause."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from service.web.guard.problems import RETRY_SECONDS, RefusedError

_GZIP: Final = 31
"""zlib's word for data with a gzip header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one server."""

    body_bytes: int = 16 << 20
    plain_bytes: int = 64 << 20
    rows: int = 50_000
    seconds: float = 30.0
    in_flight_bytes: int = 128 << 20
    events_per_second: int = 50_000
    reads_per_second: int = 500
    receipts_per_second: int = 20
    anonymous_per_second: int = 2_000

    def of_body(self, most: int | None) -> Limits:
        """The limits of a route whose bodies are at most so long, as sent and decompressed."""
        if most is None:
            return self
        return replace(self, body_bytes=min(most, self.body_bytes), plain_bytes=min(most, self.plain_bytes))


class InFlight:
    """The bytes of all bodies being read or waiting, so that many callers together cannot fill the memory."""

    def __init__(self, most: int) -> None:
        self._most, self.bytes = most, 0

    def add(self, count: int) -> None:
        if self.bytes + count > self._most:
            raise RefusedError(
                503,
                "waiting-bytes",
                f"{self.bytes:,} bytes of other requests wait already; try again later",
                retry_after=RETRY_SECONDS,
            )
        self.bytes += count

    def remove(self, count: int) -> None:
        self.bytes -= count


async def read_body(
    chunks: AsyncIterator[bytes], *, encoding: str, length: str | None, limits: Limits, in_flight: InFlight
) -> bytes:
    """Read a request's body, decompressed; its bytes count as in flight until the caller releases them."""
    if encoding not in ("", "identity", "gzip"):
        raise RefusedError(415, "encoding", f"content-encoding {encoding!r}; send gzip or none")
    if length is not None and length.isdecimal() and int(length) > limits.body_bytes:
        raise _too_long(int(length), limits)
    body, received = bytearray(), 0
    inflate = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in chunks:
                received += len(chunk)
                if received > limits.body_bytes:
                    raise _too_long(received, limits)
                if inflate is None:
                    plain = chunk
                else:
                    plain, inflate = _inflated(inflate, chunk, limits.plain_bytes - len(body) + 1)
                in_flight.add(len(plain))
                body += plain
                if len(body) > limits.plain_bytes:
                    raise RefusedError(
                        413, "plain-bytes", f"the body is more than {limits.plain_bytes:,} bytes long when decompressed"
                    )
        if inflate is not None and not inflate.eof and received:
            raise RefusedError(400, "encoding", "the gzip data ends too early; send the whole body again")
    except TimeoutError:
        in_flight.remove(len(body))
        raise RefusedError(
            408, "time", f"the body did not arrive within {limits.seconds:g} seconds; nothing was kept"
        ) from None
    except BaseException:
        in_flight.remove(len(body))
        raise
    return bytes(body)


def _inflated(inflate: zlib._Decompress, chunk: bytes, most: int) -> tuple[bytes, zlib._Decompress]:
    """Decompress at most this many bytes of a chunk; a body may consist of several gzip members."""
    parts, count = [], 0
    try:
        while chunk and count < most:
            part = inflate.decompress(chunk, most - count)
            parts.append(part)
            count += len(part)
            if inflate.eof and inflate.unused_data:
                chunk, inflate = inflate.unused_data, zlib.decompressobj(_GZIP)
            else:
                chunk = inflate.unconsumed_tail
    except zlib.error as problem:
        raise RefusedError(400, "encoding", f"the body is not gzip: {problem}") from None
    return b"".join(parts), inflate


def _too_long(length: int, limits: Limits) -> RefusedError:
    return RefusedError(
        413, "body-bytes", f"the body is {length:,} bytes or more, at most {limits.body_bytes:,}: send it in parts"
    )


class Buckets:
    """A token bucket per caller and kind: tokens for one second may be taken at once, after that the rate applies."""

    MOST: Final = 10_000
    """Callers remembered; past it, all start with a full bucket again."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._levels: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, caller: str, kind: str, count: int, per_second: int) -> None:
        """Take tokens, or refuse and state when there will be enough. A larger request empties a full bucket."""
        with self._lock:
            now = self._now()
            level, since = self._levels.get((caller, kind), (float(per_second), now))
            level = min(float(per_second), level + (now - since) * per_second)
            tokens = min(count, per_second)
            if level < tokens:
                self._levels[caller, kind] = (level, now)
                wait = max(1, ceil((tokens - level) / per_second))
                raise RefusedError(
                    429,
                    "rate",
                    f"more than {per_second:,} {kind} a second; nothing was kept, send it again",
                    retry_after=wait,
                )
            if len(self._levels) >= self.MOST:
                self._levels.clear()
            self._levels[caller, kind] = (level - count, now)
