"""verify.html derives the accounts of a month that was paid in part early, as `settle verify` does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service.bundles import verify_bundle
from service.settlement import life
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import proving
from tests.service.live.test_paying import EARNED, NOON, mandate, pay, settle
from tests.service.month import month
from tests.web.browser_verifier import as_report, browser_reports

pytestmark = [pytest.mark.node, pytest.mark.skipif(shutil.which("node") is None, reason="needs node")]


@pytest.mark.parametrize("price", ["100.00", "10.00", "55.55"])
def test_a_month_paid_in_part_gets_the_same_words(price: str, tmp_path: Path) -> None:
    """If this fails, the browser refuses a month with instalments, or believes one that the command line refuses."""
    july = month(tmp_path / "home")
    life.close(july.ws, "2026-06")
    july.now = NOON
    july.stream(["trk-1"] * 6 + ["trk-2"] * 3 + ["trk-3"], at="2026-07-09T10:00:00Z")
    mandate(july)
    pay(july)
    settle(july, amount=price)
    book = read_book(july.ws)
    (run,) = book.published
    stored, policy = load(july.ws.log, book.runs[run]), july.ws.trust.policy
    bundles = [proving.run_bundle(july.ws.log, policy, book, stored)]
    bundles += [proving.statement_bundle(july.ws.log, policy, book, stored, party) for party in EARNED]
    expected = [as_report(verify_bundle(bundle, july.ws.trust)) for bundle in bundles]
    assert browser_reports((july.ws.trust.encode(), bundles)) == expected
    assert all(report["ok"] for report in expected)
