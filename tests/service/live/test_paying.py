"""Instalments of real months: within their mandate, without held money, taken by the month's run, and audited."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.proofs import canon, dsse, leaf
from payouts.accounts.account import Account
from payouts.accounts.clauses import PaidIn, Withholding
from payouts.life.mandates import instalment_id
from payouts.live.instalments import INSTALMENT_TYPE, instalment_payload
from service.bundles import verify_bundle
from service.live import mandates, paying
from service.live.paying import InstalmentPaid, instalment_problems
from service.log.logs import sizes
from service.settlement import agreements, approvers, bank_answers, holds, life, payment_list, proposals
from service.settlement import paying as settling
from service.settlement.carrying import batch_of
from service.settlement.payees import settled_parties
from service.settlement.payment_list import PaymentFilter
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import proving, recomputing
from service.statements.statements import state
from service.status import status
from tests.service.month import JULY_OVER, Month

NOON = datetime(2026, 7, 20, 12, tzinfo=UTC)
EARNED = {"ann": 360_000_000, "bob": 120_000_000, "cy": 90_000_000, "dee": 60_000_000}
"""July at 100.00 a stream."""
TERMS: dict[str, Any] = {
    "currency": "EUR",
    "rule": "pro-rata",
    "params": {"price": "100.00"},
    "early_ppm": 500_000,
    "hour": "1000.00",
    "party": "500.00",
    "hours": 1,
    "via": "file",
    "until": "2026-12-31",
    "note": "board, 1 July",
}


@pytest.fixture
def july(june: Month) -> Month:
    """July while it plays: 6 units of trk-1, 3 of trk-2, 1 of trk-3, which has no vector."""
    life.close(june.ws, "2026-06")
    june.now = NOON
    june.stream(["trk-1"] * 6 + ["trk-2"] * 3 + ["trk-3"], at="2026-07-09T10:00:00Z")
    return june


def mandate(july: Month, **changed: Any) -> str:
    proposal = mandates.propose(july.ws, **(TERMS | changed))
    life.approve(july.ws, proposal.id, "approver")
    return proposal.id


def pay(july: Month, *, hours: int = 1) -> InstalmentPaid:
    """The next instalment, some hours later."""
    july.now += timedelta(hours=hours)
    (paid,) = paying.pay(july.ws)
    return paid


def payments(july: Month, paid: InstalmentPaid) -> dict[str, int]:
    record = read_book(july.ws).mandates.instalments[str(paid.instalment)]
    return {row["party"]: int(row["micros"]) for row in batch_of(july.ws.log, record.statement)["payments"]}


def settle(july: Month, *, amount: str = "100.00") -> dict[str, Account]:
    """June closed and published; its accounts."""
    july.now = JULY_OVER
    life.close(july.ws, "2026-07")
    request = life.request(
        period="2026-07", pool=None, currency="EUR", rule="pro-rata", params={"price": amount}, engine="log"
    )
    run = life.run(july.ws, request).run
    life.approve(july.ws, run, "approver")
    life.publish(july.ws, run)
    return load(july.ws.log, read_book(july.ws).runs[run]).accounts


def audited(july: Month, folder: Path) -> None:
    recomputing.export(july.ws, "2026-07", folder)
    again = recomputing.recompute(folder, july.ws.trust)
    assert (again.ok, again.problems) == (True, ())


def test_a_part_is_paid_early_and_the_month_pays_the_rest(july: Month, tmp_path: Path) -> None:
    """If this fails, instalments and the month's payment are not the month's net, once."""
    name = mandate(july)
    first = pay(july)
    assert payments(july, first) == {party: micros // 2 for party, micros in EARNED.items()}
    assert [Path(path).suffix for path in first.files] == [".csv"]
    july.stream(["trk-1"], at="2026-07-10T10:00:00Z")
    second = pay(july)
    assert payments(july, second) == {"ann": 30_000_000, "bob": 10_000_000}
    assert pay(july).waits.startswith("nothing is due")
    assert list(instalment_problems(july.ws, read_book(july.ws).mandates.instalments.values())) == []
    accounts = settle(july)
    moved = {"ann": 210_000_000, "bob": 70_000_000, "cy": 45_000_000, "dee": 30_000_000}
    for party, account in accounts.items():
        assert account.payable + moved[party] == account.earned
        assert [correction.kind for correction in account.corrections] == ["instalment"]
    audited(july, tmp_path / "export")
    book = read_book(july.ws)
    (run,) = book.published
    bundle = proving.statement_bundle(july.ws.log, july.ws.trust.policy, book, load(july.ws.log, book.runs[run]), "ann")
    assert verify_bundle(bundle, july.ws.trust).ok
    (pool,) = state(july.ws, "ann", "2026-07").pools
    assert (pool.net_micros, pool.adjustments[0].reason) == (210_000_000, "paid on account of 2026-07")
    assert mandates.status(july.ws)[0].paid_micros == 355_000_000
    assert paying.pay(july.ws, name)[0].period == "2026-08"


def test_one_interval_pays_once(july: Month) -> None:
    """If this fails, two schedulers, a repeated call or a clock set back pay an interval twice."""
    mandate(july)
    assert pay(july).payments == 4
    july.stream(["trk-1"], at="2026-07-10T10:00:00Z")
    for back in (0, 30, -90):
        july.now += timedelta(minutes=back)
        (again,) = paying.pay(july.ws)
        assert again.instalment is None
        assert "next is due" in again.waits
    assert len(read_book(july.ws).mandates.instalments) == 1


def test_a_file_that_was_sent_is_not_written_again_but_on_request(july: Month) -> None:
    """If this fails, the hourly job makes the files of past instalments anew, and a person sends them twice."""
    name = mandate(july)
    sent = Path(pay(july).files[0])
    content = sent.read_bytes()
    sent.unlink()
    july.stream(["trk-1"], at="2026-07-10T10:00:00Z")
    later = pay(july)
    assert (later.number, len(later.files), sent.exists()) == (2, 1, False)
    again = paying.write_again(july.ws, name, 1)
    assert (again.files, sent.read_bytes()) == ((str(sent),), content)
    with pytest.raises(InputError, match="no instalment 3"):
        paying.write_again(july.ws, name, 3)
    assert len(read_book(july.ws).mandates.instalments) == 2


def test_held_money_is_left_out_of_the_next_instalment(july: Month) -> None:
    """If this fails, money that a fraud hold or the registry stops leaves early."""
    mandate(july)
    holds.open_hold(july.ws, scope="party", subject="bob", reason="fraud")
    hold = holds.open_hold(july.ws, scope="track", subject="trk-2", reason="fraud")
    assert payments(july, pay(july)) == {"ann": 180_000_000}
    life.approve(july.ws, holds.release(july.ws, hold.id, note="checked").id, "approver")
    assert payments(july, pay(july)) == {"cy": 45_000_000, "dee": 30_000_000}
    assert list(instalment_problems(july.ws, read_book(july.ws).mandates.instalments.values())) == []


def test_ceilings_hold(july: Month) -> None:
    """If this fails, more leaves in an hour, or to one party, than two people agreed to."""
    mandate(july, hour="100.00", party="100.00")
    paid = payments(july, pay(july))  # of the targets 100, 60, 45 and 30 everybody gets 100/235
    assert paid == {"ann": 42_550_000, "bob": 25_530_000, "cy": 19_140_000, "dee": 12_760_000}
    for _ in range(4):
        pay(july)
    book = read_book(july.ws)
    assert all(record.micros <= 100_000_000 for record in book.mandates.instalments.values())
    sums: dict[str, int] = {}
    for record in book.mandates.instalments.values():
        for row in batch_of(july.ws.log, record.statement)["payments"]:
            sums[row["party"]] = sums.get(row["party"], 0) + int(row["micros"])
    assert sums == {"ann": 100_000_000, "bob": 60_000_000, "cy": 45_000_000, "dee": 30_000_000}
    assert list(instalment_problems(july.ws, read_book(july.ws).mandates.instalments.values())) == []


def test_payments_on_account_are_listed_and_await_the_banks_answer(july: Month) -> None:
    """If this fails, finance does not see money that left the bank account before the month's end."""
    mandate(july)
    paid = pay(july)
    instalment = str(paid.instalment)
    for name in ("", "2026-07", instalment, instalment[:12]):
        listed = payment_list.payments(july.ws, PaymentFilter(run=name))
        assert {payment.party: payment.micros for payment in listed} == payments(july, paid)
        assert {(payment.run, payment.state, payment.attempt) for payment in listed} == {(instalment, "handed over", 1)}
    open_tasks = [line for line in status(july.ws).waiting if "on account" in line]
    assert [line.endswith(f"settle payments confirm --all-of {instalment[:16]}") for line in open_tasks] == [True]
    bank_answers.confirm_all(july.ws, instalment)
    assert {payment.state for payment in payment_list.payments(july.ws, PaymentFilter())} == {"settled"}
    assert not [line for line in status(july.ws).waiting if "on account" in line]
    with pytest.raises(StateError, match="has no run yet"):
        payment_list.payments(july.ws, PaymentFilter(run="2026-06"))


