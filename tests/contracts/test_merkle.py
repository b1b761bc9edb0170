"""The payout tree: known answers of the reference implementation, and the laws any tree must keep."""

from __future__ import annotations

import time

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from contracts.merkle import LEAF_ENCODING, MerkleTree, keccak, leaf_hash, root_from
from contracts.posting import abi_row
from tests.contracts.rows import rows

# Made by @openzeppelin/merkle-tree 1.0.8 from the same rows: the root, and the keccak of all proofs in order.
KNOWN = {
    1: (
        "a9f312f33022f285ca6e580d0cc6d03bea18f7662752cac024d9319d805fc04a",
        "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    ),
    2: (
        "7103724be8063077c9ee08df61c36dde79ec8fabeb385f9d8ba4abfbe8dfb2b3",
        "7103724be8063077c9ee08df61c36dde79ec8fabeb385f9d8ba4abfbe8dfb2b3",
    ),
    3: (
        "a1c1bc120ffad84a8dda48fcc9f286da396781b32ae183f0fca3002fc55df41b",
        "27c6d98104b36b613c5e31886925273ea9f3a775e250736c394c28259ca8bebd",
    ),
    7: (
        "ccda3918e2efa561cb6398a9ee903f08c59bed4a24a7ca4fded4d1ad193e9d0b",
        "6119dc5c214847abcd8bf755f20aad9e952f20cebfe5f7a429fe596c841f6968",
    ),
    64: (
        "f429551511930c3c8bbc04e9e6180fd8e4e23473d95259b7328b9fd964088a7d",
        "5d263a5e2e59e2653eeafa7f96c5668d5bbdbb19c3343dec8a6dc81e572d9f22",
    ),
}


def test_keccak_is_ethereums() -> None:
    """If this fails, the hash is NIST's SHA3-256 or something else, and no proof fits any contract."""
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@pytest.mark.parametrize("count", KNOWN)
def test_trees_are_the_reference_implementations(count: int) -> None:
    """If this fails, third-party tools and the contract build another tree from the same payees."""
    tree = MerkleTree([leaf_hash(abi_row(*row)) for row in rows(count)])
    proofs = b"".join(node for n in range(count) for node in tree.proof(n))
    assert (tree.root.hex(), keccak(proofs).hex()) == KNOWN[count]


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40))
def test_every_leaf_leads_to_the_root_and_no_other_does(leaves: list[bytes]) -> None:
    """If this fails, some payee cannot claim, or a stranger can."""
    tree = MerkleTree(leaves)
    for row, leaf in enumerate(leaves):
        proof = tree.proof(row)
        assert root_from(leaf, proof) == tree.root
        assert root_from(keccak(leaf), proof) != tree.root
        assert tree.nodes[tree.place(row)] == leaf


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_root_does_not_depend_on_the_order_of_payees(leaves: list[bytes], random: object) -> None:
    """If this fails, the same payouts listed in another order make another root."""
    shuffled = list(leaves)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert MerkleTree(shuffled).root == MerkleTree(leaves).root


def test_rows_are_encoded_as_the_contract_encodes_them() -> None:
    """If this fails, our short encoder and the ABI disagree, and no claim passes."""
    for row in rows(20):
        assert abi_row(*row) == encode(LEAF_ENCODING, row)


def test_no_payees_make_no_tree() -> None:
    """If this fails, an empty posting gets a root that means nothing."""
    with pytest.raises(ValueError, match="at least one leaf"):
        MerkleTree([])


@pytest.mark.slow
def test_a_hundred_thousand_payees_take_seconds() -> None:
    """If this fails, each proof hashes the whole posting again: days, where 2 s are enough on a quiet machine."""
    listed = rows(100_000)
    start = time.process_time()
    tree = MerkleTree([leaf_hash(abi_row(*row)) for row in listed])
    proofs = [tree.proof(n) for n in range(len(listed))]
    seconds = time.process_time() - start
    assert root_from(leaf_hash(abi_row(*listed[-1])), proofs[-1]) == tree.root
    assert seconds < 30
