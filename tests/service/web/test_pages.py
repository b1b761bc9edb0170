"""The pages that anybody may open in a browser: the verifier of bundles."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from service import operating
from service.verify_page import PAGE
from tests.service.month import Month
from tests.service.web.serving import client, served_month


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return served_month(tmp_path_factory.mktemp("pages") / "home")


@pytest.fixture(scope="module")
def web(june: Month) -> Any:
    with client(june) as opened:
        yield opened


def test_the_verifier_is_served_as_it_was_released(web: Any) -> None:
    """If this fails, a visitor gets another verifier than the release's, or one that its policy stops."""
    answer = web.get("/verify")
    assert (answer.status_code, answer.content) == (200, PAGE.read_bytes())
    policy = answer.headers["content-security-policy"]
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'; style-src 'sha256-", policy)
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_an_exported_log_brings_its_verifier(june: Month, tmp_path: Path) -> None:
    """If this fails, whoever receives an export must install something to check it."""
    operating.export(june.ws, tmp_path)
    assert (tmp_path / "verify.html").read_bytes() == PAGE.read_bytes()


def test_a_tracks_page_shows_its_sources_and_how_to_check_them(web: Any) -> None:
    """If this fails, a listener cannot see who influenced a track, or takes a share for more than it is."""
    page = web.get("/tracks/trk-1")
    assert page.status_code == 200
    for text in ("rec-1", "Nobody: not attributed", "Measured error", "/v1/log/proof?index="):
        assert text in page.text
    index = re.search(r"/v1/log/proof\?index=(\d+)", page.text)
    assert index is not None
    assert web.get(index[0]).status_code == 200
    assert web.get("/tracks/nothing").status_code == 404


def test_the_log_is_searched_by_number_and_by_event(web: Any, june: Month) -> None:
    """If this fails, a visitor with an event's id does not find its entry, or is shown another."""
    event = next(iter(june.ws.log.entries(types=("event",))))
    body = json.loads(event.body)
    for query in (str(event.index), body["event_id"], f"{body['source']}:{body['event_id']}"):
        page = web.get("/log", params={"q": query})
        assert f"Entry {event.index}: event" in page.text, query
    assert "holds no entry" in web.get("/log", params={"q": "no:such"}).text
    assert html.escape(june.ws.log.checkpoint().decode()) in web.get("/log").text


def register_payload(june: Month) -> None:
    """A track whose title would run as a script where it is not escaped."""
    path = june.ws.home.parent / "payload.json"
    title = "</title><script>alert(1)</script><img src=x onerror=alert(1)>"
    path.write_text(json.dumps({"tracks": [{"id": "trk-x", "model": "mdl", "version": "1", "title": title}]}))
    import_files(june.ws.registry, [path], Signer(june.ws.signer("operator"), "operator", "operator"))


@pytest.mark.parametrize(
    "path", ["/tracks/trk-x", "/log?q=%3Cscript%3Ealert(1)%3C/script%3E", "/log?q=%22%3E%3Cimg%20src=x%3E"]
)
def test_nothing_that_others_wrote_runs_in_a_page(web: Any, june: Month, path: str) -> None:
    """If this fails, whoever registers a track or sends a link runs a script in a visitor's browser."""
    if "trk-x" not in june.ws.registry.view().tracks:
        register_payload(june)
    page = web.get(path)
    assert page.status_code == 200
    assert not re.search(r"<script|<img", page.text)
    assert "&lt;" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
