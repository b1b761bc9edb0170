"""Intents on their way: what each step writes down, and nodes that drop, lie, forget and talk nonsense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import pushing, settling
from contracts.courier import GWEI, GasTerms
from contracts.errors import ChainStateError, NonceError
from contracts.node import Node, Place, TransactionReceipt
from contracts.outbox import Fees, Intent, Outbox, replacement
from contracts.signer import EmbeddedSigner, check_signed, transaction_hash
from contracts.store import ChainStore
from tests.contracts.desk import Desk, Wrapped, run


class Moods(Wrapped):
    """A node that can be told to misbehave."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.drops = False
        self.answer: str | None = None
        self.extra_nonce = 0
        self.forgets = False

    def send(self, raw: bytes) -> str:
        said = "" if self.drops else self.node.send(raw)
        return said if self.answer is None else self.answer

    def nonce(self, address: str, at: Place) -> int:
        return self.node.nonce(address, at) + self.extra_nonce

    def receipt(self, transaction: str) -> TransactionReceipt | None:
        return None if self.forgets else self.node.receipt(transaction)


@pytest.fixture
def moody(home: Path) -> Any:
    desk = Desk(home, wrap=Moods)
    yield desk
    desk.close()


def post_intent(desk: Desk) -> Intent:
    return next(intent for intent in desk.client.outbox.intents() if intent.kind == "post")


def test_the_signed_transaction_is_kept_before_it_is_sent(moody: Desk) -> None:
    """If this fails, a crash while sending leaves a transaction that nobody remembers."""
    kept: list[tuple[str, int]] = []
    original = moody.node.send

    def watch(raw: bytes) -> str:
        with_store = ChainStore(moody.home / "chain.db")
        found = with_store.connection.execute(
            "SELECT i.state, i.nonce FROM attempt a JOIN intent i ON i.id = a.intent WHERE a.hash = ? AND a.raw = ?",
            (transaction_hash(raw), raw),
        ).fetchone()
        kept.append((found["state"], found["nonce"]))
        with_store.close()
        return original(raw)

    moody.node.send = watch  # type: ignore[method-assign]  # watching the boundary
    assert settling.settle(moody.client, run()).state == "final"
    assert kept == [("signed", 3)]


def test_a_dropped_transaction_is_sent_again_with_the_same_bytes(moody: Desk) -> None:
    """If this fails, a transaction that a node dropped is lost, or made anew with another nonce."""
    moody.node.drops = True  # type: ignore[attr-defined]
    assert settling.settle(moody.client, run()).state == "sent"
    first = moody.client.outbox.attempts(post_intent(moody))
    moody.node.drops = False  # type: ignore[attr-defined]
    assert settling.settle(moody.client, run()).state == "final"
    assert moody.client.outbox.attempts(post_intent(moody)) == first
    assert moody.postings() == 1


@pytest.mark.parametrize("answer", ["nonce too low", "transaction already imported", "ok", "insufficient funds", "%&!"])
def test_what_a_node_says_decides_nothing(moody: Desk, answer: str) -> None:
    """If this fails, an error text turns a sent transaction into a failed one, or the other way round."""
    moody.node.answer = answer  # type: ignore[attr-defined]
    assert settling.settle(moody.client, run()).state == "final"
    moody.node.drops = True  # type: ignore[attr-defined]
    assert settling.settle(moody.client, run(2)).state == "sent"
    assert moody.postings() == 1


def test_a_node_that_counts_too_many_is_not_believed(moody: Desk) -> None:
    """If this fails, a lying node makes us sign with a nonce that leaves a gap, and everything later is stuck."""
    moody.node.extra_nonce = 5  # type: ignore[attr-defined]
    with pytest.raises(NonceError, match="another program uses this key, or the node is wrong"):
        settling.settle(moody.client, run())
    intent = post_intent(moody)
    assert (intent.state, intent.nonce) == ("planned", None)
    assert moody.client.outbox.attempts(intent) == []
    moody.node.extra_nonce = 0  # type: ignore[attr-defined]
    assert settling.settle(moody.client, run()).state == "final"


def test_a_node_that_counts_too_few_cannot_make_us_reuse_a_nonce(moody: Desk) -> None:
    """If this fails, a second intent is signed with the first one's nonce and replaces it."""
    moody.node.drops = True  # type: ignore[attr-defined]
    assert settling.settle(moody.client, run()).state == "sent"
    moody.node.extra_nonce = -2  # type: ignore[attr-defined]
    moody.client.fund(moody.pool, 5)
    nonces = [intent.nonce or 0 for intent in moody.client.outbox.intents()]
    assert nonces == sorted(set(nonces)) == [0, 1, 2, 3, 4]


def test_a_persons_word_adopts_the_nodes_count(moody: Desk) -> None:
    """If this fails, a key that was used elsewhere blocks the outbox for good, or the count can go back."""
    moody.node.extra_nonce = 5  # type: ignore[attr-defined]
    assert moody.client.adopt_nonce() == 8
    moody.node.extra_nonce = 0  # type: ignore[attr-defined]
    assert moody.client.adopt_nonce() == 8


def test_a_receipt_that_is_forgotten_is_made_up_for_by_the_contracts_state(moody: Desk) -> None:
    """If this fails, a node without our receipt makes us post again."""
    moody.node.drops = True  # type: ignore[attr-defined]
    settling.settle(moody.client, run())
    moody.node.drops = False  # type: ignore[attr-defined]
    moody.node.forgets = True  # type: ignore[attr-defined]
    done = settling.settle(moody.client, run())
    assert (done.state, done.detail) == ("final", "found in the contract's state; by another transaction")
    assert moody.postings() == 1


