"""What looks wrong is asked before anybody signs, and names are people's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.errors import InputError
from payouts.accounts.clauses import Advance, PaidIn, Rate, Withholding
from service.registry import registering
from service.settlement import agreements, approvers, holds, life, proposals
from service.settlement.step import read_book
from tests.cli.support import settle
from tests.service.month import JULY_OVER, Month, asked, july, month, published


@pytest.fixture
def june(tmp_path: Path) -> Month:
    return month(tmp_path / "home")


def test_shares_that_nothing_pays_are_asked_about(june: Month, tmp_path: Path) -> None:
    """If this fails, publishers get nothing and nobody says a word."""
    life.close(june.ws, "2026-06")
    assert life.run(june.ws, asked(), dry_run=True).questions == ()
    path = tmp_path / "works.json"
    share = {"subject": "work-1", "party": "bob", "right": "publishing", "ppm": 1_000_000, "territory": "WORLD"}
    rows = {
        "works": [{"id": "work-1", "title": "Blue"}],
        "shares": [share | {"from": "2020-01-01", "state": "confirmed"}],
    }
    path.write_text(json.dumps(rows))
    loaded = registering.load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    assert loaded.accepted == 2, loaded.refused
    (question,) = life.run(june.ws, asked(), dry_run=True).questions
    assert "1 party with confirmed publishing shares, such as bob, get nothing" in question
    paid = asked(params={"aspects": "recording:70%,composition:30%"})
    assert life.run(june.ws, paid, dry_run=True).questions == ()


def test_a_published_month_calculated_again_shows_another_state(june: Month) -> None:
    """If this fails, a dry run after a hold is taken for what was published."""
    run = published(june)
    assert life.run(june.ws, asked(), dry_run=True).questions == ()
    holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    (question,) = life.run(june.ws, asked(), dry_run=True).questions
    assert f"is published as run {run[:16]}, which allocated 630.000000 EUR" in question
    assert "allocates 510.000000 EUR" in question


def test_an_amount_or_terms_unlike_last_months_are_asked_about(june: Month) -> None:
    """If this fails, a pool with a digit too many is approved without anybody being asked."""
    published(june)
    june.now = JULY_OVER
    june.stream(["trk-1"], at="2026-07-09T10:00:00Z")
    life.close(june.ws, "2026-07")
    made = life.run(june.ws, asked(period="2026-07", pool="10000.00", params={"reserve": "5%"}))
    amount, terms = made.questions
    assert "is 10,000.000000 EUR in 2026-07 and was 1,000.000000 EUR in 2026-06" in amount
    assert "reserve_ppm" in terms
    assert proposals.show(june.ws, made.run).questions == made.questions
    assert life.run(june.ws, asked(period="2026-07", pool="2000.00"), dry_run=True).questions == ()
    told = settle("approve", made.run, "--as", "approver", "--yes", home=june.home)
    assert "question: pool default is 10,000.000000 EUR" in told.err


def test_terms_and_rates_unlike_the_last_are_asked_about(june: Month) -> None:
    """If this fails, a rate the wrong way round, or an advance with a digit too many, is agreed."""
    published(june)
    july(june)

    def asks(clause: Advance | PaidIn | Rate | Withholding, period: str) -> tuple[str, ...]:
        made = agreements.agree(june.ws, clause, period=period, note=f"contract {period}")
        life.approve(june.ws, made.id, "approver")
        return proposals.show(june.ws, made.id).questions

    rate = {"currency": "EUR", "to": "NOK"}
    assert asks(Rate(**rate, rate="11.5", date="2026-06-30"), "2026-06") == ()
    assert asks(Rate(**rate, rate="11.9", date="2026-07-31"), "2026-07") == ()
    (question,) = asks(Rate(**rate, rate="0.087", date="2026-08-31"), "2026-08")
    assert "one EUR is 0.087 NOK, and was 11.9 in 2026-07" in question
    assert asks(Withholding(party="ann", ppm=158_250, territory="DE"), "2026-07") == ()
    more, other = asks(Withholding(party="ann", ppm=600_000, territory="DE"), "2026-08")
    assert "60 %" in more
    assert "15.825 %" in other
    assert asks(Advance(party="ann", pool="default", currency="EUR", micros=10**9, ppm=500_000), "2026-08") == ()
    (large,) = asks(Advance(party="ann", pool="default", currency="EUR", micros=10**12, ppm=500_000), "2026-08")
    assert "who earned 360.000000 EUR in 2026-07" in large
    with pytest.raises(InputError, match="positive"):
        Rate(**rate, rate="0", date="2026-08-31")


@pytest.mark.parametrize("name", ["Carol Lindqvist", "Zoë Đặng", "久石譲", "../carol"])
def test_an_approver_has_a_persons_name(june: Month, name: str) -> None:
    """If this fails, people approve under made-up names because their own is refused."""
    approvers.enrol(june.ws, name)
    assert {path.parent for path in (june.home / "keys").rglob("approver*")} == {june.home / "keys"}
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked()).run
    life.approve(june.ws, run, name)
    assert [approval.by for approval in read_book(june.ws).approvals[run]] == [name]


@pytest.mark.parametrize("name", ["", " carol", "a\nb", "x" * 67])
def test_a_name_that_is_none_is_refused(june: Month, name: str) -> None:
    """If this fails, two approvers look alike on the screen, or a key file cannot be written."""
    with pytest.raises(InputError, match="expected a name"):
        approvers.enrol(june.ws, name)
