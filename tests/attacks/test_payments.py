"""M1-M3, M6-M9: what the bank or the chain answers never sends money twice and never loses it."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable
from decimal import Decimal

import pytest

from ledger.errors import SettleError
from service.settlement import life, paying
from service.workspace import Workspace
from tests.attacks.victim import Victim


@pytest.mark.slow
@pytest.mark.parametrize("outcome", ["failed", "written-off"])
def test_m1_a_posted_claim_cannot_fail(on_chain: Victim, outcome: str) -> None:
    """If this fails, money that stays claimable on the chain is handed over a second time."""
    on_chain.do("chain", "fund", "3000.00", "--currency", "EUR")
    on_chain.do("chain", "settle", "2026-06")
    assert on_chain.propose("payment", "2026-06", "p-ann", outcome, "--note", "nothing came").code != 0


def test_m2_a_failure_that_was_settled_after_all_is_not_paid_again(published: Victim) -> None:
    """If this fails, a bank's ordinary correction sends the same money twice."""
    published.do("pay", "2026-06", "--via", "file")
    published.agree("payment", "2026-06", "p-ann", "failed", "--note", "rejected")
    published.do("payment", "2026-06", "p-ann", "settled", "--note", "ref 4711: arrived after all")
    published.settle("pay", "2026-06", "--via", "file")
    assert published.sent("p-ann") == Decimal(600)


def test_m3_a_written_off_payment_is_not_paid_again(published: Victim) -> None:
    """If this fails, a write-off both sends the money again and gives it back to the balance."""
    published.do("pay", "2026-06", "--via", "file")
    published.agree("payment", "2026-06", "p-ann", "failed", "--note", "rejected")
    published.propose("payment", "2026-06", "p-ann", "written-off", "--note", "account closed")
    published.settle("pay", "2026-06", "--via", "file")
    published.july()
    published.settle("pay", "2026-07", "--via", "file")
    assert published.sent("p-ann") <= Decimal(600 + 660)  # the failed 600 never arrived; 660 at most follow


def test_m3_a_failure_delivered_twice_pays_once_more_only(published: Victim) -> None:
    """If this fails, a bank's answer that arrives twice sends the same money a third time."""
    hold = published.do("hold", "open", "--party", "p-bob", "--reason", "fraud")["id"]
    published.do("pay", "2026-06", "--via", "file")
    published.do("hold", "resolve", hold, "--reason", "ok", "--as", "carol")
    published.do("pay", "2026-06", "--via", "file")
    for _ in range(3):
        published.propose("payment", "2026-06", "p-ann", "failed", "--note", "pain.002 #1")
    for _ in range(3):
        published.settle("pay", "2026-06", "--via", "file")
    assert published.sent("p-ann") == Decimal(1200)  # the one that failed, and the one after it


def test_m6_a_failure_after_a_reversal_gives_the_money_back(published: Victim) -> None:
    """If this fails, a payee whose payment of a reversed run is rejected loses it for good."""
    first = published.do("period", "show", "2026-06")["runs"][0]["run"]
    published.do("pay", "2026-06", "--via", "file")
    published.do("reverse", "2026-06", "--reason", "wrong pool", "--as", "carol")
    published.publish(pool="2000.00")
    published.do("pay", "2026-06", "--via", "file")
    published.propose("payment", first, "p-ann", "failed", "--note", "rejected after 3 days")
    published.settle("pay", "2026-06", "--via", "file")
    published.july()
    published.settle("pay", "2026-07", "--via", "file")
    assert published.sent("p-ann") - 600 == Decimal(1200 + 60)