def test_one_person_stops_and_two_start_again(july: Month) -> None:
    """If this fails, a stop does not reach the next instalment, or one person starts payments again."""
    name = mandate(july)
    assert not mandates.stop(july.ws, name, reason="a doubt").already
    assert mandates.stop(july.ws, name, reason="a doubt").already
    assert pay(july).waits == "it is stopped: a doubt"
    proposal = mandates.resume(july.ws, name, note="cleared")
    assert pay(july).instalment is None
    assert proposals.show(july.ws, proposal.id).kind == "resume"
    assert {shown.id for shown in proposals.waiting(july.ws)} == {proposal.id}
    life.approve(july.ws, proposal.id, "approver")
    assert mandates.status(july.ws)[0].state == "running"
    assert pay(july).payments == 4


def test_what_was_overpaid_is_recovered_from_later_months(july: Month, tmp_path: Path) -> None:
    """If this fails, money paid early that the month does not bear out is lost, or taken twice."""
    mandate(july)
    pay(july)
    accounts = settle(july, amount="10.00")  # the price turned out to be a tenth
    assert (accounts["ann"].payable, accounts["ann"].carried) == (0, 36_000_000 - 180_000_000)
    audited(july, tmp_path / "export")
    july.stream(["trk-1"] * 20, at="2026-08-09T10:00:00Z")
    july.now = datetime(2026, 8, 20, 12, tzinfo=UTC)
    (paid,) = paying.pay(july.ws)  # 20 streams bring ann 1200, of which 500 at most early, and 144 are owed back
    assert payments(july, paid)["ann"] == 600_000_000 - 144_000_000
    assert list(instalment_problems(july.ws, read_book(july.ws).mandates.instalments.values())) == []


