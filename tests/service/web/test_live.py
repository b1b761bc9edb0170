"""A party's accrual over HTTP: its own alone, as it plays, and as an event stream that asks again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.live import mandates
from service.live.accruing import AGAIN, LivePool, OpenMonth, Watch
from service.settlement import life
from tests.service.live.test_paying import TERMS
from tests.service.web.serving import bearer, client, served_month, token


def test_a_holder_sees_its_own_money_as_it_plays(tmp_path: Path) -> None:
    """If this fails, a holder's live page shows somebody else's money, or stays behind the log."""
    month = served_month(tmp_path / "home")
    month.now = datetime(2026, 7, 20, 12, tzinfo=UTC)
    secret = bearer(token(month, "bob", "holder"))
    life.approve(month.ws, mandates.propose(month.ws, **TERMS).id, "approver")
    month.stream(["trk-1"], at="2026-07-09T10:00:00Z")
    with client(month) as web:

        def ask(path: str, **headers: str) -> Any:
            return web.get(path, headers=secret | headers)

        (pool,) = ask("/v1/live/bob").json()["pools"]
        assert (pool["earned_micros"], pool["held_micros"], pool["on_account_micros"]) == (20_000_000, 0, 0)
        assert {part["party"] for part in pool["parts"]} == {"bob"}
        assert ask("/v1/live/ann").status_code == 404
        first = ask("/v1/live/bob/events")
        assert first.headers["content-type"] == "text/event-stream"
        fields = dict(line.split(": ", 1) for line in first.text.strip().splitlines())
        assert (fields["retry"], fields["event"]) == ("2000", "accrual")
        assert json.loads(fields["data"])["pools"] == [pool]
        assert "data:" not in ask("/v1/live/bob/events", **{"last-event-id": fields["id"]}).text
        month.stream(["trk-1"], at="2026-07-10T10:00:00Z")
        month.now += AGAIN
        later = ask("/v1/live/bob/events", **{"last-event-id": fields["id"]}).text
        assert json.loads(later.partition("data: ")[2])["pools"][0]["earned_micros"] == 40_000_000
        (stream,) = ask("/v1/live/bob/tracks/trk-1?territory=SE").json()
        assert (stream["price_micros"], [part["micros"] for part in stream["parts"]]) == (100_000_000, [20_000_000])
        assert ask("/v1/live/bob/tracks/trk-1?territory=sweden").status_code == 400
        assert ask("/v1/live/bob/tracks/never").status_code == 404


def test_two_pools_are_computed_once_in_two_seconds_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, each look at a live page sums the month again, and all others wait for it."""
    month = served_month(tmp_path / "home")
    month.now = datetime(2026, 7, 20, 12, tzinfo=UTC)
    secret = bearer(token(month, "bob", "holder"))
    for name, source in (("first", "acme"), ("second", "other")):
        params = {"price": "100.00", "sources": source}
        life.approve(
            month.ws, mandates.propose(month.ws, **TERMS | {"pool_name": name, "params": params}).id, "approver"
        )
    computed: list[str] = []

    def inputs(watch: Watch, of: OpenMonth, pool: LivePool, real: Any = Watch.inputs) -> Any:
        computed.append(pool.terms.pool)
        return real(watch, of, pool)

    monkeypatch.setattr(Watch, "inputs", inputs)

    def earned() -> dict[str, int]:
        pools = web.get("/v1/live/bob", headers=secret).json()["pools"]
        return {pool["pool"]: pool["earned_micros"] for pool in pools}

    with client(month) as web:
        month.stream(["trk-1"], at="2026-07-09T10:00:00Z")
        before = earned()
        month.stream(["trk-1"], at="2026-07-10T10:00:00Z")
        assert earned() == before
        assert computed == ["first", "second"]
        month.now += AGAIN
        assert sum(earned().values()) == 2 * sum(before.values()) > 0
        month.now += AGAIN
        earned()
        assert computed == ["first", "second"] * 2