@pytest.mark.slow
def test_m7_a_batch_that_was_never_posted_does_not_count_as_paid(on_chain: Victim) -> None:
    """If this fails, reversing a run that the chain never saw takes the payees' money."""
    assert on_chain.settle("pay", "2026-06", "--via", "chain").code == 4
    on_chain.do("reverse", "2026-06", "--reason", "wrong pool", "--as", "carol")
    run = on_chain.publish(pool="2000.00")
    shown = on_chain.do("statement", "p-ann", "--period", "2026-06")
    on_chain.do("chain", "fund", "5000.00", "--currency", "EUR")
    on_chain.settle("pay", run, "--via", "chain")
    claims = on_chain.home.parent / "claims"
    on_chain.do("chain", "claims", run, "--out", claims)
    assert '"1200000000"' in (claims / "index.json").read_text(), shown


@pytest.mark.slow
def test_m8_an_account_that_changes_before_the_posting_stops_no_run(on_chain: Victim) -> None:
    """If this fails, one payee's new account leaves a whole run unpaid on the chain, whatever the operator does."""
    assert on_chain.settle("pay", "2026-06", "--via", "chain").code == 4
    account = ("--method", "chain", "--account", "0x90F79bf6EB2c4f870365E785982E1f101E93b906")
    proposed = on_chain.do("registry", "payee", "propose", "p-ann", *account)["id"]
    on_chain.settle("registry", "payee", "approve", proposed, "--as", "approver")
    on_chain.settle("approve", proposed, "--as", "carol")
    on_chain.now = on_chain.now.replace(day=9)
    on_chain.do("chain", "fund", "3000.00", "--currency", "EUR")
    first = on_chain.settle("pay", "2026-06", "--via", "chain")
    if first.code:
        on_chain.propose("payment", "2026-06", "p-ann", "failed", "--note", "account changed")
        on_chain.do("pay", "2026-06", "--via", "chain")
    claims = on_chain.home.parent / "claims"
    on_chain.do("chain", "claims", "2026-06", "--out", claims)
    assert all(f'"{party}"' in (claims / "index.json").read_text() for party in ("p-ann", "p-bob"))


def test_concurrent_operators_take_each_step_once(victim: Victim) -> None:
    """If this fails, two operators at once calculate, approve, publish or pay a month twice."""
    victim.do("period", "close", "2026-06")
    request = life.request(period="2026-06", pool="1000.00", currency="EUR", rule="pro-rata", params={}, engine="log")
    ws = victim.open()
    run = life.run(ws, request, dry_run=True).run
    ws.close()
    steps: list[Callable[[Workspace], object]] = [
        lambda ws: life.run(ws, request),
        lambda ws: life.approve(ws, run, "carol"),
        lambda ws: life.publish(ws, run),
        lambda ws: paying.pay(ws, run, "file"),
    ]
    for step in steps:
        at_once(victim, step)
    ws = victim.open()
    for kind in ("run", "approve", "publish", "pay"):
        assert len(list(ws.log.entries(types={kind}))) == 1, kind
    ws.close()
    assert victim.sent("p-ann") == Decimal(600)


def at_once(victim: Victim, step: Callable[[Workspace], object]) -> None:
    """The same step by three operators, each with the workspace open anew."""

    def act() -> None:
        ws = victim.open()
        with contextlib.suppress(SettleError):  # the slower may be told that it is done
            step(ws)
        ws.close()

    threads = [threading.Thread(target=act) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_m9_a_lost_payment_file_does_not_stop_the_next_batch(published: Victim) -> None:
    """If this fails, a batch is logged as handed over although no file of it can ever be written."""
    hold = published.do("hold", "open", "--party", "p-bob", "--reason", "fraud")["id"]
    published.do("pay", "2026-06", "--via", "file")
    shutil.rmtree(published.home / "payments")
    proposed = published.do("registry", "payee", "propose", "p-ann", "--account", "GB82WEST12345698765432")["id"]
    assert 0 in {
        published.settle("registry", "payee", "approve", proposed, "--as", "approver").code,
        published.settle("approve", proposed, "--as", "carol").code,
    }
    published.now = published.now.replace(day=9)
    published.do("hold", "resolve", hold, "--reason", "ok", "--as", "carol")
    published.settle("pay", "2026-06", "--via", "file")
    assert published.sent("p-bob") == Decimal(200)
