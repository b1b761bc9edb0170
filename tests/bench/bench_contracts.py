"""Gas of the pool, beside a plain ERC-20 transfer, on one EVM in one run: `make bench-contracts`."""

from __future__ import annotations

import time
from typing import Any

import pytest
from eth_abi.abi import encode
from web3 import EthereumTesterProvider, Web3

from contracts.merkle import LEAF_ENCODING, MerkleTree, keccak, leaf_hash
from contracts.posting import abi_row
from tests.contracts.compiled import Compiled, pool, token
from tests.contracts.rows import rows

pytestmark = pytest.mark.bench

PAYEES = 1_000
BATCH = 50
DAY = 86_400
LIMITS = {
    "post root, from the second on": 155_000,
    "first claim": 102_000,
    "repeat claim": 68_000,
    "batch of 50, first-time, each": 62_500,
    "batch of 50, repeat, each": 28_500,
}


class Bench:
    """A mining chain with a pool of 1,000 payees; every figure is a receipt's gasUsed."""

    def __init__(self) -> None:
        self.web3 = Web3(EthereumTesterProvider())
        self.me = self.web3.eth.accounts[0]
        self.gas: dict[str, int] = {}
        self.token = self.deploy("deploy token", token())
        arguments = (self.token.address, self.me, self.me, self.me, DAY, 30 * DAY, 180 * DAY)
        self.pool = self.deploy("deploy pool", pool(), *arguments)

    def deploy(self, name: str, compiled: Compiled, *arguments: Any) -> Any:
        factory = self.web3.eth.contract(abi=list(compiled.abi), bytecode=compiled.bytecode)
        receipt = self.mined(name, factory.constructor(*arguments).transact({"from": self.me}))
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=list(compiled.abi))

    def run(self, name: str, call: Any) -> None:
        self.mined(name, call.transact({"from": self.me, "gas": 20_000_000}))

    def mined(self, name: str, sent: Any) -> Any:
        receipt = self.web3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1, name
        self.gas[name] = receipt["gasUsed"]
        return receipt

    def post(self, name: str, sequence: int) -> list[tuple[bytes, str, int, list[bytes]]]:
        """Post what everyone is owed after this many periods, let the window pass, and give the claims."""
        rows = [(keccak(b"payee %d" % n), account(n), sequence * (1_000_000 + n)) for n in range(PAYEES)]
        chain_id, here = self.web3.eth.chain_id, self.pool.address
        tree = MerkleTree([leaf_hash(encode(LEAF_ENCODING, (chain_id, here, *row))) for row in rows])
        total = sum(row[2] for row in rows)
        self.run("fund", self.token.functions.mint(here, total))
        head = (keccak(b"period %d" % sequence), tree.root, keccak(b"ledger %d" % sequence), sequence * 10**6, total)
        self.run(name, self.pool.functions.post(sequence, *head))
        self.web3.provider.ethereum_tester.time_travel(self.web3.eth.get_block("latest")["timestamp"] + DAY)  # type: ignore[attr-defined]  # the tester's own
        return [(*row, tree.proof(n)) for n, row in enumerate(rows)]


def account(n: int) -> str:
    return Web3.to_checksum_address(keccak(b"account %d" % n)[-20:])


def test_tree_of_a_hundred_thousand_payees() -> None:
    """If this fails, building the tree takes more than 3 s of processor time."""
    listed = rows(100_000)
    start = time.process_time()
    tree = MerkleTree([leaf_hash(abi_row(*row)) for row in listed])
    built = time.process_time()
    proofs = [tree.proof(n) for n in range(len(listed))]
    proven = time.process_time()
    for _ in range(300_000):
        keccak(tree.root)
    floor = time.process_time() - proven
    print(f"\n100,000 payees: tree {built - start:.2f} s, proofs {proven - built:.2f} s; 300,000 keccaks {floor:.2f} s")
    assert len(proofs) == len(listed)
    assert built - start < 3


def test_gas_of_every_step() -> None:
    """If this fails, a step costs more gas than what is promised in docs/benchmarks.md."""
    bench = Bench()
    claims = bench.post("post root, the first", 1)
    bench.run("first claim", bench.pool.functions.claim(*claims[500]))
    bench.run("batch of 50, first-time", bench.pool.functions.claim_many(claims[:BATCH]))
    claims = bench.post("post root, from the second on", 2)
    bench.run("repeat claim", bench.pool.functions.claim(*claims[500]))
    bench.run("batch of 50, repeat", bench.pool.functions.claim_many(claims[:BATCH]))
    bench.post("post root, the third", 3)
    bench.run("anchor", bench.pool.functions.anchor(keccak(b"later"), 9 * 10**6))
    head = (4, keccak(b"period 4"), keccak(b"root"), keccak(b"later"), 9 * 10**6, 10**10)
    bench.run("fund", bench.token.functions.mint(bench.pool.address, 10**10))
    bench.run("post root, the fourth", bench.pool.functions.post(*head))
    bench.run("veto", bench.pool.functions.veto())
    bench.run("fund", bench.token.functions.mint(bench.me, 100))
    bench.run("plain transfer, new holder", bench.token.functions.transfer(account(5_000), 10))
    bench.run("plain transfer, existing holder", bench.token.functions.transfer(account(5_000), 10))
    for kind in ("first-time", "repeat"):
        bench.gas[f"batch of 50, {kind}, each"] = -(-bench.gas[f"batch of 50, {kind}"] // BATCH)
    new, old = bench.gas["plain transfer, new holder"], bench.gas["plain transfer, existing holder"]
    print(f"\n{'step':<34}{'gas':>10}{'limit':>10}{'x plain transfer':>18}")
    for name, gas in bench.gas.items():
        if name != "fund":
            beside = old if "repeat" in name or "existing" in name else new
            print(f"{name:<34}{gas:>10,}{LIMITS.get(name, 0) or '':>10}{gas / beside:>18.2f}")
    over = {name: bench.gas[name] for name, limit in LIMITS.items() if bench.gas[name] > limit}
    assert not over
