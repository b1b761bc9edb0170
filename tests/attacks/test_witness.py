"""H1, H2: what anybody on the network can do to a witness."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.proofs import checkpoint
from ledger.proofs.note import Vkey
from ledger.proofs.witness import CosignRequest
from service.witness.server import Witness, WitnessServer
from tests.ledger.logs import TickingClock
from tests.ledger.reference import Reference
from tests.ledger.world import ORIGIN, seeded

KEY = seeded("log")
TREE = Reference([b"%d" % n for n in range(20)])
DRIPPING = 120


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    made = Witness.create(tmp_path / "witness", "witness.example/w1", None, TickingClock())
    made.know(Vkey(ORIGIN, KEY.public))
    return made


@pytest.fixture
def port(witness: Witness) -> Iterator[int]:
    with WitnessServer(witness, "127.0.0.1", 0, lambda message: None) as server:  # noqa: ARG005
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def post(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/add-checkpoint", body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_h1_an_honest_log_is_not_kept_as_forked(witness: Witness, port: int) -> None:
    """If this fails, anybody makes an honest log look forked, and fills the witness's disk with junk signatures."""
    signed = checkpoint.sign(ORIGIN, 20, TREE.root(20), KEY)
    assert post(port, CosignRequest(old=0, proof=(), checkpoint=signed).encode()) == 200
    before = (witness.folder / "witness.db").stat().st_size
    for n in range(20):
        junk = "".join(f"\u2014 junk{n}-{m} {'A' * 4000}\n" for m in range(20)).encode()
        request = CosignRequest(old=20, proof=(os.urandom(32),), checkpoint=signed + junk * (n > 0))
        assert post(port, request.encode()) != 200
    assert not list(witness.store.refused())
    assert sum(path.stat().st_size for path in witness.folder.glob("witness.db*")) < before + 200_000


@pytest.mark.slow
def test_h2_slow_clients_stop_no_honest_log(port: int) -> None:
    """If this fails, some hundred connections that send a letter at a time stop a witness for as long as they like."""
    head = b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100000\r\n\r\nx"
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(DRIPPING)]
    for client in clients:
        client.sendall(head)
    deadline = time.monotonic() + 45
    threads = threading.active_count()
    while threads > DRIPPING // 2 and time.monotonic() < deadline:
        for client in clients:
            try:
                client.sendall(b"x")
            except OSError:
                client.close()
        threading.Event().wait(1)
        threads = threading.active_count()
    for client in clients:
        client.close()
    assert threads <= DRIPPING // 2, f"{threads} threads serve clients that never end a request"


def test_h2_a_length_of_thousands_of_digits_is_refused(port: int) -> None:
    """If this fails, one header makes the server print a traceback for every request."""
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n")
    answer = client.recv(100)
    client.close()
    assert answer.split()[1:2] == [b"400"]
