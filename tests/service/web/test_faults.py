"""Faults under the service: a disk that is full, a clock that jumps, a database that is killed."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path
from threading import Thread

import pytest

from service import operating
from service.workspace import Workspace
from tests.postgres import own_server
from tests.service.month import Month
from tests.service.web.serving import Served, bearer, client, lines, row, served_month, serving, token
from tests.service.web.test_server import NDJSON, PATH, events_of
from tests.support import until

BATCH = 200


def batches(prefix: str) -> Iterator[list[str]]:
    """Ids of events, a batch at a time, for ever."""
    number = 0
    while True:
        yield [f"{prefix}-{number}-{i}" for i in range(BATCH)]
        number += 1


def test_a_full_disk_refuses_what_it_cannot_keep(tmp_path: Path) -> None:
    """If this fails, a server whose disk is full loses what it acknowledged, or takes nothing once there is room."""
    june = served_month(tmp_path / "home")
    headers = NDJSON | bearer(token(june, "ann"))
    june.ws.close()
    acknowledged: list[str] = []
    with serving(june.home) as server:
        largest = max(path.stat().st_size for path in june.home.rglob("*") if path.is_file())
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (largest + 300_000, hard))
        for ids in batches("full"):
            status, answered, body = server.request("POST", PATH, lines(*map(row, ids)), headers)
            if status != 200:
                break
            acknowledged += ids
        assert status == 503
        assert "retry-after" in answered
        assert acknowledged
        assert server.request("GET", "/healthz")[0] == 200
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        status, _, body = server.request("POST", PATH, lines(*map(row, ids)), headers)
        assert (status, json.loads(body)["accepted"]) == (200, BATCH)
    stored = [event for event in events_of(june.home) if event.startswith("full")]
    assert sorted(stored) == sorted([*acknowledged, *ids])
    ws = Workspace.open(june.home)
    assert operating.fsck(ws).ok
    ws.close()


def test_a_clock_that_jumps_stops_no_event_and_lets_no_act_be_dated_back(tmp_path: Path) -> None:
    """If this fails, a wrong clock loses events or counts them twice, or signs acts for a time that is over."""
    june: Month = served_month(tmp_path / "home")
    headers = bearer(token(june, "ann"))
    operator = bearer(token(june, "operator"))
    asked = {"subject": "rec-1", "use": "condition", "model": "mdl@1"}
    right = june.now
    with client(june) as web:
        for number, jump in enumerate((timedelta(), timedelta(days=40), timedelta(days=-3), timedelta())):
            june.now = right + jump
            sent = lines(row(f"jump-{number}"), row("jump-0"))
            answer = web.post(PATH, headers=headers | NDJSON, content=sent).json()
            assert (answer["accepted"], answer["duplicates"]) == (1, 1)
        june.now = right + timedelta(days=1)
        assert web.post("/v1/decisions/ann", headers=operator, json=asked).status_code == 200
        june.now = right - timedelta(days=3)
        refused = web.post("/v1/decisions/ann", headers=operator, json=asked)
        assert (refused.status_code, "clock" in refused.json()["detail"]) == (409, True)
        june.now = right + timedelta(days=1)
        assert web.post("/v1/decisions/ann", headers=operator, json=asked).status_code == 200
    assert operating.fsck(june.reopened()).ok


def load(server: Served, headers: dict[str, str], acknowledged: set[str], statuses: list[int]) -> None:
    """Send batches until the server has failed and taken some again; each refused batch is sent once more."""
    for ids in batches("killed"):
        while True:
            try:
                status, _, _ = server.request("POST", PATH, lines(*map(row, ids)), headers)
            except (OSError, HTTPException):
                return
            statuses.append(status)
            if status == 200:
                acknowledged.update(ids)
                break
        if 503 in statuses and statuses[-20:] == [200] * 20:
            return


@pytest.mark.postgres
@pytest.mark.slow
def test_a_database_killed_under_load_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, PostgreSQL's death costs events that were acknowledged, or the server must be started again."""
    with own_server() as cluster:
        monkeypatch.setenv("SETTLE_STORE", cluster.url)
        june = served_month(tmp_path / "home")
        headers = NDJSON | bearer(token(june, "ann"))
        june.ws.close()
        acknowledged: set[str] = set()
        statuses: list[int] = []
        with serving(june.home) as server:
            sender = Thread(target=load, args=(server, headers, acknowledged, statuses))
            sender.start()
            until(lambda: len(acknowledged) > 10 * BATCH)
            cluster.kill()
            until(lambda: 503 in statuses)
            cluster.start()
            sender.join(60)
            assert set(statuses) == {200, 503}
        stored = [event for event in events_of(june.home) if event.startswith("killed")]
        assert len(stored) == len(set(stored))
        assert acknowledged == set(stored)
        ws = Workspace.open(june.home)
        assert operating.fsck(ws).ok
        ws.close()
