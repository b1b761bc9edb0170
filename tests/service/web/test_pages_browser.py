"""The public pages in a real browser, over real HTTP."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.service.web.serving import served_month, serving
from tests.service.web.test_pages import register_payload

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("SETTLE_SCREENSHOTS")
"""A folder for pictures of the pages, for whoever changes their look."""


def test_a_visitor_reads_the_public_pages(tmp_path: Path) -> None:
    """If this fails, a page is blank or unstyled under its own policy, runs what others wrote, or asks another host."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "no chromium here; on Debian, install the package of that name"
    june = served_month(tmp_path / "home")
    register_payload(june)
    june.ws.close()
    with serving(tmp_path / "home") as served, sync_playwright() as driver:
        origin = f"http://{served.host}:{served.port}"
        browser: Any = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme, width in (("light", 1100), ("dark", 1100), ("light", 360)):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
            asked: list[str] = []
            problems: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("console", lambda message, problems=problems: problems.append(message.text))
            page.on("dialog", lambda dialog, problems=problems: problems.append(dialog.message))
            for name, path in (("track", "/tracks/trk-1"), ("payload", "/tracks/trk-x"), ("log", "/log?q=3")):
                page.goto(origin + path)
                assert page.locator("h1").is_visible()
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
                assert page.evaluate("getComputedStyle(document.querySelector('header')).display") == "flex"
                if SHOTS:
                    page.screenshot(path=f"{SHOTS}/{name}-{scheme}-{width}.png", full_page=True)
            page.get_by_label("An entry's number").fill("0")
            page.get_by_role("button", name="Find").click()
            assert page.get_by_role("heading", name="Entry 0: log").is_visible()
            page.get_by_role("link", name="verify it").first.click()
            assert page.get_by_role("heading", name="Verify a Settle bundle").is_visible()
            assert problems == []
            assert all(url.startswith(origin) for url in asked)
            page.close()
        browser.close()
