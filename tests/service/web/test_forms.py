"""Forms: what their bodies may be, before anybody has said who they are and after."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from service.web.guard.allowed import ANYBODY
from service.web.guard.forms import FORM
from service.web.routes import ROUTES
from tests.service.month import Month
from tests.service.web.portal import OWN_PAGE, signed_in
from tests.service.web.serving import client, lines, row, served_month


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return served_month(tmp_path_factory.mktemp("forms") / "home")


@pytest.fixture(scope="module")
def web(june: Month) -> Any:
    with client(june) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/sign-in", "/sessions/end"])
def test_a_compressed_form_is_refused(web: Any, june: Month, path: str) -> None:
    """If this fails, 64 KB that unpack to 64 MiB of a form stop the server for everybody."""
    bob = signed_in(web, june, "bob")
    headers = OWN_PAGE | {"content-encoding": "gzip", "cookie": bob.cookie}
    answer = web.post(path, content=gzip.compress(b"code=" + b"%41" * 100_000), headers=headers)
    assert (answer.status_code, "content-encoding" in answer.text) == (415, True)


def test_a_stranger_sends_a_kilobyte_at_most(web: Any) -> None:
    """If this fails, callers without a key fill the memory that the bodies of all callers share."""
    for length, status in ((1 << 10, 400), ((1 << 10) + 1, 413)):
        assert web.post("/sign-in", content=b"code=".ljust(length, b"x"), headers=OWN_PAGE).status_code == status
    open_to_all = [route for route in ROUTES if route.takes and ANYBODY in route.who]
    assert [(route.path, route.body_max) for route in open_to_all] == [("/sign-in", 1 << 10)]


def test_every_form_has_a_limit_and_events_still_fit(web: Any, june: Month) -> None:
    """If this fails, one person's form keeps a processor busy for seconds, or a platform's events no longer fit."""
    assert all(route.body_max is not None and route.body_max <= 1 << 20 for route in ROUTES if route.takes == (FORM,))
    ann, bob = signed_in(web, june, "ann"), signed_in(web, june, "bob")
    assert bob.post("/sessions/end", session="x" * (1 << 16)).status_code == 413
    rows = lines(*(row(f"form-{number}") for number in range(1_000))).decode()
    assert ann.post("/sources/acme", page="/sources/acme", rows=rows).status_code == 200
