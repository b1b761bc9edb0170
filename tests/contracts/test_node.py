"""The same client on a real JSON-RPC node: what only a real node can do to us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from contracts import pushing, settling
from contracts.client import PoolClient
from contracts.courier import Courier, GasTerms
from contracts.effects import POOL
from contracts.errors import ChainStateError, NodeError, NonceError, PreflightError
from contracts.node import Node, Web3Node
from contracts.outbox import Intent, Outbox
from contracts.posting import Pool
from contracts.reconcile import reconcile
from contracts.signer import Unsigned
from contracts.store import ChainStore
from tests.contracts.anvil import Anvil
from tests.contracts.desk import DAY, account, no_wait, run
from tests.contracts.test_courier import Moods

pytestmark = pytest.mark.node

KEYS = [
    # anvil's own well-known test keys, of the mnemonic "test test ... junk"
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
]


class KeySigner:
    """Signs with one of anvil's keys."""

    def __init__(self, index: int = 0) -> None:
        self._account = Account.from_key(KEYS[index])
        self.address = str(self._account.address)

    def sign(self, transaction: Unsigned) -> bytes:
        fields = {name: value for name, value in transaction.items() if value is not None}
        return bytes(self._account.sign_transaction({"type": 2, **fields}).raw_transaction)


class Office:
    """A workspace's chain side on a real node."""

    def __init__(self, url: str, home: Path, *, terms: GasTerms | None = None, chain_id: int | None = None) -> None:
        self.store = ChainStore(home / "chain.db")
        self.node: Node = Moods(Web3Node.at(url, timeout=5))
        self.signer = KeySigner()
        courier = Courier(self.node, Outbox(self.store), self.signer, terms or GasTerms(patience=3), wait=no_wait)
        self.client = PoolClient(self.node, self.store, courier, sender=self.signer.address, chain_id=chain_id)

    @property
    def pool(self) -> Pool:
        return self.client.book.pool(self.client.chain_id, "EUR")

    def deployed(self, *, window: int = 0) -> Pool:
        done = self.client.deploy("EUR", None, window=window, notice=90 * DAY, dormancy=365 * DAY, roles={})
        assert done.state == "final"
        assert self.client.fund(self.pool, 100_000_000).state == "final"
        return self.pool

    def post_intent(self) -> Intent:
        return next(intent for intent in self.client.outbox.intents() if intent.kind == "post")

    def postings(self) -> int:
        return sum(1 for _ in self.client.events(self.pool, "Posted"))


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    node = Anvil()
    yield node
    node.stop()


@pytest.fixture
def office(anvil: Anvil, tmp_path: Path) -> Iterator[Office]:
    made = Office(anvil.url, tmp_path)
    made.deployed()
    yield made
    made.store.close()


def test_deploy_post_claim_and_reconcile(office: Office) -> None:
    """If this fails, what works on the embedded chain does not on a real node."""
    first = settling.settle(office.client, run(1))
    assert (first.state, first.total) == ("final", 4_000_006)
    assert settling.settle(office.client, run(1)) == first
    assert pushing.push(office.client, office.pool).paid == 4_000_006
    second = settling.settle(office.client, run(2))
    assert second.sequence == 2
    assert pushing.push(office.client, office.pool).paid == 4_000_006
    assert reconcile(office.client, office.pool, {"run-1": 4_000_006, "run-2": 4_000_006}, {}).ok


def test_window_and_veto(anvil: Anvil, tmp_path: Path) -> None:
    """If this fails, a real node's time and ours disagree about what serves."""
    office = Office(anvil.url, tmp_path)
    office.deployed(window=DAY)
    assert settling.settle(office.client, run()).state == "final"
    with pytest.raises(ChainStateError, match="serves no posting yet"):
        pushing.push(office.client, office.pool)
    veto = office.client.act("veto:1", kind="veto", target=office.pool.address, data=POOL.data("veto"))
    assert veto.state == "final"
    again = settling.settle(office.client, run())
    assert (again.sequence, again.state) == (2, "final")
    anvil.rpc("evm_increaseTime", DAY)
    anvil.rpc("evm_mine")
    assert pushing.push(office.client, office.pool).paid == 4_000_006
    with pytest.raises(PreflightError, match="veto: nothing is pending"):
        office.client.act("veto:2", kind="veto", target=office.pool.address, data=POOL.data("veto"))
    office.store.close()


