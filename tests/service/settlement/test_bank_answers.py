"""Payments as banks take them, and what banks say of them: by reference, once, and for the attempt they are about."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest
import xmlschema

from ledger.errors import InputError, StateError
from payouts.accounts.clauses import PaidIn, Rate
from payouts.accounts.payment import reference
from service.registry import registering
from service.settlement import agreements, bank_answers, holds, life, paying
from service.settlement.bank_answers import AnswersRead
from service.settlement.carrying import transfers
from service.settlement.step import read_book
from service.settlement.stored import load
from tests.cli.support import settle
from tests.service.month import Month, month, published
from tests.service.trade.other_bank import Movement, account_report, debits, orders, status_report

SCHEMA = files("sepaxml") / "schemas" / "pain.001.001.09.xsd"
IBANS = {
    "ann": "SE4550000000058398257466",
    "bob": "DE89370400440532013000",
    "cy": "NO9386011117947",
    "dee": "FR1420041010050500013M02606",
}
DEBTOR = '[payouts]\ndebtor_name = "Nordtone Musik AB"\ndebtor_iban = "SE4550000000058398257466"\n'


def with_ibans(home: Path) -> Month:
    """The small month, with accounts that banks know and with the account that pays."""
    made = month(home, payees=False)
    with (home / "settle.toml").open("a") as settings:
        settings.write(DEBTOR)
    made.ws = made.reopened()
    rows = [{"party": party, "method": "bank", "account": iban, "from": "2020-01-01"} for party, iban in IBANS.items()]
    path = home.parent / "accounts.json"
    path.write_text(json.dumps({"payees": rows}))
    loaded = registering.load(made.ws, [path], by=None, dry_run=False, on_progress=None)
    assert loaded.accepted == len(rows), loaded.refused
    return made


@pytest.fixture
def june(tmp_path: Path) -> Month:
    return with_ibans(tmp_path / "home")


def sent(june: Month, run: str) -> bytes:
    """The newest file of a run that was paid by pain.001."""
    return Path(paying.pay(june.ws, run, "file", "pain.001").files[-1]).read_bytes()


def state(june: Month, run: str, party: str = "ann") -> str:
    book = read_book(june.ws)
    return transfers(june.ws.log, book, load(june.ws.log, book.runs[run]))[party].state


def read(june: Month, data: bytes) -> AnswersRead:
    """What reading came to; reading the same file again must come to nothing new."""
    done = bank_answers.read_answers(june.ws, data)
    size = june.ws.log.head().size
    again = bank_answers.read_answers(june.ws, data)
    assert (again.settled, again.proposals, june.ws.log.head().size) == (0, (), size)
    return done


def approve(june: Month, done: AnswersRead) -> None:
    for made in done.proposals:
        life.approve(june.ws, made.id, "approver")


def test_a_payment_file_is_valid_and_read_back_by_others(june: Month, tmp_path: Path) -> None:
    """If this fails, a bank refuses the file, or reads another payee or amount than the run made payable."""
    run = published(june)
    data = sent(june, run)
    xmlschema.XMLSchema(str(SCHEMA)).validate(data.decode())
    if shutil.which("xmllint"):
        path = tmp_path / "sent.xml"
        path.write_bytes(data)
        subprocess.run(["xmllint", "--noout", "--schema", str(SCHEMA), str(path)], check=True, capture_output=True)
    book = read_book(june.ws)
    accounts = load(june.ws.log, book.runs[run]).accounts
    found = orders(data)
    assert {(order.account, int(order.amount * 1_000_000)) for order in found} == {
        (IBANS[party], account.payable) for party, account in accounts.items() if account.payable
    }
    assert {order.currency for order in found} == {"EUR"}
    (path,) = (june.home / "payments").iterdir()
    path.unlink()
    assert sent(june, run) == data


def test_each_currency_has_its_own_file_and_total(june: Month) -> None:
    """If this fails, a bank gets crowns and euros in one batch, or a sum that means nothing."""
    for clause, note in (
        (PaidIn(party="bob", currency="NOK"), "contract 1"),
        (Rate(currency="EUR", to="NOK", rate="11.5", date="2026-06-30"), "central bank"),
    ):
        life.approve(june.ws, agreements.agree(june.ws, clause, period="2026-06", note=note).id, "approver")
    run = published(june)
    due = life.publish(june.ws, run).totals
    paid = paying.pay(june.ws, run, "file", "pain.001")
    assert due == paid.totals
    assert "in NOK: 1 payment" in settle("publish", run, home=june.home).out
    assert [Path(path).name.rpartition("-")[2] for path in paid.files] == ["EUR.xml", "NOK.xml"]
    for path, total in zip(paid.files, paid.totals, strict=True):
        found = orders(Path(path).read_bytes())
        assert {order.currency for order in found} == {total.currency}
        assert int(sum(order.amount for order in found) * 1_000_000) == total.micros
        assert len(found) == total.payments


def test_who_cannot_be_paid_by_the_bank_stays_behind(june: Month, tmp_path: Path) -> None:
    """If this fails, one payee without a usable account brings a whole batch back, or nobody is told."""
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"parties": [{"id": "cy", "kind": "person", "name": "久石譲", "group": "label"}]}))
    registering.load(june.ws, [path], by=None, dry_run=False, on_progress=None)
    run = published(june)
    paid = paying.pay(june.ws, run, "file", "pain.001")
    assert [(blocked.party, blocked.reason) for blocked in paid.blocked] == [("cy", "payee-incomplete")]
    assert "Latin letters" in paid.blocked[0].detail
    assert paid.sent == len(IBANS) - 1


def test_a_batch_is_written_in_one_format(june: Month) -> None:
    """If this fails, the same payments lie in the folder twice, and somebody sends both."""
    run = published(june)
    first = paying.pay(june.ws, run, "file", "pain.001")
    other = paying.pay(june.ws, run, "file", "csv")
    assert first.files
    assert not other.files
    assert "pay twice" in other.unwritten[0]


def test_the_file_of_another_batch_is_not_taken_for_the_batchs_own(june: Month) -> None:
    """If this fails, somebody is told to delete the file of batch 10, which a bank may have, to get that of batch 1."""
    run = published(june)
    first = paying.pay(june.ws, run, "file", "pain.001")
    (name,) = map(Path, first.files)
    name.rename(name.with_name(name.name.replace("-1-EUR.xml", "-10-EUR.xml")))
    again = paying.pay(june.ws, run, "file", "csv")
    assert (len(again.files), again.unwritten) == (1, ())


def test_no_file_is_written_for_an_account_that_is_not_named(tmp_path: Path) -> None:
    """If this fails, payments are handed over and there is no file to hand over."""
    made = month(tmp_path / "home")
    run = published(made)
    with pytest.raises(InputError, match="debtor_name"):
        paying.pay(made.ws, run, "file", "pain.001")
    with pytest.raises(InputError, match="one of csv, pain"):
        paying.pay(made.ws, run, "file", "mt101")
    assert not read_book(made.ws).batches


@pytest.mark.parametrize("kind", ["053", "054"])
def test_a_statement_settles_what_it_books_and_nothing_else(june: Month, kind: str) -> None:
    """If this fails, money that arrived is still chased, or money on its way counts as arrived."""
    run = published(june)
    movements = debits(sent(june, run))
    pending, *booked = movements
    others = [replace(pending, reference="OTHER-1"), replace(pending, reference="NOTPROVIDED")]
    part = account_report(kind, [replace(pending, status="PDNG"), *booked[:1], *booked[:1], *others])
    done = read(june, part)
    assert (done.settled, done.pending, done.unnamed, done.unknown) == (1, 1, 1, ("OTHER-1",))
    assert done.already == 1
    rest = read(june, account_report(kind, movements))
    assert (rest.settled, rest.already) == (len(movements) - 1, 1)
    assert {state(june, run, party) for party in IBANS} == {"settled"}


def test_a_rejected_payment_is_sent_again_under_its_own_reference(june: Month) -> None:
    """If this fails, the answer to the first attempt is taken for the answer to the second."""
    run = published(june)
    data = sent(june, run)
    first = next(order for order in orders(data) if order.account == IBANS["ann"])
    rejected = status_report(first.message, {first.reference: "RJCT"})
    done = read(june, rejected)
    assert [(made.party, made.outcome) for made in done.proposals] == [("ann", "failed")]
    assert state(june, run) == "handed over"
    approve(june, done)
    again = sent(june, run)
    (second,) = orders(again)
    assert (second.reference, second.account) == (f"{first.reference}-2", first.account)
    stale = read(june, rejected)
    assert (stale.already, state(june, run)) == (1, "handed over")
    assert read(june, account_report("054", debits(again))).settled == 1
    assert state(june, run) == "settled"


def test_a_payment_that_arrives_after_it_was_sent_again_is_told(june: Month) -> None:
    """If this fails, two attempts arrive and nobody calls the second one back."""
    run = published(june)
    data = sent(june, run)
    first = next(order for order in orders(data) if order.account == IBANS["ann"])
    approve(june, read(june, status_report(first.message, {first.reference: "RJCT"})))
    sent(june, run)
    booked = [movement for movement in debits(data) if movement.reference == first.reference]
    done = read(june, account_report("053", booked))
    assert [answer.party for answer in done.refused] == ["ann"]
    assert "later one" in done.refused[0].reason
    assert state(june, run) == "handed over"


def test_a_returned_payment_names_the_banks_entry(june: Month) -> None:
    """If this fails, money that came back is not owed again, or nobody can find it at the bank."""
    run = published(june)
    movements = debits(sent(june, run))
    came_back = movements[0].back("RET-77")
    done = read(june, account_report("053", [came_back, *movements]))
    assert (done.settled, [made.outcome for made in done.proposals]) == (len(movements), ["returned"])
    approve(june, done)
    party = done.proposals[0].party
    assert state(june, run, party) == "returned"
    record = read_book(june.ws).payment_of(run, party)
    assert record is not None
    assert record.reference == "RET-77"
    alone = read(june, account_report("054", [movements[1].back("RET-78")]))
    approve(june, alone)
    assert state(june, run, alone.proposals[0].party) == "returned"


def test_a_message_may_be_answered_as_a_whole(june: Month) -> None:
    """If this fails, a bank that books or rejects a batch in one line leaves every payment open."""
    run = published(june)
    data = sent(june, run)
    found = orders(data)
    whole = sum((order.amount for order in found), Decimal(0))
    rejected = read(june, status_report(found[0].message, {}, group="RJCT"))
    assert len(rejected.proposals) == len(found)
    booked = Movement("", "EUR", whole, batch=found[0].batch)
    with pytest.raises(InputError, match="the bank says"):
        read(june, account_report("053", [replace(booked, amount=whole - 1)]))
    assert read(june, account_report("053", [booked])).settled == len(found)
    assert {state(june, run, party) for party in IBANS} == {"settled"}


def test_all_of_a_batch_is_confirmed_at_once(june: Month) -> None:
    """If this fails, finance types a command for each payee, or confirms what the bank has rejected."""
    hold = holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")
    run = published(june)
    first = next(order for order in orders(sent(june, run)) if order.account == IBANS["ann"])
    life.approve(june.ws, holds.release(june.ws, hold.id, note="checked").id, "approver")
    with pytest.raises(StateError, match="handed over by file"):
        bank_answers.confirm_all(june.ws, f"{run[:12]}/2")
    read(june, status_report(first.message, {first.reference: "RJCT"}))
    done = bank_answers.confirm_all(june.ws, f"{run[:12]}/1")
    assert [answer.party for answer in done.refused] == ["ann"]
    assert done.settled == len(IBANS) - 2
    assert bank_answers.confirm_all(june.ws, run).settled == 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"currency": "USD"}, "the bank says"),
        ({"amount": 1}, "the bank says"),
        ({"reference": "ELSE"}, "another account"),
    ],
)
def test_a_file_that_contradicts_what_was_sent_changes_nothing(
    june: Month, changed: dict[str, object], reason: str
) -> None:
    """If this fails, a file of another month, currency or amount settles payments."""
    run = published(june)
    movement, *others = debits(sent(june, run))
    odd = replace(movement, **changed)  # type: ignore[arg-type]  # the fields of the case
    size = june.ws.log.head().size
    with pytest.raises(InputError, match=reason):
        bank_answers.read_answers(june.ws, account_report("053", [odd] if "reference" in changed else [odd, *others]))
    assert june.ws.log.head().size == size


def test_an_answer_to_a_payment_that_was_never_sent_is_refused(june: Month) -> None:
    """If this fails, somebody else's payment, or a forged file, counts as ours."""
    holds.open_hold(june.ws, scope="party", subject="ann", reason="fraud")
    run = published(june)
    holds.open_hold(june.ws, scope="party", subject="dee", reason="legal")
    movements = debits(sent(june, run))
    never = reference(run, "dee")
    size = june.ws.log.head().size
    with pytest.raises(InputError, match="never handed over its payment to dee"):
        bank_answers.read_answers(june.ws, account_report("053", [replace(movements[0], reference=never), *movements]))
    assert june.ws.log.head().size == size
