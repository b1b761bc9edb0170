"""Posting and pushing over the embedded chain: each twice over, each refusal before a signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import pushing, settling
from contracts.effects import POOL
from contracts.errors import ChainStateError, PostingError, PreflightError
from contracts.node import Node
from contracts.posting import PostedPayment
from contracts.reconcile import reconcile
from contracts.signer import EmbeddedSigner, NoSigner
from ledger.errors import SettleError
from tests.contracts.desk import DAY, Desk, Wrapped, account, run


def test_a_run_is_posted_once_and_paid_once(desk: Desk) -> None:
    """If this fails, repeating a payment pays again."""
    first = settling.settle(desk.client, run())
    assert (first.state, first.sequence, first.total, first.payees) == ("final", 1, 4_000_006, 4)
    assert settling.settle(desk.client, run()) == first
    done = pushing.push(desk.client, desk.pool)
    assert (done.paid, done.payees, done.skipped, done.open) == (4_000_006, 4, (), 0)
    again = pushing.push(desk.client, desk.pool)
    assert (again.paid, again.payees, again.transactions) == (0, 0, ())
    assert desk.postings() == 1
    assert desk.paid() == 4_000_006


def test_runs_follow_each_other_and_sums_carry_over(desk: Desk) -> None:
    """If this fails, a second run forgets the first, or pays it again."""
    settling.settle(desk.client, run(1))
    pushing.push(desk.client, desk.pool, ["p-1"])
    second = settling.settle(desk.client, run(2, payees=2))
    assert (second.sequence, second.total, second.payees) == (2, 4_000_006 + 2_000_001, 4)
    done = pushing.push(desk.client, desk.pool)
    assert done.paid == 6_000_007 - 1_000_001
    report = reconcile(desk.client, desk.pool, {"run-1": 4_000_006, "run-2": 2_000_001}, {})
    assert report.ok, report


def test_everything_survives_the_end_of_the_process(desk: Desk) -> None:
    """If this fails, the embedded chain or the outbox forgets between two commands."""
    first = settling.settle(desk.client, run())
    desk.reopen()
    assert settling.settle(desk.client, run()) == first
    desk.reopen()
    assert pushing.push(desk.client, desk.pool).paid == 4_000_006


def test_while_the_window_runs_nothing_can_be_pushed(tmp_path: Path) -> None:
    """If this fails, the client pays under a root that may still be vetoed, or posts over it."""
    desk = Desk(tmp_path)
    desk.deployed(window=DAY)
    assert settling.settle(desk.client, run(1)).state == "final"
    with pytest.raises(ChainStateError, match="serves no posting yet"):
        pushing.push(desk.client, desk.pool)
    with pytest.raises(ChainStateError, match="waits for its window"):
        settling.settle(desk.client, run(2))
    desk.chain.advance(DAY)
    assert pushing.push(desk.client, desk.pool).paid == 4_000_006
    assert settling.settle(desk.client, run(2)).sequence == 2
    desk.close()


def test_a_vetoed_run_is_posted_anew_when_asked_again(tmp_path: Path) -> None:
    """If this fails, a veto is taken for a posting, or blocks the run for good."""
    desk = Desk(tmp_path)
    desk.deployed(window=DAY)
    assert settling.settle(desk.client, run()).sequence == 1
    assert desk.client.veto("EUR").state == "final"
    again = settling.settle(desk.client, run())
    assert (again.sequence, again.state) == (2, "final")
    desk.chain.advance(DAY)
    assert pushing.push(desk.client, desk.pool).paid == 4_000_006
    desk.close()


def test_a_dry_run_changes_nothing_and_says_what_lacks(desk: Desk) -> None:
    """If this fails, looking costs a nonce, or the figures shown are not the ones that will be signed."""
    before = desk.client.outbox.intents()
    plan = settling.dry_run(desk.client, run())
    assert (plan.sequence, plan.total, plan.payees, plan.to_fund) == (1, 4_000_006, 4, 0)
    assert plan.gas
    assert desk.client.outbox.intents() == before
    done = settling.settle(desk.client, run())
    assert done.root == plan.root
    assert settling.settled(desk.client, desk.pool, "run-1", look_only=True) == done
    assert settling.dry_run(desk.client, run(2, micros=10**9)).to_fund == 4 * 10**9 + 6 - 95_999_994


BAD: dict[str, tuple[Callable[[], object], type[SettleError], str]] = {
    "no account": (
        lambda: run(payments=(PostedPayment(party="ann", account=None, micros=5),)),
        PostingError,
        "no account",
    ),
    "zero address": (
        lambda: run(payments=(PostedPayment(party="ann", account="0x" + 40 * "0", micros=5),)),
        PostingError,
        "zero address",
    ),
    "a payee twice": (
        lambda: run(payments=2 * (PostedPayment(party="ann", account=account(1), micros=5),)),
        PostingError,
        "2 times",
    ),
    "not published": (lambda: run(published=False), ChainStateError, "not published"),
    "totals that fell": (
        lambda: run(payments=(PostedPayment(party="ann", account=account(1), micros=-1),)),
        PostingError,
        "fall",
    ),
    "unfunded": (lambda: run(micros=10**12), PreflightError, "lacks"),
    "no pool for its currency": (lambda: run(currency="USD"), ChainStateError, "no pool for USD"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_before_anything_is_signed(desk: Desk, name: str) -> None:
    """If this fails, a mistake is signed, and so may be sent."""
    make, error, why = BAD[name]
    before = desk.client.outbox.intents()
    with pytest.raises(error, match=why):
        settling.settle(desk.client, make())  # type: ignore[arg-type]  # a PublishedRun
    assert desk.client.outbox.intents() == before


class Foreign(Wrapped):
    """A node of another chain."""

    def chain_id(self) -> int:
        return 1


def test_a_foreign_chain_is_refused_before_anything_is_signed(desk: Desk, home: Path) -> None:
    """If this fails, a transaction is signed for a chain that nobody meant."""
    desk.close()
    foreign = Desk(home, wrap=Foreign)
    with pytest.raises(ChainStateError, match="no pool for EUR on chain 1"):
        settling.settle(foreign.client, run())
    foreign.close()


def test_a_node_that_changes_its_chain_is_refused_while_driving(desk: Desk) -> None:
    """If this fails, an endpoint that is switched under us gets our signed transactions."""
    settling.settle(desk.client, run())
    intent = replace(desk.client.outbox.intents("final")[-1], chain_id=1, state="sent")
    with pytest.raises(PreflightError, match="is for chain 1"):
        desk.client.courier.step(intent)


class Other(Wrapped):
    """A node on which the pool is another contract."""

    def code(self, address: str) -> bytes:
        return b"\x01" + self.node.code(address)[1:]


def test_other_code_at_the_pool_is_refused(home: Path) -> None:
    """If this fails, a posting goes to a contract that only looks like the pool."""
    desk = Desk(home, wrap=Other)
    with pytest.raises(PreflightError, match="not RoyaltyPool as shipped"):
        settling.settle(desk.client, run())
    desk.close()


def test_a_signer_without_the_role_is_refused(home: Path) -> None:
    """If this fails, a transaction is signed that can only revert."""
    desk = Desk(home, signer=EmbeddedSigner(3))
    with pytest.raises(PreflightError, match="the pool's publisher is"):
        settling.settle(desk.client, run())
    desk.close()


def test_an_account_without_gas_money_is_refused(desk: Desk) -> None:
    """If this fails, a transaction is signed that no node can take."""
    desk.client.sender = account(99)
    with pytest.raises(PreflightError, match="nothing to pay gas with"):
        desk.client.preflight(desk.pool)
    assert desk.client.preflight(desk.pool, signing=False)["sequence"] == 0


def test_a_ledger_behind_the_anchored_one_is_refused(desk: Desk) -> None:
    """If this fails, an old copy of the workspace posts over a newer ledger."""
    assert desk.client.anchor("EUR", "ab" * 32, 500).state == "final"
    assert desk.client.anchor("EUR", "ab" * 32, 500).state == "final"
    with pytest.raises(PreflightError, match="is this a copy"):
        settling.settle(desk.client, run())
    with pytest.raises(PreflightError, match="500 leaves anchored"):
        desk.client.anchor("EUR", "cd" * 32, 499)


def test_a_store_that_lost_its_postings_refuses_to_go_on(desk: Desk) -> None:
    """If this fails, a workspace without its history posts a root that forgets what payees are owed."""
    settling.settle(desk.client, run(1))
    desk.store.connection.execute("DELETE FROM posting")
    with pytest.raises(ChainStateError, match=r"not in this workspace's chain\.db"):
        settling.settle(desk.client, run(2))


def test_a_pool_is_deployed_once(desk: Desk) -> None:
    """If this fails, a repeated deployment splits the money over two pools."""
    pool = desk.pool
    again = desk.client.deploy("EUR", None, window=5, notice=90 * DAY, dormancy=365 * DAY, roles={})
    assert (again.pool, again.state) == (pool.address, "final")
    assert len(desk.client.book.pools(desk.client.chain_id)) == 1


def test_reconciliation_finds_what_is_wrong(desk: Desk) -> None:
    """If this fails, the report says ok to figures that differ."""
    settling.settle(desk.client, run())
    assert reconcile(desk.client, desk.pool, {"run-1": 4_000_006}, {}).ok
    wrong = reconcile(desk.client, desk.pool, {"run-1": 4_000_005}, {})
    assert not wrong.ok
    assert [line.ok for line in wrong.lines] == [False, *[True] * 8]


def test_what_the_ledger_writes_off_the_contract_wrote_off(desk: Desk) -> None:
    """If this fails (M1), two misled people write off what stays claimable on the chain, and the report says ok."""
    settling.settle(desk.client, run())
    wrong = reconcile(desk.client, desk.pool, {"run-1": 4_000_006}, {"0x" + "ab" * 32: 5})
    assert [line.name for line in wrong.lines if not line.ok] == [
        "written off in the ledger = written off by the contract",
        "written off in the ledger = where an event says as much",
    ]


def test_a_pause_stops_claims_until_it_ends(desk: Desk) -> None:
    """If this fails, the guardian's brake does nothing, or cannot be released."""
    settling.settle(desk.client, run())
    assert desk.client.pause("EUR", on=True).state == "final"
    with pytest.raises(PreflightError, match="claim: paused"):
        pushing.push(desk.client, desk.pool)
    assert desk.client.pause("EUR", on=False).state == "final"
    assert pushing.push(desk.client, desk.pool).payees == 4


def test_looking_needs_no_account(desk: Desk, home: Path) -> None:
    """If this fails, a dry run or a reconciliation asks for a key that it does not need."""
    desk.close()
    looker = Desk(home, signer=NoSigner())
    assert settling.dry_run(looker.client, run()).to_fund == 0
    assert reconcile(looker.client, looker.pool, {}, {}).ok
    with pytest.raises(PreflightError, match="the pool's publisher is"):
        settling.settle(looker.client, run())
    looker.close()
    desk.open()


def test_unknown_payees_are_refused(desk: Desk) -> None:
    """If this fails, a mistyped party silently claims nothing."""
    settling.settle(desk.client, run())
    with pytest.raises(ChainStateError, match="owes nothing to nobody"):
        pushing.push(desk.client, desk.pool, ["nobody"])


def test_a_contracts_refusal_is_told_in_its_words(desk: Desk) -> None:
    """If this fails, the person at the terminal does not learn why the chain would refuse."""
    node: Node = desk.node
    with pytest.raises(PreflightError, match="veto: nothing is pending"):
        node.estimate(desk.client.sender, desk.pool.address, POOL.data("veto"))
