"""A platform engineer's day with the service: what surprises her is explained by the answer alone, and nothing is lost.

Hourly files, a retry after a timeout, a schema that changes at noon, a mistyped source, an empty hour, a day sent
again, the log's key and her own rotated while she sends, and at night receipts that a stranger's code checks.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.access import keys
from service.client import Client, ServiceError
from service.log.keys import rotate
from service.workspace import Workspace
from tests.independent.receipt import event_of
from tests.service.web.serving import Served, bearer, lines, row, served_month, serving, token

PATH = "/v1/sources/acme/events"
NDJSON = {"content-type": "application/x-ndjson"}


def hour(number: int, count: int = 20, **fields: Any) -> list[dict[str, Any]]:
    return [
        row(f"h{number:02d}-{i}", occurred_at=f"2026-06-03T{number:02d}:{i:02d}:00Z", **fields) for i in range(count)
    ]


def events_in(home: Path) -> dict[str, dict[str, Any]]:
    ws = Workspace.open(home)
    try:
        leaves = [json.loads(entry.body) for entry in ws.log.entries(types=["event"])]
        found = {leaf["event_id"]: leaf for leaf in leaves if leaf["event_id"].startswith("h")}
        assert len(found) == sum(leaf["event_id"].startswith("h") for leaf in leaves)
        return found
    finally:
        ws.close()


@dataclass(slots=True)
class Desk:
    """What the engineer has: the service, her access key, the client, and the trust file that she was given."""

    home: Path
    server: Served
    secret: str
    client: Client
    trust: dict[str, Any]

    def post(self, rows: list[dict[str, Any]], path: str = PATH) -> tuple[int, dict[str, Any]]:
        status, _, body = self.server.request("POST", path, lines(*rows), NDJSON | bearer(self.secret))
        document: dict[str, Any] = json.loads(body)
        return status, document


@pytest.mark.slow
def test_a_day(tmp_path: Path) -> None:
    """If this fails, an ordinary day loses or doubles events, or an answer explains nothing."""
    home = tmp_path / "home"
    june = served_month(home)
    secret = token(june, "ann", "platform")
    trust = json.loads((home / "trust.json").read_text())
    june.ws.close()
    with serving(home) as server:
        client = Client(f"http://{server.host}:{server.port}", secret, source="acme")
        desk = Desk(home, server, secret, client, trust)
        receipt = _morning(desk)
        _schema_changes(desk)
        _afternoon(desk)
        day = _evening(desk)
        _night(desk, receipt)
        desk.client.close()
    taken = events_in(home)
    assert taken.keys() == {one["event_id"] for one in [*day, *hour(13, 10)]}
    assert all(leaf["units"] == 1 for leaf in taken.values())


def _morning(desk: Desk) -> str:
    """Hourly files, a first receipt, and an answer that is lost on the way."""
    for number in range(8):
        (answer,) = desk.client.send(hour(number))
        assert answer["accepted"] == 20
    receipt = desk.client.receipts(["h00-0"])["h00-0"].decode()
    assert json.loads(event_of(receipt, desk.trust))["event_id"] == "h00-0"
    assert desk.post(hour(8))[0] == 200
    _, again = desk.post(hour(8))
    assert (again["accepted"], again["duplicates"], again["refused"]) == (0, 20, [])
    return receipt


def _schema_changes(desk: Desk) -> None:
    """A release adds a field, and misspells others."""
    _, added = desk.post(hour(12, device="phone"))
    assert (added["accepted"], added["ignored"]) == (20, {"device": 20})
    renamed = [{"teritory" if name == "territory" else name: value for name, value in one.items()} for one in hour(13)]
    _, slips = desk.post(renamed)
    assert (slips["accepted"], slips["quarantined"]) == (0, 20)
    assert "'teritory', which looks like 'territory'" in slips["refused"][0]["reason"]
    _, named = desk.post([*hour(13, 10), hour(13)[10] | {"gros_micros": 1}])
    assert (named["accepted"], [one["line"] for one in named["refused"]]) == (10, [11])
    assert "'gros_micros'" in named["refused"][0]["reason"]


def _afternoon(desk: Desk) -> None:
    """A mistyped source in the path and in the rows, an hour without streams, a track that is not registered yet."""
    status, problem = desk.post(hour(14), "/v1/sources/acne/events")
    assert (status, problem["cause"]) == (404, "not-found")
    assert "acne" in problem["detail"]
    _, foreign = desk.post(hour(14, source="acne"))
    assert (foreign["accepted"], foreign["quarantined"]) == (0, 20)
    assert "'acne'" in foreign["refused"][0]["reason"]
    status, empty = desk.post([])
    assert (status, empty["read"], empty["accepted"]) == (200, 0, 0)
    _, unknown = desk.post(hour(16, 3, track="trk-new"))
    assert [one["kind"] for one in unknown["refused"]] == ["unknown-track"] * 3
    _, _, body = desk.server.request("GET", "/v1/sources/acme/quarantine", headers=bearer(desk.secret))
    assert json.loads(body)["waiting"] == 44


def _evening(desk: Desk) -> list[dict[str, Any]]:
    """The log's key is rotated while she sends; then the whole day again, to be sure, and an id used twice."""
    (before,) = desk.client.send(hour(17, 10))
    rotate(Workspace.open(desk.home), "log")
    (after,) = desk.client.send(hour(17))
    assert (before["accepted"], after["accepted"], after["duplicates"]) == (10, 10, 10)
    _renewed(desk)
    day = [one for number in (*range(9), 12, 17) for one in hour(number)]
    (answer,) = desk.client.send(day)
    assert (answer["accepted"], answer["duplicates"], answer["conflicts"]) == (0, len(day), 0)
    _, conflict = desk.post([hour(3)[0] | {"units": 2}])
    assert (conflict["conflicts"], conflict["refused"][0]["kind"]) == (1, "conflict")
    return day


def _renewed(desk: Desk) -> None:
    """Her access key is replaced while the server runs: the old one ends, and the answer says whose word counts."""
    ws = Workspace.open(desk.home)
    old = desk.secret
    (listed,) = keys.listed(ws.log)
    desk.secret = keys.add(ws, "ann", scopes=["platform"]).token
    keys.revoke(ws, listed.id)
    ws.close()
    until = time.monotonic() + 5  # a server believes an answer about a key for a second
    status, body = 200, b""
    while status == 200 and time.monotonic() < until:
        status, _, body = desk.server.request("POST", PATH, lines(*hour(17)), NDJSON | bearer(old))
    assert (status, json.loads(body).get("cause")) == (401, "key")
    assert desk.post(hour(17))[1]["duplicates"] == 20
    desk.client.close()
    desk.client = Client(f"http://{desk.server.host}:{desk.server.port}", desk.secret, source="acme")


def _night(desk: Desk, morning: str) -> None:
    """Receipts, checked by somebody else's code; the trust file of the evening names the key's successor."""
    later = json.loads((desk.home / "trust.json").read_text())
    receipts = desk.client.receipts(["h00-0", "h12-7", "h17-15"])
    assert len(receipts) == 3
    for name, receipt in receipts.items():
        assert json.loads(event_of(receipt.decode(), later))["event_id"] == name
    with pytest.raises(ValueError, match="path"):
        event_of(morning.replace("index ", "index 1"), desk.trust)
    stranger = Client(f"http://{desk.server.host}:{desk.server.port}", "settle_" + "0" * 56, source="acme")
    with pytest.raises(ServiceError, match="401 key"):
        list(stranger.send(hour(1)))
    stranger.close()
