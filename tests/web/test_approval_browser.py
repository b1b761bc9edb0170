"""Approvals in the approver's own browser: four eyes are two machines, and a lying server gets no signature."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.proofs import trust as trust_file
from service.bundles import verify_bundle
from service.live import mandates
from service.settlement import approvers, holds
from service.settlement.step import read_book
from tests.service.live.test_paying import TERMS
from tests.service.web.serving import lines, row
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
def operator(served: Portal) -> Any:
    page = served.profile()
    served.sign_in(page, "operator")
    return page


@pytest.fixture(scope="module")
def run(served: Portal, operator: Any, carol: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A month as far as its run, by clicking: the platform hands in a file, the operator closes and calculates."""
    events = tmp_path_factory.mktemp("events") / "june.ndjson"
    events.write_bytes(lines(row("web-1"), row("web-2", track="nobody-knows")))
    ann = served.profile()
    served.sign_in(ann, "ann", "platform")
    ann.goto(f"{served.origin}/sources")
    ann.get_by_role("link", name="acme").click()
    ann.set_input_files("#file", str(events))
    ann.get_by_role("button", name="Hand in").click()
    assert "1 accepted" in ann.get_by_role("status").inner_text()
    assert "nobody-knows" in ann.locator("main").inner_text()
    operator.goto(f"{served.origin}/periods")
    operator.get_by_label("Go to a month").fill("2026-06")
    operator.get_by_role("button", name="Show").click()
    operator.get_by_role("button", name="Close this month").click()
    operator.get_by_label("Pool, such as").fill("1000.00")
    operator.get_by_label("Currency").fill("EUR")
    operator.get_by_label("Rule").select_option("pro-rata")
    operator.get_by_role("button", name="Calculate").click()
    operator.get_by_role("link", name="Look at it").wait_for()
    (record,) = read_book(served.june.ws).runs.values()
    return record.run


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
    "other accounts": ("/accounts", b'"payable":"127270000"', b'"payable":"127270001"', "not those of the document"),
    "no document": ("/document", b'"payloadType"', b'"payloadtype"', "Not signed"),
    "another signer": ("/leaf", b'"by":"carol"', b'"by":"operator"', "in the name of operator"),
    "another proposal": ("/leaf", b'"subject":"', b'"subject":"0', "another proposal than this page's"),
    "a leaf of another day": ("/leaf", b'"at":"20', b'"at":"19', "more than ten minutes from this machine's clock"),
    "no day": ("/leaf", b'"at":"20', b'"at":"x', "more than ten minutes from this machine's clock"),
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
    assert "645.430000 EUR" in panel
    assert "carol" in panel
    assert "2026-06" in panel
    button.click()
    carol.get_by_text("approved", exact=True).first.wait_for()
    book = read_book(served.june.ws)
    (approval,) = book.approvals[run]
    assert (approval.by, approval.demo) == ("carol", False)
    assert not (served.june.home / "keys" / "approver-carol.json").exists()


def test_a_month_is_published_and_paid_by_clicking(served: Portal, operator: Any, run: str) -> None:
    """If this fails, a month that two people settled in the portal needs a command line before its holder sees it."""
    operator.goto(f"{served.origin}/periods/2026-06")
    operator.get_by_role("button", name="Publish this run").click()
    operator.get_by_role("button", name="Write the bank's files").click()
    operator.wait_for_url("**/payments?run=*")
    assert "with the bank" in operator.locator("main").inner_text()
    assert read_book(served.june.ws).state_of(run) == "paying"
    bob = served.profile()
    served.sign_in(bob, "bob")
    bob.get_by_role("link", name="Statements").first.click()
    bob.get_by_role("link", name="2026-06").click()
    assert bob.get_by_text("127.27 EUR").first.is_visible()
    assert "Demo" not in bob.locator("main").inner_text()
    with bob.expect_download() as downloading:
        bob.get_by_role("link", name="Bundle to verify").click()
    bundle = Path(downloading.value.path())
    trust = trust_file.parse((served.june.home / "trust.json").read_bytes())
    assert verify_bundle(bundle.read_bytes(), trust).ok


def test_amounts_of_a_mandate_are_shown_as_money(served: Portal, carol: Any) -> None:
    """If this fails, an approver reads a ceiling a million times too large, and cannot tell one that is."""
    proposal = mandates.propose(served.june.ws, **(TERMS | {"until": _next_year()}))
    carol.goto(f"{served.origin}/proposals/{proposal.id}")
    carol.get_by_role("button", name="Sign and approve").wait_for()
    facts = dict(
        zip(
            carol.locator("#approve dt").all_inner_texts(),
            carol.locator("#approve dd").all_inner_texts(),
            strict=True,
        )
    )
    shown = {name: facts[name] for name in ("hour_micros", "party_micros", "terms.price_micros")}
    assert shown == {
        "hour_micros": "1000.000000 EUR",
        "party_micros": "500.000000 EUR",
        "terms.price_micros": "100.000000 EUR",
    }
    assert "contains no amount" not in carol.locator("#approve").inner_text()


def test_a_page_says_where_what_is_signed_contains_no_amount(served: Portal, carol: Any) -> None:
    """If this fails, an approver takes the server's word on an amount for something that the browser has checked."""
    hold = holds.open_hold(served.june.ws, scope="party", subject="bob", reason="fraud")
    proposal = holds.release(served.june.ws, hold.id, note="checked")
    carol.goto(f"{served.origin}/proposals/{proposal.id}")
    carol.get_by_role("button", name="Sign and approve").wait_for()
    assert "What you sign contains no amount" in carol.locator("#approve").inner_text()


def _next_year() -> str:
    return f"{datetime.now(UTC).year + 1}-12-31"


def test_the_operator_is_not_offered_to_approve(served: Portal, operator: Any, run: str) -> None:
    """If this fails, the maker of a run is shown the means to approve it."""
    operator.goto(f"{served.origin}/proposals/{run}")
    assert operator.locator("#approve").count() == 0
    answer = operator.request.get(f"{served.origin}/proposals/{run}/leaf?key={'0' * 64}")
    assert (answer.status, json.loads(answer.body())["cause"]) == (403, "role")
