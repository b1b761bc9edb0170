"""The royalty-clean certificate: it says what is licensed, unattributed and paid, and is refused while that is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.proofs import canon, dsse
from service.settlement import life, paying
from service.settlement.royalty_clean import ROYALTY_CLEAN_TYPE, certify
from tests.cli.support import settle_json
from tests.service.month import JULY_OVER, Month, month, published
from tests.service.settlement.test_paid_once import said


@pytest.fixture
def paid(tmp_path: Path) -> tuple[Month, str]:
    """June with every payment settled."""
    made = month(tmp_path / "home")
    run = published(made)
    paying.pay(made.ws, run, "file")
    for party in ("ann", "bob", "cy", "dee"):
        paying.confirm(made.ws, run, party, "settled")
    return made, run


def test_a_track_whose_money_is_paid_gets_a_certificate_that_says_so(paid: tuple[Month, str]) -> None:
    """If this fails, a certificate does not say what it rests on, or names another sum than the run divided."""
    made, _ = paid
    answer = certify(made.ws, "trk-1")
    assert (answer.clean, answer.reasons, answer.months) == (True, (), ("2026-06",))
    envelope = dsse.parse(made.ws.log.blob(answer.certificate or ""))
    payload = canon.decode(envelope.payload)
    assert envelope.payload_type == ROYALTY_CLEAN_TYPE
    assert (payload["until"], payload["trained_on"], payload["trained_without"]) == ("2026-07-01T00:00:00Z", 3, 0)
    assert payload["unattributed_ppm"] == 200_000
    shown = settle_json("explain", "2026-06", "ann", "trk-1", home=made.home)
    other = settle_json("explain", "2026-06", "bob", "trk-1", home=made.home)
    lines = [piece["micros"] for side in (shown, other) for line in side["lines"] for piece in line["pieces"]]
    assert payload["money"] == [{"currency": "EUR", "state": "paid", "micros": str(sum(lines))}]
    page = settle_json("registry", "show", answer.certificate or "", home=made.home)
    assert page["type"] == "royalty-clean"


def test_open_money_is_no_clean_track(tmp_path: Path) -> None:
    """If this fails, a song is called royalty-clean while its holders wait for their money."""
    made = month(tmp_path / "home")
    before = certify(made.ws, "trk-1")
    assert (before.clean, before.certificate) == (False, None)
    run = published(made)
    waiting = certify(made.ws, "trk-1")
    assert any("of 2026-06 to ann is to be paid" in reason for reason in waiting.reasons)
    paying.pay(made.ws, run, "file")
    sent = certify(made.ws, "trk-1")
    assert (sent.clean, {row["state"] for row in sent.money}) == (True, {"with the bank"})
    said(made, run, "failed", note="account closed")
    assert not certify(made.ws, "trk-1").clean


def test_what_is_unattributed_denied_or_unpublished_is_refused(paid: tuple[Month, str]) -> None:
    """If this fails, the certificate says yes where sources are unknown or denied, or a closed month was never paid."""
    made, _ = paid
    unknown = certify(made.ws, "trk-2")
    assert not unknown.clean
    assert any("unattributed" in reason for reason in unknown.reasons)
    made.now = JULY_OVER
    life.close(made.ws, "2026-07")
    late = certify(made.ws, "trk-1")
    assert late.reasons == ("month 2026-07 is closed and not published",)
    assert settle_json("certificate", "trk-1", home=made.home, code=4)["certificate"] is None
