"""The portal in real Chromium: every page in every role, by sight, by keyboard, and under hostile texts."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from service.web.call import HTML
from service.web.guard.allowed import ANYBODY
from service.web.route import Route
from service.web.routes import ROUTES
from tests.service.month import Month, published
from tests.service.web.serving import PARTIES
from tests.web.portal_browser import Portal, portal

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("SETTLE_SCREENSHOTS")
"""A folder for pictures of the pages, for whoever changes their look."""
PAYLOAD = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>"
OBJECTS = {
    "source": "acme",
    "party": "bob",
    "payee": "bob",
    "period": "2026-06",
    "track": "trk-1",
    "recording": "rec-2",
    "dispute": "",
    "proposal": "2026-06",
}
MEASURED: set[tuple[str, str]] = set()
PAGES = [route for route in ROUTES if route.answers == HTML and not route.takes and "{dispute}" not in route.path]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    with portal(tmp_path_factory.mktemp("pages"), prepare=hostile) as opened:
        yield opened


def hostile(june: Month) -> None:
    """June, published; titles and names that would run as scripts where they are not escaped."""
    path = june.home.parent / "hostile.json"
    registry = {
        "parties": [{"id": "mallory", "name": PAYLOAD, "kind": "person"}],
        "recordings": [{"id": "rec-x", "title": PAYLOAD}],
        "tracks": [{"id": "trk-x", "model": "mdl", "version": "1", "title": PAYLOAD}],
    }
    path.write_text(json.dumps(registry))
    import_files(june.ws.registry, [path], Signer(june.ws.signer("operator"), "operator", "operator"))
    published(june)


def path_of(route: Route) -> str:
    return re.sub(r"{(\w+)(?::path)?}", lambda name: OBJECTS[name[1]], route.path)


def violations(page: Any) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA on this page."""
    from axe_playwright_python.sync_playwright import Axe

    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    rules = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}}).response["violations"]
    return [f"{page.url}: {rule['id']}: {node['html'][:120]}" for rule in rules for node in rule["nodes"]]


@pytest.mark.parametrize("role", [None, *PARTIES])
def test_every_page_in_each_role_can_be_read_by_everybody(served: Portal, role: str | None) -> None:
    """If this fails, a page is broken, hidden from a screen reader or a keyboard, too wide for a phone, or too pale."""
    # What another role saw before in the same light is not measured again: it is the same page.
    schemes = ("light", "dark") if role in (None, "operator", "holder") else ("light",)
    for scheme in schemes:
        page = served.profile(color_scheme=scheme, viewport={"width": 360 if scheme == "dark" else 1100, "height": 800})
        if role is not None:
            served.sign_in(page, PARTIES[role], role)
        for route in PAGES:
            if (ANYBODY in route.who) != (role is None) or (role is not None and role not in route.who):
                continue
            if route.path == "/verify":  # it is a file of its own, with tests of its own
                continue
            answer = page.goto(served.origin + path_of(route))
            assert answer.status == 200, route.path
            assert page.locator("h1").count() == 1, route.path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (route.path, scheme)
            if (route.path, scheme) not in MEASURED:
                assert violations(page) == []
                MEASURED.add((route.path, scheme))
            if SHOTS:
                name = re.sub(r"\W+", "-", route.path).strip("-") or "root"
                page.screenshot(path=f"{SHOTS}/{role}-{name}-{scheme}.png", full_page=True)
        page.context.close()


@pytest.mark.parametrize("path", ["/tracks/trk-x", "/recordings/rec-x", "/holders/mallory", "/payments", "/status"])
def test_hostile_names_stay_text(served: Portal, path: str) -> None:
    """If this fails, whoever registers a name runs a script in the browser of whoever reads it."""
    page = served.profile()
    served.sign_in(page, "operator")
    assert page.goto(served.origin + path).status == 200
    assert page.locator("img, svg[onload], script:not([src])").count() == 0


def test_hostile_texts_in_every_field_stay_text(served: Portal) -> None:
    """If this fails, a text that is typed into a form, or stands in a link, runs when it is shown again."""
    page = served.profile()
    served.sign_in(page, "bob")
    for path in ("/payees/bob", "/holders/bob/disputes", "/holders/bob/permissions", "/log"):
        page.goto(served.origin + path)
        fields = page.locator("main form input:not([type=hidden]), main form textarea")
        page.evaluate("document.querySelectorAll('[maxlength]').forEach(field => field.removeAttribute('maxlength'))")
        for n in range(fields.count()):
            fields.nth(n).fill(PAYLOAD)
        page.locator("main form").last.locator("button").click()
        assert page.locator("h1").count() == 1
        assert page.locator("main img, main svg[onload], main script").count() == 0
    for query in ("/log?q=", "/holders/bob/permissions?use=train&subject=", "/holders/bob/statements/"):
        page.goto(served.origin + query + PAYLOAD.replace("/", "%2F"))
        assert page.locator("main img, main svg[onload], main script").count() == 0


def test_a_person_signs_in_and_out_by_the_keyboard(served: Portal) -> None:
    """If this fails, who has no mouse cannot enter, or is lost on the way."""
    page = served.profile()
    page.goto(served.link("bob"))
    assert "#" not in page.url
    page.keyboard.press("Enter")
    page.wait_for_url("**/home")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.goto(f"{served.origin}/sessions")
    page.get_by_role("button", name="Sign out").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in")
    assert page.goto(f"{served.origin}/home").status == 401


def test_a_statement_prints_without_its_menu(served: Portal) -> None:
    """If this fails, paper for a tax adviser shows links and forms instead of figures."""
    page = served.profile()
    served.sign_in(page, "bob")
    page.goto(f"{served.origin}/holders/bob/statements/2026-06")
    page.emulate_media(media="print")
    assert not page.locator("header").is_visible()
    assert not page.locator(".downloads").is_visible()
    assert page.get_by_text("120.00 EUR").first.is_visible()
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/print-statement.png", full_page=True)
