"""Approvals in the approver's own browser: four eyes are two machines, and a lying server gets no signature."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.settlement import approvers, life
from service.settlement.step import read_book
from tests.service.month import asked
from tests.web.portal_browser import Portal, portal

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with portal(tmp_path_factory.mktemp("approval")) as opened:
        yield opened


@pytest.fixture(scope="module")
def carol(served: Portal) -> Any:
    """Carol's browser: her key was made in it and registered, and she is signed in."""
    page = served.profile()
    page.goto(f"{served.origin}/browser-key")
    page.get_by_role("button", name="Make a key").click()
    shown = page.locator("#key")
    shown.filter(has_text=re.compile("[0-9a-f]{64}")).wait_for()
    digits = re.search("[0-9a-f]{64}", shown.inner_text())
    assert digits is not None
    approvers.enrol(served.june.ws, "carol", public=digits[0])
    served.sign_in(page, "carol")
    return page


@pytest.fixture(scope="module")
def run(served: Portal) -> str:
    ws = served.june.ws
    life.close(ws, "2026-06")
    return life.run(ws, asked()).run


def test_a_key_cannot_be_taken_out_of_its_browser(carol: Any) -> None:
    """If this fails, a script or a thief at the keyboard copies an approver's key."""
    page = carol
    page.goto(page.url.rpartition("/")[0] + "/browser-key")
    page.locator("#key").filter(has_text=re.compile("[0-9a-f]{64}")).wait_for()
    taken = page.evaluate(
        "async () => { const key = await browserKey();"
        " try { await crypto.subtle.exportKey('pkcs8', key.pair.privateKey); return 'exported'; }"
        " catch (problem) { return problem.name; } }"
    )
    assert taken == "InvalidAccessError"
    assert not page.get_by_role("button", name="Make a key").is_visible()


LIES = {
    "other accounts": ("/accounts", b'"payable":"120000000"', b'"payable":"120000001"', "not those of the document"),
    "no document": ("/document", b'"payloadType"', b'"payloadtype"', "Not signed"),
    "another signer": ("/leaf", b'"by":"carol"', b'"by":"operator"', "in the name of operator"),
    "a demo": ("/leaf", b'"demo":false', b'"demo":true', "something else than an approval"),
    "a publication": ("/leaf", b'"type":"approve"', b'"type":"publish"', "something else than an approval"),
}
"""What a server could send instead: where, which bytes, and what the page says."""


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_server_gets_no_signature(served: Portal, carol: Any, run: str, lie: str) -> None:
    """If this fails, an approver signs what they were not shown."""
    path, old, new, refusal = LIES[lie]

    def answer(route: Any) -> None:
        body = route.fetch().body()
        assert old in body
        route.fulfill(body=body.replace(old, new), content_type="application/json")

    pattern = re.compile(rf"/proposals/{run}{path}")
    carol.route(pattern, answer)
    carol.goto(f"{served.origin}/proposals/{run}")
    status = carol.locator("#approve-status")
    status.filter(has_text="Not signed").wait_for()
    assert refusal in status.inner_text()
    assert carol.get_by_role("button", name="Sign and approve").count() == 0
    carol.unroute(pattern)


def test_an_approver_signs_in_their_own_browser(served: Portal, carol: Any, run: str) -> None:
    """If this fails, an approval needs a key on the operator's machine, or shows other amounts than are signed."""
    carol.goto(f"{served.origin}/proposals")
    carol.get_by_role("link", name="Look at it").click()
    button = carol.get_by_role("button", name="Sign and approve")
    button.wait_for()
    panel = carol.locator("#approve").inner_text()
    assert "630.000000 EUR" in panel
    assert "carol" in panel
    assert "2026-06" in panel
    button.click()
    carol.get_by_text("approved", exact=True).first.wait_for()
    book = read_book(served.june.ws)
    (approval,) = book.approvals[run]
    assert (approval.by, approval.demo) == ("carol", False)
    assert not (served.june.home / "keys" / "approver-carol.json").exists()
    assert not life.publish(served.june.ws, run).demo


def test_the_operator_is_not_offered_to_approve(served: Portal, run: str) -> None:
    """If this fails, the maker of a run is shown the means to approve it."""
    page = served.profile()
    served.sign_in(page, "operator")
    page.goto(f"{served.origin}/proposals/{run}")
    assert page.locator("#approve").count() == 0
    answer = page.request.get(f"{served.origin}/proposals/{run}/leaf?key={'0' * 64}")
    assert (answer.status, json.loads(answer.body())["cause"]) == (403, "role")
