"""Limits for time and size of a request's head, and for the time of reading an answer.

By itself uvicorn limits only the time of an idle connection: a client that sends a head one letter at a time, or does
not read the answer, would keep the connection for ever (finding H2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS: Final = 10.0
"""From a request's first byte, or the connection's beginning, to the end of its headers."""
HEADER_BYTES: Final = 64 << 10
BODY_SECONDS: Final = 30.0
"""From an answer that did not wait for the request's body to the end of that body, which is read and forgotten."""
READ_SECONDS: Final = 30.0
"""For a caller to make room for more of an answer, and to take what is left of it once the connection is closed."""


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol with a time limit for each head and each answer, and a size limit for each head."""

    _head: asyncio.TimerHandle | None = None
    _body: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _closed: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_body = False
    """Whether a request's head is complete and its body is not."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn itself
        super().connection_made(transport)
        self._head = self._after(HEADER_SECONDS, self._end)

    def data_received(self, data: bytes) -> None:
        began_in_body = self._in_body
        super().data_received(data)
        if self.transport.is_closing():
            self._end()
            return
        cycle: Any = self.cycle  # None before the first request, whatever its annotation says
        answering = cycle is not None and not cycle.response_complete
        # A caller who was answered early (401, 413) still sends its body, and reads the answer only then.
        if answering or began_in_body or self._in_body:
            return
        # The data so far is part of an incomplete head.
        self._head_bytes += len(data)
        if self._head_bytes > HEADER_BYTES:
            self._end()
        elif self._head is None:
            self._head = self._after(HEADER_SECONDS, self._end)

    def on_headers_complete(self) -> None:
        self._head, self._head_bytes, self._in_body = _cancelled(self._head), 0, True
        self._unset_keepalive_if_required()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._body, self._in_body = _cancelled(self._body), False
        if self.cycle.response_complete:  # uvicorn stopped the time for an idle connection when the body went on
            self.timeout_keep_alive_task = self._after(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._end()
        elif self._in_body and self.cycle.response_complete:
            self._body = self._after(BODY_SECONDS, self._end)

    def timeout_keep_alive_handler(self) -> None:
        self._end()

    def eof_received(self) -> None:
        super().eof_received()
        self._end()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self._after(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread = _cancelled(self._unread)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head, self._body = _cancelled(self._head), _cancelled(self._body)
        self._unread, self._closed = _cancelled(self._unread), _cancelled(self._closed)
        super().connection_lost(exc)

    def _end(self) -> None:
        """Close the connection, even if the other side never reads what is left of an answer."""
        self.transport.close()  # waits for the answer to be taken, without a limit
        if self._closed is None:
            self._closed = self._after(READ_SECONDS, self.transport.abort)

    def _after(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, act)


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer, and return None in its place."""
    if timer is not None:
        timer.cancel()
    return None
