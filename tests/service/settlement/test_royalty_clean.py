"""The royalty-clean certificate: it says what is licensed, unattributed and paid, and is refused while that is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.proofs import canon, dsse
from service.attribution.songs import certificate_of
from service.live import mandates
from service.live import paying as instalments
from service.registry.deciding import clear
from service.registry.permitting import opt_out
from service.settlement import bank_answers, life, paying
from service.settlement.royalty_clean import ROYALTY_CLEAN_TYPE, certify
from tests.cli.support import settle_json
from tests.service.live.test_paying import NOON, TERMS, settle
from tests.service.month import JULY_OVER, Month, asked, july, month, published
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


def test_an_unpublished_pool_of_a_published_month_is_refused(tmp_path: Path) -> None:
    """If this fails, a second pool that was never paid is overlooked because the month's first one was published."""
    made = month(tmp_path / "home")
    made.stream(["trk-1"], territory="NO")
    life.close(made.ws, "2026-06")
    run = life.run(made.ws, asked(params={"territories": "SE"})).run
    life.run(made.ws, asked(name="compared", params={"territories": "SE|NO"}))
    life.run(made.ws, asked(name="deal", params={"territories": "NO"}))
    life.approve(made.ws, run, "approver")
    life.publish(made.ws, run)
    unpaid = [reason for reason in certify(made.ws, "trk-1").reasons if reason.startswith("pool")]
    assert unpaid == ["pool deal of 2026-06 in EUR is calculated and no run of it is published"]


def test_money_that_came_back_is_clean_when_a_later_run_paid_it(paid: tuple[Month, str]) -> None:
    """If this fails, a track whose holder's bank sent money back once is never clean, or is before it is paid again."""
    made, run = paid
    earned = certify(made.ws, "trk-1").money
    said(made, run, "returned", "entry 7")
    assert certify(made.ws, "trk-1").reasons == (
        "the payment of 2026-06 to ann is returned: the bank sent it back; the pool's next run pays it again",
    )
    later = july(made)
    assert any("of 2026-07 to ann is to be paid" in reason for reason in certify(made.ws, "trk-1").reasons)
    paying.pay(made.ws, later, "file")
    for party in ("ann", "bob", "cy", "dee"):
        paying.confirm(made.ws, later, party, "settled")
    answer = certify(made.ws, "trk-1")
    assert (answer.clean, {row["state"] for row in answer.money}) == (True, {"paid"})
    assert int(answer.money[0]["micros"]) == 2 * int(earned[0]["micros"])


def test_a_later_run_of_before_the_return_does_not_make_it_clean(paid: tuple[Month, str]) -> None:
    """If this fails, money that a bank sent back counts as paid by a run that never owed it."""
    made, run = paid
    paying.pay(made.ws, july(made), "file")
    said(made, run, "returned", "entry 7")
    assert any("of 2026-06 to ann is returned" in reason for reason in certify(made.ws, "trk-1").reasons)


def test_money_paid_on_account_is_paid(tmp_path: Path) -> None:
    """If this fails, a certificate says that money waits with the operator which its holder has had for weeks."""
    made = month(tmp_path / "home")
    life.close(made.ws, "2026-06")
    made.now = NOON
    made.stream(["trk-1"] * 6, at="2026-07-09T10:00:00Z")
    name = mandates.propose(made.ws, **(TERMS | {"early_ppm": 1_000_000})).id
    life.approve(made.ws, name, "approver")
    (early,) = instalments.pay(made.ws)
    settle(made, amount="50.00")  # half of what was paid early, so that the run pays nothing more
    assert {row["state"] for row in certify(made.ws, "trk-1").money} == {"with the bank"}
    assert bank_answers.confirm_all(made.ws, str(early.instalment)).settled == 2
    assert {row["state"] for row in certify(made.ws, "trk-1").money} == {"paid"}
    back = paying.confirm(made.ws, str(early.instalment), "ann", "returned", note="entry 7")
    life.approve(made.ws, str(back.id), "approver")
    assert any("to ann of before its run came back" in reason for reason in certify(made.ws, "trk-1").reasons)


def test_a_song_names_its_release_certificate_while_nothing_of_it_is_denied(paid: tuple[Month, str]) -> None:
    """If this fails, a song travels with a certificate of its money, or of permissions that it does not have."""
    made, _ = paid
    released = clear(made.ws, "trk-1", limit_ppm=None)
    assert certify(made.ws, "trk-1").clean
    vector = str(released["vector"])
    assert certificate_of(made.ws, made.ws.registry.view(), "trk-1", vector) == released["certificate"]
    (made.home / "out.csv").write_text("id\nrec-1\n")
    assert opt_out(made.ws, made.home / "out.csv", grantor="ann", by=None, dry_run=False).accepted == 1
    made.now = made.now.replace(day=3)
    assert certificate_of(made.ws, made.ws.registry.view(), "trk-1", vector) is None