def test_a_payment_that_comes_back_is_owed_again(july: Month) -> None:
    """If this fails, an instalment that the bank sent back is lost, or its money is paid twice."""
    mandate(july)
    first = pay(july)
    failed = settling.confirm(july.ws, str(first.instalment), "ann", "failed")
    assert proposals.show(july.ws, str(failed.id)).micros == 180_000_000
    life.approve(july.ws, str(failed.id), "approver")
    assert payments(july, pay(july)) == {"ann": 180_000_000}
    assert bank_answers.confirm_all(july.ws, str(first.instalment)).settled == 3
    accounts = settle(july)
    assert {party: account.payable for party, account in accounts.items()} == {
        party: micros // 2 for party, micros in EARNED.items()
    }
    back = settling.confirm(july.ws, str(first.instalment), "bob", "returned", note="entry 7")
    life.approve(july.ws, str(back.id), "approver")
    july.now = datetime(2026, 9, 3, tzinfo=UTC)
    life.close(july.ws, "2026-08")
    request = life.request(
        period="2026-08", pool=None, currency="EUR", rule="pro-rata", params={"price": "100.00"}, engine="log"
    )
    run = life.run(july.ws, request).run
    assert load(july.ws.log, read_book(july.ws).runs[run]).accounts["bob"].payable == 60_000_000


