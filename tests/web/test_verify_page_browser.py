"""verify.html in a real browser, opened from disk as a visitor would."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.verify_page import PAGE
from tests.independent.building import canonical
from tests.independent.settled import Settled
from tests.support import ROOT

pytestmark = pytest.mark.browser
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "no chromium here; on Debian, install the package of that name"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        requests: list[str] = []
        problems: list[str] = []
        opened.on("request", lambda request: requests.append(request.url))
        opened.on("pageerror", lambda problem: problems.append(str(problem)))
        opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        opened.goto(PAGE.as_uri())
        yield opened
        assert requests == [PAGE.as_uri()], "the page asked for something"
        assert problems == []
        browser.close()


def verdict(page: Any, *files: Path) -> str:
    page.set_input_files("#files", [str(path) for path in files])
    status = page.get_by_role("status")
    status.filter(has_text="...").wait_for(state="detached")
    return str(status.inner_text())


def test_a_visitor_checks_an_honest_bundle_and_an_altered_one(page: Any, tmp_path: Path) -> None:
    """If this fails, a visitor without our software learns nothing, or learns something false."""
    trust = tmp_path / "trust.json"
    shutil.copy(GOLDEN / "event.trust.json", trust)
    honest = GOLDEN / "event.bundle"
    altered = tmp_path / "altered.bundle"
    altered.write_bytes(honest.read_bytes().replace(b'"units":1', b'"units":9', 1))
    assert verdict(page, honest, trust).startswith("OK")
    assert verdict(page, altered, trust).startswith("FAILED")
    assert verdict(page, honest).startswith("Add both")
    claim = GOLDEN / "releases" / "0.1.0" / "bundles" / "claim-0.bundle"
    assert verdict(page, claim, trust).startswith("Cannot check")
    assert page.get_by_text("SHA-256").count() > 0


def test_a_visitor_reads_what_a_run_and_a_statement_prove(page: Any, tmp_path: Path) -> None:
    """If this fails, a holder without our software cannot check what they are paid, or is told less than by us."""
    settled = Settled()
    trust = tmp_path / "trust.json"
    trust.write_bytes(canonical(settled.trust()))
    for name, data in settled.bundles().items():
        (tmp_path / name).write_bytes(data)
    run, statement = tmp_path / "run.bundle", tmp_path / "p-bob.bundle"
    assert verdict(page, run, trust).startswith("OK")
    assert page.get_by_text("it pays 3 parties").is_visible()
    assert verdict(page, statement, trust).startswith("OK")
    assert page.get_by_text("p-bob earned").is_visible()
    assert verdict(page, run, statement, trust).startswith("OK 2 bundles")
    statement.write_bytes(statement.read_bytes().replace(b'"party":"p-bob"', b'"party":"p-cy"'))
    assert verdict(page, statement, trust).startswith("FAILED")
    assert verdict(page, run, statement, trust).startswith("FAILED p-bob.bundle")
