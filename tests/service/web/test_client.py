"""The client that platforms take along: batches, retries, receipts, against a server of its own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ledger.proofs import tlog_proof
from service.client import Client, Permission, ServiceError
from tests.service.web.serving import row, served_month, serving, token
from tests.support import packages_after


def test_events_are_sent_in_batches_and_proven(tmp_path: Path) -> None:
    """If this fails, a platform cannot send a file of events and keep the proofs."""
    june = served_month(tmp_path / "home")
    secret = token(june, "ann")
    with serving(tmp_path / "home") as server:
        client = Client(f"http://{server.host}:{server.port}", secret, source="acme")
        answers = list(client.send((row(f"n-{n}") for n in range(25)), batch=10))
        assert [answer["accepted"] for answer in answers] == [10, 10, 5]
        assert [answer["duplicates"] for answer in client.send([row("n-1")])] == [1]
        receipts = client.receipts(["n-3", "nowhere"])
        assert list(receipts) == ["n-3"]
        assert b'"n-3"' in (tlog_proof.parse(receipts["n-3"]).extra or b"")
        client.close()
        stranger = Client(f"http://{server.host}:{server.port}", secret, source="other")
        with pytest.raises(ServiceError, match="404 not-found"):
            list(stranger.send([row("a")]))
        stranger.close()


def test_it_tries_again_and_waits_as_long_as_it_is_asked_to() -> None:
    """If this fails, a server that is busy for a second loses a platform's events."""
    left = [("503", "7"), ("429", "2"), ("", "")]
    waits: list[float] = []

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, after = left.pop(0)
            body = b"{}" if status else b'{"accepted": 1}'
            self.send_response(int(status or 200))
            if after:
                self.send_header("Retry-After", after)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        client = Client(f"http://127.0.0.1:{server.server_port}", "t", source="acme", sleep=waits.append)
        assert list(client.send([row("a")])) == [{"accepted": 1}]
        client.close()
        server.shutdown()
    assert waits == [7.0, 2.0]


def test_it_needs_the_standard_library_alone() -> None:
    """If this fails, a platform cannot take the client along as one file."""
    assert packages_after("import service.client") <= {"service"}


def test_a_weight_above_a_permissions_cap_is_not_sent() -> None:
    """If this fails, a generator learns of a cap only when its declaration is recorded and pays nobody."""
    capped = Permission(
        recording="rec-1",
        use="condition",
        model="mdl@1",
        decision="allow",
        reasons=(),
        cap_ppm=500_000,
        receipt="ab" * 32,
        statement={},
    )
    client = Client("http://127.0.0.1:1", "t", source="acme", sleep=lambda _: None)
    with pytest.raises(ValueError, match="rec-1: 500,001 ppm; its permission allows at most 500,000"):
        client.declare("trk-9", {"rec-1": 500_001}, [capped])
    with pytest.raises(OSError):  # noqa: PT011  the cap itself is sent: nobody answers
        client.declare("trk-9", {"rec-1": 500_000}, [capped])
