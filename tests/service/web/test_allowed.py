"""Every route, every role, own and foreign objects: made from the table, so that a new route is tested when written."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from service.access import keys
from service.web.guard.allowed import ANYBODY
from service.web.route import Route
from service.web.routes import ROUTES
from tests.service.month import Month
from tests.service.web.serving import PARTIES, bearer, client, served_month, token

OWN = {
    "source": {"platform": "acme"},
    "party": {"platform": "ann", "holder": "bob"},
    "licensee": {"holder": "bob"},
    "payee": {"holder": "bob"},
}
FOREIGN = {"source": "other", "party": "dee", "licensee": "dee", "payee": "dee"}
NAMES = {
    "path": "0/000",
    "index": "0",
    "track": "trk-1",
    "period": "2026-06",
    "name": "sign-in.js",
    "recording": "rec-1",
    **dict.fromkeys(("run", "dispute", "proposal"), "0" * 16),
}


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return served_month(tmp_path_factory.mktemp("allowed") / "home")


@pytest.fixture(scope="module")
def web(june: Month) -> Any:
    with client(june) as opened:
        yield opened


def path_of(route: Route, **objects: str) -> str:
    return re.sub(r"{(\w+)(?::path)?}", lambda name: (NAMES | FOREIGN | objects)[name[1]], route.path)


def ask(web: Any, route: Route, path: str, secret: str | None) -> Any:
    headers = {} if secret is None else bearer(secret)
    if route.takes:
        headers["content-type"] = route.takes[0]
    return web.request(route.method, path, headers=headers, content=b"" if route.takes else None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("role", [None, *keys.ROLES])
def test_a_route_answers_those_it_is_for_and_nobody_else(web: Any, june: Month, route: Route, role: str | None) -> None:
    """If this fails, somebody reads or writes what is not theirs, or is refused what is."""
    secret = None if role is None else token(june, PARTIES[role], role)
    for foreign in (False, True):
        own = OWN.get(route.rule, {}).get(role or "", FOREIGN.get(route.rule, ""))
        path = path_of(route, **({} if foreign or route.rule == "none" else {route.rule: own}))
        status = ask(web, route, path, secret).status_code
        assert status != 500
        if ANYBODY in route.who:
            assert status not in (401, 403)
        elif role is None:
            assert status == 401
        elif role not in route.who:
            assert status == 403
        elif role in ("operator", "auditor") or not foreign or route.rule == "none":
            assert status not in (401, 403)
            assert status != 404 or path.endswith("0" * 16), "a run of this id does not exist"
        else:
            assert status == 404


def test_a_foreign_object_looks_like_one_that_is_not_there(web: Any, june: Month) -> None:
    """If this fails, a refusal tells a caller that somebody else's object exists."""
    secret = token(june, "ann")
    answers = [
        web.get(f"/v1/sources/{source}/receipts", params={"event_id": "e"}, headers=bearer(secret)).json()
        for source in ("other", "never")
    ]
    assert [one["status"] for one in answers] == [404, 404]
    assert answers[0]["detail"].replace("other", "never") == answers[1]["detail"]


def test_keys_end(web: Any, june: Month) -> None:
    """If this fails, a key that was revoked or has expired still opens the door."""
    made = keys.add(june.ws, "ann")
    path = "/v1/sources/acme/quarantine"
    assert web.get(path, headers=bearer(made.token)).status_code == 200
    assert web.get(path, headers=bearer(made.token[:-1] + "A")).status_code == 401
    stored = [row for row in keys.listed(june.ws.log) if row.id == made.id]
    assert made.token not in str(stored)
    keys.revoke(june.ws, made.id)
    with client(june) as fresh:
        assert fresh.get(path, headers=bearer(made.token)).status_code == 401
    expiring = keys.add(june.ws, "ann", expires="2026-07-03")
    with client(june) as fresh:
        assert fresh.get(path, headers=bearer(expiring.token)).status_code == 200
    june.now += timedelta(days=1)
    with client(june) as fresh:
        assert fresh.get(path, headers=bearer(expiring.token)).status_code == 401
