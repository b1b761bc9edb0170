"""Webhooks: who signs them, when they are sent again, and where they must not go."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from ledger.errors import InputError, TransientError
from ledger.proofs.dsse import pae
from ledger.text import parse_base64
from service.attribution import queue
from service.inbox import Inbox
from service.webhooks import deliveries, posting
from service.webhooks.deliveries import Delivery
from service.workspace import CONFIG
from tests.service.certificate import write_certificate
from tests.service.month import DECLARED, Month
from tests.support import until


@dataclass
class Receiver:
    """What came in, and what is answered: the statuses in turn, then 204."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiver(*statuses: int, silent: threading.Event | None = None) -> Iterator[Receiver]:
    """A real server on this machine; with `silent` it answers nothing until that is set."""
    state = Receiver(statuses=list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.messages.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if silent is not None:
                silent.wait(30)
            self.send_response(state.statuses.pop(0) if state.statuses else 204)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def allowing(june: Month, host: str = "127.0.0.1") -> Month:
    """The month with one host allowed by the operator."""
    with (june.home / CONFIG).open("a", encoding="utf-8") as config:
        config.write(f'\n[service]\nwebhook_hosts = "{host}"\n')
    june.ws = june.reopened()
    return june


def attributed(june: Month, url: str) -> Delivery:
    """A declared vector handed in with an address, and attributed."""
    queue.enqueue(june.ws, "trk-1", "application/json", json.dumps(DECLARED[0]).encode())
    made = deliveries.announce(june.ws, "trk-1", url)
    assert deliveries.deliver(june.ws) == [], "nothing is sent before the track is done"
    inbox = Inbox(june.home / queue.FOLDER, june.reopened)
    inbox.look()
    assert [taken.reason for taken in inbox.look()] == [None]
    return made


def test_a_message_is_signed_sent_again_and_replayed(june: Month) -> None:
    """If this fails, a receiver cannot tell our message from a forged one, or a failed one is lost or sent for ever."""
    with receiver(500, 302) as target:
        made = attributed(allowing(june), f"http://127.0.0.1:{target.port}/hook?x=1")
        (first,) = deliveries.deliver(june.ws)
        assert (first.state, first.attempts, "500" in first.problem) == ("sending", 1, True)
        assert deliveries.deliver(june.ws) == []
        june.now += timedelta(seconds=5)
        (second,) = deliveries.deliver(june.ws)
        assert (second.attempts, "redirects are not followed" in second.problem) == (2, True)
        june.now += timedelta(seconds=10)
        (third,) = deliveries.deliver(june.ws)
        assert (third.state, third.id) == ("delivered", made.id)
        june.now += timedelta(hours=2)
        assert deliveries.deliver(june.ws) == []
        assert deliveries.replay(june.ws, made.id).state == "sending"
        assert [sent.state for sent in deliveries.deliver(june.ws)] == ["delivered"]
        assert [(kept.id, kept.state) for kept in deliveries.listed(june.ws)] == [(made.id, "delivered")]
    assert len({body for _, body in target.messages}) == 1
    assert len(target.messages) == 4
    headers, body = target.messages[0]
    key = june.ws.signer("attribution").public
    assert (headers["settle-key"], headers["settle-delivery"]) == (key.id, made.id)
    key.verify(parse_base64(headers["settle-signature"], "signature"), pae(deliveries.PAYLOAD_TYPE, body))
    message = json.loads(body)
    assert (message["track"], message["state"], message["log"]) == ("trk-1", "done", june.ws.log.origin)
    assert message["vector"]
    with pytest.raises(InputError, match="no delivery"):
        deliveries.replay(june.ws, "0" * 16)


def test_it_is_given_up_after_so_many_attempts(june: Month) -> None:
    """If this fails, a receiver that is gone is asked for ever, or its message cannot be sent once it is back."""
    with receiver() as target:
        port = target.port
    made = attributed(allowing(june), f"http://127.0.0.1:{port}/")
    for _ in range(deliveries.ATTEMPTS_MAX):
        (tried,) = deliveries.deliver(june.ws)
        june.now += timedelta(hours=1)
    assert (tried.state, tried.attempts) == ("failed", deliveries.ATTEMPTS_MAX)
    assert deliveries.deliver(june.ws) == []
    assert deliveries.replay(june.ws, made.id).attempts == 0


PRIVATE = """
127.0.0.1 10.1.2.3 192.168.1.1 172.16.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 ::1 :: fe80::1%eth0 fd00::1
ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 2002:7f00:1:: 64:ff9b::a9fe:a9fe fd00:ec2::254
64:ff9b:1::7f00:1 fec0::1 ::127.0.0.1 ::ffff:0:127.0.0.1 5f00::1 3fff::1 3fff:fff::1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_no_private_address_is_connected_to(address: str) -> None:
    """If this fails, whoever may name an address for webhooks reaches machines inside the operator's network."""
    where = posting.destination("https://example.org/hook", ())
    for addresses in ([address], ["93.184.215.14", address]):
        with pytest.raises(InputError, match="not a public address"):
            posting.post(where, b"{}", {}, allowed=(), look_up=lambda *_, answer=addresses: answer)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f::1", "3ffe::1", "2002:5db8:d70e::1"])
def test_public_addresses_may_be_used(address: str) -> None:
    """If this fails, messages to receivers on the public internet are never sent."""
    posting.check_public(ipaddress.ip_address(address), "example.org")


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a name that resolves to a public address first and to a private one then gets through."""
    asked, used = [], []

    def look_up(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    def connect(address: tuple[str, int], timeout: float) -> None:
        used.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    where = posting.destination("https://rebinding.example/", ())
    with pytest.raises(TransientError, match="ConnectionRefusedError"):
        posting.post(where, b"{}", {}, allowed=(), look_up=look_up)
    assert (len(asked), used) == (1, [("93.184.215.14", 443)])


URLS = [
    *["http://example.org/", "ftp://example.org/", "https://user@example.org/", "https:///x", "https://10.0.0.1/"],
    *["https://[::1]/", "https://example.org:99999/", "https://example.org/#part", "file:///etc/passwd"],
    *["https://example.org/\r\nHost: x", "https://hooks..example.org/", f"https://{'h' * 64}.example.org/"],
]


@pytest.mark.parametrize("url", URLS)
def test_other_urls_are_refused(url: str, june: Month) -> None:
    """If this fails, a message goes out unencrypted, with somebody's password, or by another protocol."""
    with pytest.raises(InputError):
        deliveries.announce(june.ws, "trk-1", url)
    assert deliveries.listed(june.ws) == []


def test_a_host_that_is_no_name_does_not_resolve() -> None:
    """If this fails, a name that the system's resolver cannot encode is an error of ours, not of its delivery."""
    where = posting.Destination(secure=True, host="hooks..example.org", port=443, path="/")
    with pytest.raises(TransientError, match="does not resolve"):
        posting.post(where, b"{}", {}, allowed=())


def test_a_name_that_is_never_answered_holds_nobody_up() -> None:
    """If this fails, a name server that stays silent stops all messages, or each try leaves one more thread behind."""
    answered = threading.Event()

    def silent(*_: object) -> list[str]:
        answered.wait(30)
        return ["93.184.215.14"]

    where = posting.destination("https://silent.example/", ())
    try:
        for _ in range(posting.LOOK_UPS_MAX):
            with pytest.raises(TransientError, match="does not resolve within"):
                posting.post(where, b"{}", {}, allowed=(), look_up=silent, seconds=0.01)
        with pytest.raises(TransientError, match="names are being resolved without an answer"):
            posting.post(where, b"{}", {}, allowed=(), look_up=silent, seconds=0.01)
    finally:
        answered.set()
    until(lambda: not any(thread.name == "resolve" for thread in threading.enumerate()))
    with pytest.raises(TransientError, match="no address"):
        posting.post(where, b"{}", {}, allowed=(), look_up=lambda *_: [])


def test_a_name_with_a_flood_of_addresses_is_refused() -> None:
    """If this fails, a name server makes us hold and check as many addresses as it likes."""
    where = posting.destination("https://flood.example/", ())
    with pytest.raises(TransientError, match="more than 64 addresses"):
        posting.post(where, b"{}", {}, allowed=(), look_up=lambda *_: ["93.184.215.14"] * 100)


def test_connecting_and_answering_share_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a receiver takes a limit for its name, another to accept, and another to answer."""
    given: list[float] = []

    def slow(address: tuple[str, int], timeout: float) -> None:
        given.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", slow)
    where = posting.destination("https://slow.example/", ())
    pause = threading.Event()

    def look_up(*_: object) -> list[str]:
        pause.wait(0.1)
        return ["93.184.215.14"]

    with pytest.raises(TransientError):
        posting.post(where, b"{}", {}, allowed=(), look_up=look_up, seconds=1.0)
    assert 0 < given[0] <= 0.9


def test_one_delivery_stops_no_other(june: Month) -> None:
    """If this fails, one file or one address that we stumble over keeps all later messages from being sent."""
    with receiver() as target:
        made = attributed(allowing(june), f"http://127.0.0.1:{target.port}/")
        folder = june.home / deliveries.FOLDER
        (folder / "-1.json").write_bytes(b"{")
        odd = Delivery(id="-2", track="\0", url="https://example.org/", made_at="")
        (folder / "-2.json").write_bytes(msgspec.json.encode(odd))
        sending = Delivery(id="-3", track="x", url="https://example.org/", made_at="", state="sending", body="{}")
        (folder / "-3.json").write_bytes(msgspec.json.encode(sending))

        def look_up(host: str, _: int) -> list[str]:
            return [host] if host == "127.0.0.1" else ["not an address"]

        with pytest.raises(ExceptionGroup) as caught:
            deliveries.deliver(june.ws, look_up=look_up)
        assert len(caught.value.exceptions) == 2, "the file that cannot be read, and the track that is none"
        assert len(target.messages) == 1
        assert (folder / deliveries.ENDED / f"{made.id}.json").is_file()
        tried = msgspec.json.decode((folder / "-3.json").read_bytes(), type=Delivery)
        assert (tried.state, tried.attempts) == ("sending", 1)
        deliveries.announce(june.ws, "trk-2", "https://example.org/")


def test_a_server_that_stops_begins_no_further_message(june: Month) -> None:
    """If this fails, a server that is told to stop first sends everything that waits, ten seconds each."""
    with receiver() as target:
        made = attributed(allowing(june), f"http://127.0.0.1:{target.port}/")
        second = msgspec.structs.replace(made, id="f" * 17)
        (june.home / deliveries.FOLDER / f"{second.id}.json").write_bytes(msgspec.json.encode(second))
        tried = deliveries.deliver(june.ws, stopping=lambda: bool(target.messages))
        assert [attempt.id for attempt in tried] == [made.id]


def test_a_receiver_that_drips_is_left() -> None:
    """If this fails, one slow receiver holds up every other message."""
    silent = threading.Event()
    with receiver(silent=silent) as target:
        where = posting.destination(f"http://127.0.0.1:{target.port}/", ("127.0.0.1",))
        with pytest.raises(TransientError):
            posting.post(where, b"{}", {}, allowed=("127.0.0.1",), seconds=0.3)
        silent.set()


@contextmanager
def dripping(folder: Path) -> Iterator[tuple[int, ssl.SSLContext]]:
    """A server with TLS that sends a letter of its answer every 50 ms, for 10 seconds; its port, and trust in it."""
    write_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    ending = threading.Event()

    def answer(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with context.wrap_socket(connection, server_side=True) as encrypted:
            encrypted.recv(1 << 16)
            try:
                encrypted.sendall(b"HTTP/1.1 204 No Content\r\nX: ")
                for _ in range(200):
                    ending.wait(0.05)
                    encrypted.sendall(b"x")
                encrypted.sendall(b"\r\n\r\n")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1], ssl.create_default_context(cafile=folder / "cert.pem")
        ending.set()
        thread.join(30)


def test_a_receiver_that_drips_under_tls_is_left(tmp_path: Path) -> None:
    """If this fails, one receiver with https holds up every other message, and the server's end."""
    with dripping(tmp_path) as (port, context):
        where = posting.destination(f"https://127.0.0.1:{port}/", ("127.0.0.1",))
        began = monotonic()
        with pytest.raises(TransientError):
            posting.post(where, b"{}", {}, allowed=("127.0.0.1",), trust=lambda: context, seconds=0.5)
        assert monotonic() - began < 5
