"""The payout tree: leaves, root and proofs as OpenZeppelin's StandardMerkleTree builds them.

A leaf is keccak256(keccak256(abi.encode(row))): hashed twice, so that no inner node can pass as a leaf.
A pair is hashed in ascending order, so that a proof is only a list of hashes. Leaves are sorted by hash;
the nodes lie in one array, root first, children of node i at 2i+1 and 2i+2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sha3 import keccak_256

LEAF_ENCODING: Final = ("uint256", "address", "bytes32", "address", "uint256")
"""What a leaf says: chain id, pool, payee id, account, cumulative base units."""


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it, which is not SHA3-256."""
    digest: bytes = keccak_256(data).digest()
    return digest


def leaf_hash(row: bytes) -> bytes:
    """The hash of an ABI-encoded row."""
    return keccak(keccak(row))


def node_hash(a: bytes, b: bytes) -> bytes:
    """The hash of two nodes, whichever way round they are given."""
    return keccak(a + b if a < b else b + a)


class MerkleTree:
    """The tree over rows' leaf hashes; `rows` are addressed by their place in what was handed in."""

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        if not leaf_hashes:
            raise ValueError("a tree needs at least one leaf")
        count = len(leaf_hashes)
        order = sorted(range(count), key=leaf_hashes.__getitem__)
        nodes = [b""] * (count - 1) + [leaf_hashes[row] for row in reversed(order)]
        self._place = [0] * count
        for rank, row in enumerate(order):
            self._place[row] = 2 * count - 2 - rank
        for index in range(count - 2, -1, -1):
            a, b = nodes[2 * index + 1], nodes[2 * index + 2]
            nodes[index] = keccak_256(a + b if a < b else b + a).digest()
        self.nodes: Final = nodes

    @property
    def root(self) -> bytes:
        return self.nodes[0]

    def place(self, row: int) -> int:
        """Where a row's leaf lies in `nodes`: the treeIndex of OpenZeppelin's dump."""
        return self._place[row]

    def proof(self, row: int) -> list[bytes]:
        """The siblings from a row's leaf up to the root."""
        node, siblings = self._place[row], []
        while node > 0:
            siblings.append(self.nodes[node + 1 if node % 2 else node - 1])
            node = (node - 1) // 2
        return siblings


def root_from(leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that a leaf and its siblings lead to; what the contract computes."""
    node = leaf
    for sibling in proof:
        node = node_hash(node, sibling)
    return node
