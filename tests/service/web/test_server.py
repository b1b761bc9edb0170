"""`settle serve` as a process: killed under load, told to stop, its keys rotated, its connections left half sent."""

from __future__ import annotations

import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from service.log.keys import rotate
from service.workspace import Workspace
from tests.service.web.serving import Served, bearer, lines, row, served_month, serving, token
from tests.support import until

NDJSON = {"content-type": "application/x-ndjson"}
PATH = "/v1/sources/acme/events"


def events_of(home: Path) -> list[str]:
    ws = Workspace.open(home)
    try:
        return [json.loads(entry.body)["event_id"] for entry in ws.log.entries(types=["event"])]
    finally:
        ws.close()


@pytest.mark.slow
def test_kill_minus_nine_loses_nothing_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    """If this fails, an event that a platform was told is in the log is not, or counts twice after a retry."""
    home = tmp_path / "home"
    june = served_month(home)
    secret = token(june, "ann")
    june.ws.close()
    acknowledged: set[str] = set()
    headers = NDJSON | bearer(secret)

    def send(server: Served, client: int) -> None:
        for number in range(1000):
            ids = [f"{client}-{number}-{i}" for i in range(20)]
            try:
                status, _, body = server.request("POST", PATH, lines(*map(row, ids)), headers)
            except (OSError, HTTPException):
                return
            if status == 200 and json.loads(body)["accepted"] == 20:
                acknowledged.update(ids)

    with serving(home, "--events-per-second", "1000000") as server, ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(send, server, client) for client in range(8)]
        until(lambda: len(acknowledged) > 400)
        server.process.send_signal(signal.SIGKILL)
        for client in clients:
            client.result(60)
    stored = events_of(home)
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored)
    with serving(home) as server:
        again = sorted(acknowledged)[:500]
        status, _, body = server.request("POST", PATH, lines(*map(row, again)), headers)
        assert (status, json.loads(body)["duplicates"]) == (200, len(again))
    assert sorted(events_of(home)) == sorted(stored)


def test_a_key_rotated_meanwhile_is_taken_up(tmp_path: Path) -> None:
    """If this fails, a server goes on signing with a retired log key, and every later reader refuses the log."""
    home = tmp_path / "home"
    june = served_month(home)
    headers = NDJSON | bearer(token(june, "ann"))
    with serving(home) as server:
        assert json.loads(server.request("POST", PATH, lines(row("a")), headers)[2])["accepted"] == 1
        rotate(Workspace.open(home), "log")
        for n in range(5):
            status, _, body = server.request("POST", PATH, lines(row(f"b-{n}")), headers)
            assert (status, json.loads(body)["accepted"]) == (200, 1), body
    opened = Workspace.open(home)
    assert opened.log.check().size == opened.log.head().size
    opened.close()
    assert events_of(home)[-1] == "b-4"


@pytest.mark.slow
def test_a_key_rotated_under_a_group_of_writers_loses_nothing(tmp_path: Path) -> None:
    """If this fails, requests that share a commit during a rotation are lost, or close the log for good."""
    home = tmp_path / "home"
    june = served_month(home)
    headers = NDJSON | bearer(token(june, "ann"))
    june.ws.close()
    before, acknowledged = events_of(home), set[str]()

    def send(server: Served, client: int) -> None:
        for number in range(30):
            name = f"{client}-{number}"
            status, _, body = server.request("POST", PATH, lines(row(name)), headers)
            assert (status, json.loads(body)["accepted"]) == (200, 1), body
            acknowledged.add(name)

    with serving(home, "--events-per-second", "1000000") as server, ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(send, server, client) for client in range(8)]
        until(lambda: len(acknowledged) > 20)
        rotate(Workspace.open(home), "log")
        assert len(acknowledged) < 240, "all were sent before the rotation"
        for client in clients:
            client.result(60)
    assert sorted(events_of(home)) == sorted([*before, *acknowledged])
    opened = Workspace.open(home)
    assert opened.log.check().size == opened.log.head().size
    opened.close()


def test_half_sent_requests_hold_nobody_up(tmp_path: Path) -> None:
    """If this fails, callers who never finish their headers or bodies keep others from being served."""
    home = tmp_path / "home"
    june = served_month(home)
    secret = token(june, "ann")
    with serving(home) as server:
        slow = [socket.create_connection((server.host, server.port)) for _ in range(200)]
        for number, connection in enumerate(slow):
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
            if number % 2:
                head += f"Authorization: Bearer {secret}\r\nContent-Length: 1000\r\n\r\n{{"
            connection.sendall(head.encode())
        status, _, body = server.request("POST", PATH, lines(row("a")), NDJSON | bearer(secret))
        assert (status, json.loads(body)["accepted"]) == (200, 1)
        for connection in slow:
            connection.close()
        assert server.request("GET", "/readyz")[0] == 200
        assert b"settle_events_total" in server.request("GET", "/metrics")[2]
        assert server.request("GET", "/metrics", headers={"X-Forwarded-For": "1.2.3.4"})[0] == 404
        server.process.terminate()
        assert server.process.wait(60) == 0
    log = [json.loads(line) for line in (tmp_path / "serve.log").read_text().splitlines()]
    assert any(line.get("route") == "/v1/sources/{source}/events" and line["status"] == 200 for line in log)
    assert secret not in (tmp_path / "serve.log").read_text()