def test_taxes_are_left_to_the_month_and_other_currencies_wait(july: Month) -> None:
    """If this fails, early payments leave no money for a tax, or are paid at a rate that nobody knows yet."""
    for clause, note in (
        (Withholding(party="ann", ppm=300_000, territory="SE"), "law"),
        (PaidIn(party="bob", currency="USD"), "contract"),
    ):
        life.approve(july.ws, agreements.agree(july.ws, clause, period="2026-07", note=note).id, "approver")
    mandate(july)
    paid = pay(july)
    assert payments(july, paid) == {"ann": 126_000_000, "cy": 45_000_000, "dee": 30_000_000}
    assert [(left.party, left.reason) for left in paid.left_out] == [("bob", "paid-in-other-currency")]
    life.approve(july.ws, holds.release(july.ws, agreements.listed(july.ws)[1].id, note="ended").id, "approver")
    accounts = settle(july)
    assert accounts["ann"].payable == 252_000_000 - 126_000_000
    assert accounts["ann"].deducted == -108_000_000


def test_pools_that_cannot_be_valued_have_no_mandate(july: Month) -> None:
    """If this fails, money leaves early from a pool whose streams are not worth anything certain."""
    refused: tuple[dict[str, Any], ...] = (
        {"params": {}},
        {"rule": "shapley-capped", "params": {"price": "1.00", "kappa": "300000"}},
        {"early_ppm": 0},
        {"hours": 0},
        {"hour": "0"},
        {"via": "post"},
        {"until": "2026-07-19"},
        {"note": " "},
        {"via": "chain"},
    )
    for changed in refused:
        with pytest.raises(InputError):
            mandates.propose(july.ws, **(TERMS | changed))
    assert read_book(july.ws).mandates.mandates == {}


def test_streams_are_paid_early_by_one_pool(july: Month) -> None:
    """If this fails, two pools pay the same streams early, and only one of their months can take that back."""
    mandate(july, params={"price": "100.00", "territories": "SE"})
    with pytest.raises(StateError, match="same streams"):
        mandates.propose(july.ws, **(TERMS | {"pool_name": "second"}))
    other = mandate(july, pool_name="second", params={"price": "100.00", "territories": "DE"})
    july.now += timedelta(hours=1)
    assert [paid.payments for paid in paying.pay(july.ws)] == [4, 0]
    assert [paid.payments for paid in paying.pay(july.ws, other)] == [0]


def test_the_first_mandate_that_pays_for_streams_in_a_month_pays_them_alone(july: Month) -> None:
    """If this fails, a mandate in another currency, or one after an ended mandate, pays a month's streams again."""
    ended = mandate(july, until="2026-07-20T13:30:00Z")
    assert pay(july).payments == 4
    july.now += timedelta(days=1)
    for changed in ({"pool_name": "second"}, {"currency": "USD"}):
        with pytest.raises(StateError, match=ended):
            mandates.propose(july.ws, **(TERMS | changed))
    july.now += timedelta(days=20)  # in August nothing of the ended mandate is left
    assert mandate(july, pool_name="second")


