"""Links, sessions and forms: who is signed in, and which acts a signed-in browser may be made to send."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from ledger.errors import InputError
from ledger.log.fsck import fsck
from service.access import keys, sessions
from service.web.guard.allowed import ANYBODY
from service.web.guard.forms import COOKIE, FORM
from service.web.routes import ROUTES
from tests.service.month import NOW, Month
from tests.service.web.portal import OWN_PAGE, Person, code_for, enter, signed_in
from tests.service.web.serving import client, served_month, token


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return served_month(tmp_path_factory.mktemp("signing") / "home")


@pytest.fixture
def web(june: Month) -> Iterator[Any]:
    june.now = NOW
    with client(june) as opened:
        yield opened


def test_a_link_signs_in_once_and_its_session_survives_a_restart(web: Any, june: Month) -> None:
    """If this fails, a forwarded link opens somebody's pages, or a restart signs everybody out."""
    code = code_for(june, "bob")
    answer = enter(web, code)
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"))
    assert enter(web, code).status_code == 400
    bob = Person(web, cookie.partition(";")[0])
    assert "signed in as bob" in bob.get("/home").text
    with client(june) as restarted:
        assert Person(restarted, bob.cookie).get("/home").status_code == 200


def test_two_browsers_with_one_link_are_one_session(web: Any, june: Month) -> None:
    """If this fails, whoever saw a link has a race to win: two browsers are signed in by it."""
    code = code_for(june, "bob")
    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(answer.status_code for answer in threads.map(lambda _: enter(web, code), range(8)))
    assert statuses == [303] + [400] * 7


def test_links_and_sessions_run_out(web: Any, june: Month) -> None:
    """If this fails, an old link or a stolen cookie counts for ever."""
    bob, late = signed_in(web, june, "bob"), code_for(june, "bob")
    june.now += timedelta(hours=12, seconds=1)
    with client(june) as later:
        assert Person(later, bob.cookie).get("/home").status_code == 401
        june.now += timedelta(hours=12)
        assert enter(later, late).status_code == 400


def test_signing_out_counts_at_once_and_only_for_ones_own_sessions(web: Any, june: Month) -> None:
    """If this fails, a signed-out browser still reads, or one person signs out another."""
    here, there, ann = signed_in(web, june, "bob"), signed_in(web, june, "bob"), signed_in(web, june, "ann")
    own = sessions.sessions_of(june.ws.log, "ann", june.now)[0].id
    assert here.post("/sessions/end", session=own).status_code == 303
    assert ann.get("/home").status_code == 200
    assert there.get("/home").status_code == 200
    answer = there.post("/sessions/end")
    assert (answer.headers["location"], "Max-Age=0" in answer.headers["set-cookie"]) == ("/sign-in", True)
    assert there.get("/home").status_code == 401
    assert here.get("/home").status_code == 200


def test_the_operator_ends_a_partys_sessions_and_links(june: Month) -> None:
    """If this fails, a stolen cookie or a link in the wrong hands counts until it runs out."""
    june.now = NOW
    sessions.end_all(june.ws, "bob")  # those of the tests before
    with client(june) as web:
        here, there, ann = signed_in(web, june, "bob"), signed_in(web, june, "bob"), signed_in(web, june, "ann")
        bobs, anns = code_for(june, "bob"), code_for(june, "ann")
        ended = sessions.end_all(june.ws, "bob")
        assert (ended.sessions, ended.links) == (2, 1)
    with client(june) as web:  # the first server may believe a cookie for a second more
        assert [Person(web, browser.cookie).get("/home").status_code for browser in (here, there, ann)] == [
            401,
            401,
            200,
        ]
        assert [enter(web, code).status_code for code in (bobs, anns)] == [400, 303]
        act = keys.administrative_acts(june.ws.log)[-1]
        assert (act.act, act.party, act.scopes, act.until) == ("sign-in-ended", "bob", (), None)
        size = june.ws.log.head().size
        again = sessions.end_all(june.ws, "bob")
        assert (again.sessions, again.links, june.ws.log.head().size) == (0, 0, size)
        assert enter(web, code_for(june, "bob")).status_code == 303
    with pytest.raises(InputError, match="not registered"):
        sessions.end_all(june.ws, "bbo")
    assert fsck(june.reopened().log).ok


