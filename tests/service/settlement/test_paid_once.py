"""Nobody is paid twice, and nobody loses a payment, whatever a bank says in whatever order."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import ConflictError
from service.settlement import holds, life, paying
from service.settlement.carrying import paid_out
from service.settlement.step import read_book
from service.settlement.stored import load
from tests.service.month import Month, asked, july, month, published


@pytest.fixture
def june(tmp_path: Path) -> Month:
    return month(tmp_path / "home")


def said(june: Month, run: str, outcome: str, note: str = "") -> None:
    """What the bank says of Ann's payment, by two people."""
    heard = paying.confirm(june.ws, run, "ann", outcome, note=note)
    if heard.id is not None and not heard.approved:
        life.approve(june.ws, heard.id, "approver")


def accounts(june: Month, run: str) -> dict[str, int]:
    stored = load(june.ws.log, read_book(june.ws).runs[run])
    return {party: one.corrected for party, one in stored.accounts.items() if one.corrections}


@pytest.mark.parametrize("last", ["settled", "written-off"])
def test_what_ended_after_it_failed_is_not_sent_again(june: Month, last: str) -> None:
    """If this fails (findings M2 and M3), a bank's ordinary correction pays a payee twice."""
    run = published(june)
    paying.pay(june.ws, run, "file")
    said(june, run, "failed")
    said(june, run, last)
    assert paying.pay(june.ws, run, "file").sent == 0


def test_a_settled_payment_is_returned_once_by_two_with_the_banks_entry(june: Month) -> None:
    """If this fails, money that a bank sent back is lost to its payee, or given back twice or on one person's word."""
    run = published(june)
    paying.pay(june.ws, run, "file")
    said(june, run, "settled")
    with pytest.raises(ConflictError, match="the bank's own entry"):
        paying.confirm(june.ws, run, "ann", "returned")
    said(june, run, "returned", "entry 7")
    with pytest.raises(ConflictError, match="final"):
        paying.confirm(june.ws, run, "ann", "settled")
    paid = load(june.ws.log, read_book(june.ws).runs[run]).accounts["ann"].payable
    assert accounts(june, july(june))["ann"] == paid


def test_a_payment_of_a_reversed_run_that_fails_later_is_given_back(june: Month) -> None:
    """If this fails (finding M6), a payee owes back for good what it never got."""
    run = published(june)
    paying.pay(june.ws, run, "file")
    paid = load(june.ws.log, read_book(june.ws).runs[run]).accounts["ann"].payable
    undo = holds.reverse(june.ws, run, reason="wrong pool")
    life.approve(june.ws, undo.id, "approver")
    again = life.run(june.ws, asked(pool="1100.00")).run
    life.approve(june.ws, again, "approver")
    life.publish(june.ws, again)
    assert accounts(june, again)["ann"] == -paid
    said(june, run, "failed")
    assert accounts(june, july(june))["ann"] == paid
    book = read_book(june.ws)
    assert "ann" not in paid_out(june.ws.log, book, load(june.ws.log, book.runs[run]))