def test_of_two_mandates_approved_side_by_side_one_pays_a_month(july: Month) -> None:
    """If this fails, two mandates proposed before either counted pay the same streams twice, or none pays them."""
    both = [mandates.propose(july.ws, **(TERMS | {"pool_name": pool})).id for pool in ("default", "second")]
    for name in both:
        life.approve(july.ws, name, "approver")
    july.now += timedelta(hours=1)
    first, second = paying.pay(july.ws)
    assert (first.payments, second.payments) == (4, 0)
    assert both[0] in second.waits


def test_a_month_paid_on_account_is_run_as_the_mandates_pool(
    july: Month, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a run under another name or currency pays the month again, and recomputing says ok."""
    mandate(july)
    pay(july)
    july.now = JULY_OVER
    life.close(july.ws, "2026-07")
    request: dict[str, Any] = {"period": "2026-07", "pool": None, "rule": "pro-rata", "engine": "log"}
    for changed in ({"name": "second", "currency": "EUR"}, {"currency": "USD"}):
        with pytest.raises(ConflictError, match="run them as pool default in EUR"):
            life.run(july.ws, life.request(**request, **changed, params={"price": "100.00"}))
    monkeypatch.setattr(life, "check_apart", lambda *_: None)
    run = life.run(july.ws, life.request(**request, name="second", currency="EUR", params={"price": "100.00"})).run
    life.approve(july.ws, run, "approver")
    life.publish(july.ws, run)
    recomputing.export(july.ws, "2026-07", tmp_path / "out")
    again = recomputing.recompute(tmp_path / "out", july.ws.trust)
    assert (again.ok, again.overlapping) == (False, (("default", "second"),))


def test_one_mandate_that_cannot_pay_stops_no_other(july: Month) -> None:
    """If this fails, an old mandate approved before there were approvers stops the payments of all others."""
    old = mandate(july, params={"price": "100.00", "territories": "DE"}, pool_name="second")
    other = approvers.enrol(july.ws, "Carol")
    assert other.party == "Carol"
    july.now += timedelta(minutes=1)
    name = mandates.propose(july.ws, **(TERMS | {"params": {"price": "100.00", "territories": "SE"}})).id
    life.approve(july.ws, name, "Carol")
    july.now += timedelta(hours=1)
    waits, paid = paying.pay(july.ws)
    assert old in waits.waits
    assert (waits.mandate, waits.instalment, paid.payments) == (old, None, 4)
    assert "demo approvals only" in waits.waits
    mandates.stop(july.ws, old, reason="replaced")
    assert paying.pay(july.ws, old)[0].waits == "it is stopped: replaced"


def test_who_approves_a_mandate_sees_what_it_covers(july: Month) -> None:
    """If this fails, a second person signs payments without knowing whose streams and which rights they are for."""
    params = {
        "price": "100.00",
        "territories": "SE|NO",
        "products": "free",
        "aspects": "recording:70%,composition:30%",
    }
    proposal = mandates.propose(july.ws, **(TERMS | {"params": params}))
    changes = proposals.show(july.ws, proposal.id).changes
    for covered in ("products free", "territories NO, SE", "recording 70 %", "composition 30 %", "rule pro-rata"):
        assert covered in changes


def test_who_was_paid_early_has_been_paid(july: Month) -> None:
    """If this fails, the operator alone sends the next instalment of a party to an account of their own (M11)."""
    mandate(july)
    pay(july)
    assert settled_parties(july.ws) == set(EARNED)


def made_by_hand(
    july: Month, first: InstalmentPaid, *, pays: dict[str, int], micros: int, stored: bool = True, **changed: Any
) -> None:
    """An instalment that the operator writes with a program of their own; `changed`: fields of its document."""
    book = read_book(july.ws)
    record = book.mandates.instalments[str(first.instalment)]
    earlier = batch_of(july.ws.log, record.statement)
    key = july.ws.signer("operator")
    second = instalment_id(record.mandate, 2)
    document = instalment_payload(
        book.mandates.mandates[record.mandate],
        second,
        2,
        period=record.period,
        logs=sizes(july.ws, book, july.ws.log.head(book.size)),
        minimum=int(earlier["minimum_micros"]),
        pays=pays,
        accounts={row["party"]: row["account"] for row in earlier["payments"]},
        left_out={},
    )
    signer = july.ws.signer(changed.pop("signer", "operator"))
    envelope = dsse.sign(INSTALMENT_TYPE, canon.encode({**document, **changed}), [signer])
    later = (NOON + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = replace(record, at=later, id=second, number=2, size=book.size, micros=micros, statement=envelope.digest)
    july.ws.log.append([leaf.sign(made.leaf(), key)], blobs=[envelope.encode()] if stored else [])


def test_an_instalment_of_the_operators_own_making_is_named(july: Month) -> None:
    """If this fails, an operator pays somebody more than the mandate allows, and no audit says so."""
    mandate(july)
    made_by_hand(july, pay(july), pays={"ann": 190_000_000, "bob": 50_000_000}, micros=240_000_000)
    assert len(read_book(july.ws).mandates.instalments) == 2
    (problem,) = instalment_problems(july.ws, read_book(july.ws).mandates.instalments.values())
    assert "instalment 2" in problem
    july.now = JULY_OVER
    life.close(july.ws, "2026-07")
    request = life.request(
        period="2026-07", pool=None, currency="EUR", rule="pro-rata", params={"price": "100.00"}, engine="log"
    )
    run = life.run(july.ws, request).run
    with pytest.raises(VerificationError, match="instalment 2"):
        life.approve(july.ws, run, "approver")


@pytest.mark.parametrize(
    ("micros", "changed"),
    [
        (1, {}),
        (240_000_000, {"via": "chain"}),
        (240_000_000, {"mandate": "mandate-2"}),
        (240_000_000, {"period": "2026-06"}),
        (240_000_000, {"batch": 3}),
        (240_000_000, {"payments": None}),
        (240_000_000, {"logs": []}),
        (240_000_000, {"more": 1}),
        (240_000_000, {"signer": "log"}),
    ],
)
def test_an_instalment_whose_document_is_not_its_own_is_void(july: Month, micros: int, changed: dict[str, Any]) -> None:
    """If this fails, a small leaf sends a large bank file, or says that a holder was paid who was not."""
    mandate(july)
    made_by_hand(july, pay(july), pays={"ann": 190_000_000, "bob": 50_000_000}, micros=micros, **changed)
    book = read_book(july.ws)
    assert (len(book.mandates.instalments), [void.type for void in book.voids]) == (1, ["instalment"])


@pytest.mark.parametrize("pays", [{"ann": 300_000_000, "bob": -60_000_000}, {"ann": 240_000_000, "bob": 0}])
def test_an_instalment_pays_nobody_less_than_something(july: Month, pays: dict[str, int]) -> None:
    """If this fails, an amount below zero hides a payment above the ceiling."""
    mandate(july)
    made_by_hand(july, pay(july), pays=pays, micros=240_000_000)
    assert "comes to nothing" in read_book(july.ws).voids[0].reason


def test_a_lost_list_of_payments_stops_its_own_pool_alone(july: Month) -> None:
    """If this fails, one lost document stops accounts, runs and payments of every pool, or its money is paid again."""
    lost = mandate(july, params={"price": "100.00", "territories": "SE"})
    mandate(july, pool_name="second", params={"price": "100.00", "territories": "DE"})
    july.now += timedelta(hours=1)
    first, _ = paying.pay(july.ws)
    made_by_hand(july, first, pays={"ann": 1_000_000}, micros=1_000_000, stored=False)
    july.stream(["trk-1"], at="2026-07-10T10:00:00Z", territory="DE")
    july.now += timedelta(days=1)
    assert [paid.payments for paid in paying.pay(july.ws)] == [0, 2]
    assert "list of payments is lost" in paying.pay(july.ws, lost)[0].waits
    assert settled_parties(july.ws) >= set(EARNED)