def test_a_cookie_that_was_planted_is_never_taken_over(web: Any, june: Month) -> None:
    """If this fails, whoever plants a cookie in a browser shares the session of the person who signs in there."""
    planted = "A" * 43
    answer = enter(web, code_for(june, "bob"), cookie=f"{COOKIE}={planted}")
    assert planted not in answer.headers["set-cookie"]
    assert Person(web, f"{COOKIE}={planted}").get("/home").status_code == 401


def test_a_cookie_has_one_name_and_stands_once(web: Any, june: Month) -> None:
    """If this fails, a subdomain or another path plants a second cookie, and the server takes that one."""
    bob, ann = signed_in(web, june, "bob"), signed_in(web, june, "ann")
    assert bob.cookie.startswith("__Host-")
    assert Person(web, f"theme=a; {bob.cookie}; other=b").get("/home").status_code == 200
    assert Person(web, f"{bob.cookie}; {ann.cookie}").get("/home").status_code == 400
    assert Person(web, f"x{bob.cookie}").get("/home").status_code == 401
    assert Person(web, f'a="; {bob.cookie}; "').get("/home").status_code == 200


def test_a_copy_of_the_database_signs_nobody_in(web: Any, june: Month) -> None:
    """If this fails, a backup holds codes or cookies that can be used."""
    code = code_for(june, "bob")
    bob = signed_in(web, june, "bob")
    with sqlite3.connect(june.home / "settle.db") as database:
        dump = "\n".join(database.iterdump())
    assert code not in dump
    assert bob.cookie.partition("=")[2] not in dump


def test_who_was_given_a_link_stands_in_the_log(june: Month) -> None:
    """If this fails, an operator can sign in as anybody and nobody sees it."""
    code_for(june, "bob", "holder")
    act = keys.administrative_acts(june.ws.log)[-1]
    assert (act.act, act.party, act.scopes) == ("sign-in-link-added", "bob", ("holder",))


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ({"sec-fetch-site": "cross-site"}, "Sec-Fetch-Site"),
        ({"sec-fetch-site": "same-site"}, "Sec-Fetch-Site"),
        ({"origin": "https://evil.example"}, "Origin"),
        ({"origin": "null"}, "Origin"),
        ({}, "neither"),
    ],
)
def test_a_form_of_another_site_does_nothing(web: Any, june: Month, headers: dict[str, str], cause: str) -> None:
    """If this fails, a page elsewhere acts in the name of whoever is signed in here and visits it."""
    bob = signed_in(web, june, "bob")
    form = {"content-type": FORM, "cookie": bob.cookie}
    answer = web.post("/sessions/end", data={"form_token": "0" * 64}, headers=form | headers)
    assert answer.status_code == 403
    assert cause in answer.text
    assert bob.get("/home").status_code == 200


@pytest.mark.parametrize("route", [route for route in ROUTES if route.takes], ids=lambda route: route.path)
def test_no_act_is_possible_with_a_cookie_alone(web: Any, june: Month, route: Any) -> None:
    """If this fails, a route that changes something takes a cookie without the token of a form."""
    if ANYBODY in route.who:
        return
    operator = signed_in(web, june, "operator")
    path = route.path.replace("{", "").replace("}", "")
    headers = OWN_PAGE | {"cookie": operator.cookie, "content-type": route.takes[0]}
    answer = web.post(path, content=b"", headers=headers)
    assert answer.status_code in (401, 403, 404)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.answers == "text/html" and not route.takes], ids=lambda one: one.path
)
def test_every_page_has_a_strict_policy_and_cannot_be_framed(web: Any, june: Month, route: Any) -> None:
    """If this fails, a page may run what others wrote, or another site shows it in a frame to steal clicks."""
    operator = signed_in(web, june, "operator")
    for answer in (operator.get(route.path.replace("{", "").replace("}", "")), web.get(route.path)):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"


def test_a_scope_narrows_a_session(web: Any, june: Month) -> None:
    """If this fails, a link for one role opens the pages of all."""
    assert "holder" not in signed_in(web, june, "ann", "platform").get("/sessions").text
    assert "holder" in signed_in(web, june, "ann").get("/sessions").text


def test_an_access_key_still_opens_pages(web: Any, june: Month) -> None:
    """If this fails, programs that read pages with a key, as the table of routes allows, are shut out."""
    secret = token(june, "bob")
    assert web.get("/home", headers={"authorization": f"Bearer {secret}"}).status_code == 200