def test_a_reorganisation_throws_it_out_and_the_same_bytes_go_in_again(anvil: Anvil, tmp_path: Path) -> None:
    """If this fails, a reorganisation loses a posting, or makes two of it."""
    office = Office(anvil.url, tmp_path, terms=GasTerms(confirmations=1, patience=0))
    office.deployed()
    office.client.courier.terms = GasTerms(confirmations=4, patience=0)
    assert settling.settle(office.client, run()).state == "mined"
    attempts = office.client.outbox.attempts(office.post_intent())
    anvil.rpc("anvil_reorg", 1, [])
    assert office.node.receipt(attempts[0].hash) is None
    intent = office.client.courier.step(office.post_intent())
    assert intent.state == "sent"
    anvil.rpc("evm_mine")
    assert settling.settle(office.client, run()).state in ("sent", "mined")
    for _ in range(4):
        anvil.rpc("evm_mine")
    assert settling.settle(office.client, run()).state == "final"
    assert office.client.outbox.attempts(office.post_intent()) == attempts
    assert office.postings() == 1
    office.store.close()


def test_a_dropped_transaction(anvil: Anvil, office: Office) -> None:
    """If this fails, what a node drops from its pool is never mined, or mined twice."""
    anvil.rpc("evm_setAutomine", False)
    assert settling.settle(office.client, run()).state == "sent"
    (attempt,) = office.client.outbox.attempts(office.post_intent())
    anvil.rpc("anvil_dropTransaction", attempt.hash)
    anvil.rpc("evm_mine")
    assert office.postings() == 0
    anvil.rpc("evm_setAutomine", True)
    assert settling.settle(office.client, run()).state == "final"
    assert office.postings() == 1


def test_a_replaced_transaction(anvil: Anvil, office: Office) -> None:
    """If this fails, outbidding ourselves on a busy chain posts twice, or loses track of which one was mined."""
    anvil.rpc("evm_setAutomine", False)
    assert settling.settle(office.client, run()).state == "sent"
    (intent,) = office.client.resume(replace=True)
    assert intent.state == "sent"
    first, second = office.client.outbox.attempts(intent)
    assert second.fees.max_fee * 8 >= first.fees.max_fee * 9
    anvil.rpc("evm_mine")
    assert office.node.receipt(first.hash) is None
    done = settling.settle(office.client, run())
    assert (done.state, done.transaction) == ("final", second.hash)
    assert office.postings() == 1


def test_a_node_that_restarts(tmp_path: Path) -> None:
    """If this fails, a node that was down for a moment leaves the outbox in doubt."""
    node = Anvil(arguments=("--state", str(tmp_path / "state.json")))
    office = Office(node.url, tmp_path)
    office.deployed()
    first = settling.settle(office.client, run(1))
    node.stop()
    with pytest.raises(NodeError, match="does not answer"):
        settling.settle(office.client, run(2))
    node.start()
    assert settling.settle(office.client, run(1)) == first
    assert settling.settle(office.client, run(2)).state == "final"
    assert office.postings() == 2
    office.store.close()
    node.stop()


def test_the_wrong_chain(tmp_path: Path, office: Office) -> None:
    """If this fails, a posting meant for one chain is signed for another."""
    other = Anvil(arguments=("--chain-id", "4242"))
    with pytest.raises(PreflightError, match="serves chain 4242"):
        Office(other.url, tmp_path, chain_id=31337)
    stray = Office(other.url, tmp_path)
    with pytest.raises(ChainStateError, match="no pool for EUR on chain 4242"):
        settling.settle(stray.client, run())
    assert stray.client.outbox.intents("planned", "signed", "sent") == []
    raw = office.signer.sign(
        {
            "chainId": 31337,
            "nonce": 0,
            "maxPriorityFeePerGas": 1,
            "maxFeePerGas": 10**10,
            "gas": 21_000,
            "to": account(1),
            "value": 0,
            "data": "0x",
        }
    )
    assert stray.node.send(raw) != ""
    stray.store.close()
    other.stop()


@pytest.mark.parametrize("lie", [5, -1])
def test_a_node_that_lies_about_the_nonce(office: Office, lie: int) -> None:
    """If this fails, a lying node makes us skip a nonce, or spend one twice."""
    moods: Any = office.node
    moods.extra_nonce = lie
    if lie > 0:
        with pytest.raises(NonceError, match="the node is wrong"):
            settling.settle(office.client, run())
    else:
        settling.settle(office.client, run())
    moods.extra_nonce = 0
    assert settling.settle(office.client, run()).state == "final"
    nonces = [intent.nonce for intent in office.client.outbox.intents()]
    assert nonces == [0, 1, 2, 3]
    assert office.postings() == 1


def test_both_evms_charge_the_same(office: Office) -> None:
    """If this fails, the gas in docs/benchmarks.md is a figure of py-evm, not of the chain."""
    deployed = next(one for one in office.client.outbox.intents() if one.key.endswith("EUR:pool"))
    assert abs(int(deployed.detail.removeprefix("gas ")) - 2_212_757) <= 64  # addresses differ in zero bytes
    assert abs((settling.settle(office.client, run()).gas or 0) - 147_285) <= 64
