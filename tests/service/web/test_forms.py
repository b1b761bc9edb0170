"""Forms: what their bodies may be, before anybody has said who they are and after."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from service.web.guard.allowed import ANYBODY
from service.web.guard.forms import COOKIE, FORM
from service.web.guard.limits import Limits
from service.web.routes import ROUTES
from tests.service.month import Month
from tests.service.web.portal import OWN_PAGE, signed_in
from tests.service.web.serving import bearer, client, lines, row, served_month, token


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


def test_each_form_takes_from_the_senders_rate(june: Month) -> None:
    """If this fails, one person fills the log, which nobody can empty, with the operator's signatures."""
    with client(june, Limits(receipts_per_second=2)) as web:
        bob, ann = signed_in(web, june, "bob"), signed_in(web, june, "ann")
        answers = [bob.post("/payees/bob", method="sepa") for _ in range(8)]
        assert 429 in {answer.status_code for answer in answers}
        assert ann.post("/sessions/end").status_code == 303


def test_keys_that_are_guessed_take_from_a_rate(june: Month) -> None:
    """If this fails, whoever guesses keys or cookies keeps every reading thread busy."""
    with client(june, Limits(anonymous_per_second=3)) as web:
        guesses = [{"authorization": f"Bearer settle_{n}"} for n in range(4)]
        guesses += [{"cookie": f"{COOKIE}={'A' * 42}{n}"} for n in range(4)]
        statuses = [web.get("/home", headers=guess).status_code for guess in guesses]
        assert statuses[0] == 401
        assert 429 in statuses


@pytest.mark.parametrize("path", ["/disputes/bob", "/disputes/bob/" + "0" * 16])
def test_a_text_of_a_dispute_is_not_longer_than_its_field(web: Any, june: Month, path: str) -> None:
    """If this fails, a program puts 60 KB into the log with each answer, for good."""
    bob = signed_in(web, june, "bob")
    fields = {"run": "0" * 16, "about": "split", "amount": "1"}
    answers = [bob.post(path, text="\r\n".join("xy" * 500) + "x" * more, **fields).text for more in (0, 1_000)]
    assert ["at most 2,000" in answer for answer in answers] == [False, True]


@pytest.mark.parametrize("field", ["session=\0", "session\0=a", "session=a%1b%5bm", "session=%c2%85"])
def test_what_is_no_text_is_refused(web: Any, june: Month, field: str) -> None:
    """If this fails, a NUL in a form is an error of the database, or a control character obeys its sender."""
    bob = signed_in(web, june, "bob")
    answer = web.post("/sessions/end", content=field, headers=OWN_PAGE | {"cookie": bob.cookie})
    assert (answer.status_code, "no text" in answer.text) == (400, True)


def test_signing_out_where_nobody_ever_signed_in_is_no_error(tmp_path: Path) -> None:
    """If this fails, a form that a key sends to a server without links ends in an internal error."""
    june = served_month(tmp_path / "home")
    headers = OWN_PAGE | bearer(token(june, "bob"))
    with client(june) as web:
        assert (
            web.post("/sessions/end", data={"session": "a"}, headers=headers, follow_redirects=False).status_code == 303
        )