def test_it_is_final_only_after_enough_blocks(home: Path) -> None:
    """If this fails, what a reorganisation may still undo counts as done."""
    desk = Desk(home, terms=GasTerms(confirmations=3, patience=0))
    assert settling.settle(desk.client, run()).state == "mined"
    desk.chain.advance(1)
    assert settling.settle(desk.client, run()).state == "mined"
    desk.chain.advance(1)
    assert settling.settle(desk.client, run()).state == "final"
    desk.close()


def test_a_receipt_that_vanishes_sends_again(home: Path) -> None:
    """If this fails, a transaction that a reorganisation threw out counts as mined for ever."""
    desk = Desk(home, terms=GasTerms(confirmations=3, patience=0), wrap=Moods)
    assert settling.settle(desk.client, run()).state == "mined"
    desk.node.forgets = True  # type: ignore[attr-defined]
    intent = desk.client.courier.step(post_intent(desk))
    assert intent.state == "sent"
    assert "reorganised" in intent.detail
    desk.node.forgets = False  # type: ignore[attr-defined]
    assert desk.client.courier.step(intent).state == "mined"
    desk.close()


def test_a_nonce_that_somebody_else_spent_fails_the_intent_and_a_repeat_makes_a_new_one(desk: Desk) -> None:
    """If this fails, an intent whose nonce is gone waits for ever, or is posted twice."""
    node, signer = desk.node, EmbeddedSigner()
    client = desk.client
    foreign: dict[str, Any] = {
        "chainId": client.chain_id,
        "nonce": 3,
        "maxPriorityFeePerGas": GWEI,
        "maxFeePerGas": 3 * GWEI,
        "gas": 30_000,
        "to": signer.address,
        "value": 0,
        "data": "0x",
    }
    intent = client.outbox.plan(
        "post:lost",
        kind="post-test",
        chain_id=client.chain_id,
        sender=signer.address,
        target=desk.pool.address,
        data=b"",
        gas=30_000,
    )
    intent = client.courier.step(intent)
    assert (intent.state, intent.nonce) == ("signed", 3)
    node.send(signer.sign(foreign))
    lost = client.courier.drive(intent)
    assert (lost.state, lost.detail) == ("failed", "nonce 3 was spent by another transaction")
    again = client.outbox.plan(
        "post:lost",
        kind="post-test",
        chain_id=client.chain_id,
        sender=signer.address,
        target=desk.pool.address,
        data=b"",
        gas=30_000,
    )
    assert (again.state, again.nonce) == ("planned", None)


def test_a_replacement_spends_the_same_nonce(moody: Desk) -> None:
    """If this fails, outbidding our own transaction makes a second one that may be mined too."""
    moody.node.drops = True  # type: ignore[attr-defined]
    settling.settle(moody.client, run())
    moody.node.drops = False  # type: ignore[attr-defined]
    moody.client.resume(replace=True)
    attempts = moody.client.outbox.attempts(post_intent(moody))
    assert len(attempts) == 2
    assert attempts[1].fees == replacement(attempts[0].fees, cap=10**18)
    assert post_intent(moody).state == "final"
    moody.node.send(attempts[0].raw)
    assert moody.postings() == 1


@given(st.integers(1, 10**15), st.integers(1, 10**12))
def test_a_replacement_offers_an_eighth_more_of_both(max_fee: int, tip: int) -> None:
    """If this fails, nodes refuse the replacement: they want a tenth, some an eighth, of both fees."""
    raised = replacement(Fees(max_fee=max_fee, tip=tip), cap=10**20)
    for new, old in ((raised.max_fee, max_fee), (raised.tip, tip)):
        assert 8 * new >= 9 * old
        assert 8 * (new - 1) < 9 * old


def test_no_fee_passes_the_cap(moody: Desk) -> None:
    """If this fails, a spike in fees, or patience with replacements, empties the account."""
    with pytest.raises(ChainStateError, match="above the cap"):
        replacement(Fees(max_fee=100, tip=1), cap=112)
    assert replacement(Fees(max_fee=100, tip=1), cap=113).max_fee == 113
    moody.client.courier.terms = GasTerms(fee_cap=1)
    with pytest.raises(ChainStateError, match="above the cap of 1"):
        settling.settle(moody.client, run())


def test_two_processes_plan_one_intent(home: Path) -> None:
    """If this fails, two commands at once post twice, or take the same nonce for two things."""
    desk = Desk(home)
    other = Outbox(ChainStore(home / "chain.db"))
    fields: dict[str, Any] = {
        "kind": "test",
        "chain_id": desk.client.chain_id,
        "sender": desk.client.sender,
        "target": desk.pool.address,
        "data": b"",
        "gas": 30_000,
    }
    mine, theirs = desk.client.outbox.plan("a", **fields), other.plan("a", **fields)
    assert mine == theirs
    fees = Fees(max_fee=3 * GWEI, tip=GWEI)
    signed = desk.client.outbox.sign(mine, EmbeddedSigner(), fees, lambda: 3)
    assert other.sign(theirs, EmbeddedSigner(), fees, lambda: 3) == signed
    assert other.sign(other.plan("b", **fields), EmbeddedSigner(), fees, lambda: 3).nonce == 4
    assert len(other.attempts(signed)) == 1
    check_signed(other.attempts(signed)[0].raw, signed.unsigned(fees), desk.client.sender)
    desk.close()


def test_a_skipped_payee_is_tried_again_later(desk: Desk) -> None:
    """If this fails, a payee that could not be paid once is never paid."""
    settling.settle(desk.client, run())
    first = pushing.push(desk.client, desk.pool, ["p-1"])
    assert first.payees == 1
    assert pushing.push(desk.client, desk.pool).payees == 3
