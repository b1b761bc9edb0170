"""Connections that never end: a real uvicorn with our protocol, its times made short."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
import uvicorn

from service.web import connections
from tests.support import until

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 64 << 20
SIZES = {"/large": LARGE, "/medium": 50_000}


async def answer(scope: Any, receive: Any, send: Any) -> None:
    size = SIZES.get(scope["path"], 2)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    for start in range(0, size, 1 << 20):
        await send({"type": "http.response.body", "body": b"x" * min(1 << 20, size - start), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    """A server of its own; a head must come within 0.3 seconds, an answer be read within 0.3."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(connections, "READ_SECONDS", 0.3)
    config = uvicorn.Config(answer, port=0, http=connections.Protocol, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield server
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    number: int = server.servers[0].sockets[0].getsockname()[1]
    return number


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        yield connection


def ended(connection: socket.socket) -> bool:
    """Whether the server ends the connection, rather than waiting for more."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_never_ends_is_ended(port: int, begun: bytes) -> None:
    """If this fails, whoever opens connections and sends half a head each keeps everybody else out."""
    with connected(port) as connection:
        connection.sendall(begun)
        assert ended(connection)


@pytest.mark.parametrize("begun", [b"\r\n", b"GET / HT"])
def test_a_later_head_that_never_ends_is_ended(port: int, begun: bytes) -> None:
    """If this fails, one honest request buys a connection that is held for ever."""
    with connected(port) as connection:
        connection.sendall(GET)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        connection.sendall(begun)
        assert ended(connection)


def test_a_head_of_any_size_is_not_taken(port: int) -> None:
    """If this fails, one caller fills the memory with headers before a key is asked for."""
    with connected(port) as connection:
        head = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(100_000))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(head)


def test_an_answer_that_is_not_read_is_given_up(server: uvicorn.Server, port: int) -> None:
    """If this fails, whoever asks for much and reads nothing holds a connection and its memory for ever."""
    with connected(port) as connection:
        connection.sendall(GET.replace(b"/ ", b"/large "))
        assert connection.recv(100)
        until(lambda: not server.server_state.connections)
        assert ended(connection)


def test_a_reader_that_takes_its_time_gets_everything(port: int) -> None:
    """If this fails, honest callers on slow lines are cut off."""
    with connected(port) as connection:
        connection.sendall(GET.replace(b"/ ", b"/large "))
        received = 0
        while received < LARGE:
            received += len(connection.recv(1 << 20))
        connection.sendall(GET)
        assert b"HTTP/1.1 200" in connection.recv(1 << 16)


POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def test_a_body_that_was_answered_early_may_be_sent_to_its_end(port: int) -> None:
    """If this fails, a caller whose key or size is refused sees a broken connection instead of the reason."""
    with connected(port) as connection:
        connection.sendall(POST % LARGE)
        assert b"HTTP/1.1 200" in connection.recv(1 << 16)
        for _ in range(LARGE >> 20):
            connection.sendall(b"x" * (1 << 20))
        connection.sendall(GET)
        assert b"HTTP/1.1 200" in connection.recv(1 << 16)


def test_the_end_of_a_body_begins_no_head(server: uvicorn.Server, port: int) -> None:
    """If this fails, a connection whose caller was answered early is ended as if it sent half a head, or never."""
    server.config.timeout_keep_alive = 1
    with connected(port) as connection:
        began = monotonic()
        connection.sendall(POST % 2)
        assert b"HTTP/1.1 200" in connection.recv(1 << 16)
        connection.sendall(b"xx")
        assert ended(connection)
        assert monotonic() - began > 0.9


def test_a_body_that_was_answered_and_never_ends_is_ended(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, whoever was refused holds the connection for ever by sending a letter of a body now and then."""
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.3)
    with connected(port) as connection:
        connection.sendall(POST % LARGE)
        assert b"HTTP/1.1 200" in connection.recv(1 << 16)
        connection.sendall(b"x")
        assert ended(connection)


def silence(connection: socket.socket) -> None:
    """Nothing more is sent, until the connection counts as idle."""
    del connection


def half_a_head(connection: socket.socket) -> None:
    connection.sendall(b"GET / HT")


def nonsense(connection: socket.socket) -> None:
    connection.sendall(b"\0\r\n\r\n")


def no_more(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("fields", "go_on"),
    [(b"Connection: close\r\n", silence), *((b"", go_on) for go_on in (silence, half_a_head, nonsense, no_more))],
)
def test_a_closed_connection_does_not_wait_for_its_reader(
    server: uvicorn.Server, port: int, fields: bytes, go_on: Callable[[socket.socket], None]
) -> None:
    """If this fails, whoever leaves the last of an answer unread holds the connection although it is closed."""
    server.config.timeout_keep_alive = 1
    # Small buffers of the system, so that some of the answer stays with us, and too little to count as a full buffer.
    with socket.socket(fileno=os.dup(server.servers[0].sockets[0].fileno())) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", port))
        connection.sendall(GET.replace(b"/ ", b"/medium ").replace(b"\r\n\r\n", b"\r\n" + fields + b"\r\n"))
        assert connection.recv(1)
        go_on(connection)
        until(lambda: not server.server_state.connections)
