"""Connections that never end: how long and how large a request's head may be, and how long an answer may wait.

uvicorn limits the time of an idle connection alone. Whoever sends one letter of a head now and then, on a first or a
later request of a connection, or does not read what is answered, would hold it for ever (finding H2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS: Final = 10.0
"""From a request's first byte, or the connection's beginning, to the end of its headers."""
HEADER_BYTES: Final = 64 << 10
READ_SECONDS: Final = 30.0
"""For a caller to make room for more of an answer."""


class Protocol(HttpToolsProtocol):
    """uvicorn's own, with a time for each head and each answer, and a size for each head."""

    _head: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn itself
        super().connection_made(transport)
        self._head = self._after(HEADER_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        cycle: Any = self.cycle  # None before the first request, whatever its annotation says
        answering = cycle is not None and not cycle.response_complete
        if self.transport.is_closing() or answering:
            return
        # No request is being answered, so what came is part of a head that is not complete.
        self._head_bytes += len(data)
        if self._head_bytes > HEADER_BYTES:
            self.transport.close()
        elif self._head is None:
            self._head = self._after(HEADER_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        self._head, self._head_bytes = _cancelled(self._head), 0
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self._after(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread = _cancelled(self._unread)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head, self._unread = _cancelled(self._head), _cancelled(self._unread)
        super().connection_lost(exc)

    def _after(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, act)


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """No timer, once this one is cancelled."""
    if timer is not None:
        timer.cancel()
    return None
