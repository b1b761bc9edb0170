"""The Merkle tree: roots, inclusion and consistency proofs (RFC 6962 section 2.1, RFC 9162 section 2.1).

Prove and check stand side by side. A proof is a list of hashes and nothing else: which hash
function, which index, which sizes and which side each hash belongs on are the checker's, from the
signed checkpoint. Storage enters as one function, `read(level, n)`: the hash of the complete
subtree over leaves `[n * 2^level, (n + 1) * 2^level)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from ledger.errors import InputError, VerificationError

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
"""The root of the tree without leaves."""

Read = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """`SHA-256(0x00 || data)`."""
    return hashlib.sha256(b"\x00" + data).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """The hash of each leaf, in bulk."""
    sha256 = hashlib.sha256
    return [sha256(b"\x00" + leaf).digest() for leaf in leaves]


def node_hash(left: bytes, right: bytes) -> bytes:
    """`SHA-256(0x01 || left || right)`."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """The root of the complete tree over 2^k concatenated hashes."""
    sha256 = hashlib.sha256
    while len(hashes) > HASH_SIZE:
        hashes = b"".join([sha256(b"\x01" + hashes[i : i + 64]).digest() for i in range(0, len(hashes), 64)])
    return hashes


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes."""
    if not hashes:
        return EMPTY_ROOT
    return _join([fold(b"".join(hashes[n << level : (n + 1) << level])) for level, n in subtrees(0, len(hashes))])


def root(size: int, read: Read) -> bytes:
    """The root of the first `size` leaves; at most log2(size) + 1 reads."""
    return _range_root(0, size, read) if size else EMPTY_ROOT


def subtrees(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees (level, n) that make up leaves `[start, stop)`, from left to right.

    `start` is a multiple of the smallest power of two that is at least `stop - start`, as it is for
    every subtree that a proof asks for; then each next one is smaller.
    """
    while start < stop:
        level = (stop - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _join(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees of falling size: the rightmost two are joined first."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def _range_root(start: int, stop: int, read: Read) -> bytes:
    return _join([read(level, n) for level, n in subtrees(start, stop)])


def _split(size: int) -> int:
    """The largest power of two below `size`, where RFC 6962 divides a tree of more than one leaf."""
    return 1 << ((size - 1).bit_length() - 1)


# --- inclusion ----------------------------------------------------------------------------------


def prove_inclusion(index: int, size: int, read: Read) -> list[bytes]:
    """The hashes from the leaf's sibling up to the root's child (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise InputError(f"leaf {index} is not in a tree of {size}")
    proof: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            proof.append(_range_root(middle, stop, read))
            stop = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    proof.reverse()
    return proof


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Refuse unless the leaf hash stands at `index` in the tree of this size and root."""
    steps = list(inclusion_steps(index, size, leaf, proof))
    result = steps[-1][2] if steps else leaf
    if len(root) != HASH_SIZE or result != root:
        raise VerificationError(f"leaf {index} of {size}: its proof leads to root {result.hex()}, not {root.hex()}")


def inclusion_steps(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The steps from leaf to root as (left, right, SHA-256(0x01 || left || right)): RFC 9162 section 2.1.3.2.

    Refuses a proof that has too few hashes or too many; comparing the last result with the root is
    the caller's.
    """
    if not 0 <= index < size:
        raise VerificationError(f"leaf {index} is not in a tree of {size}")
    _check_lengths(leaf, *proof)
    node, last = index, size - 1
    result = leaf
    for sibling in proof:
        if last == 0:
            raise VerificationError(f"leaf {index} of {size}: the proof has more hashes than the path")
        if node & 1 or node == last:
            left, right = sibling, result
            while node and not node & 1:  # a right edge without a sibling passes up unchanged
                node >>= 1
                last >>= 1
        else:
            left, right = result, sibling
        result = node_hash(left, right)
        yield left, right, result
        node >>= 1
        last >>= 1
    if last != 0:
        raise VerificationError(f"leaf {index} of {size}: the proof has fewer hashes than the path")


# --- consistency --------------------------------------------------------------------------------


def prove_consistency(old: int, new: int, read: Read) -> list[bytes]:
    """The hashes that show the tree of `old` leaves to be a prefix of that of `new` (RFC 6962 section 2.1.2)."""
    if not 0 < old <= new:
        raise InputError(f"consistency is between sizes 0 < old <= new, not {old} and {new}")
    proof: list[bytes] = []
    start, stop = 0, new
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            proof.append(_range_root(middle, stop, read))
            stop = middle
        else:
            proof.append(_range_root(start, middle, read))
            start = middle
    if start > 0:  # otherwise the old tree is a complete subtree of the new, whose root the checker has
        proof.append(_range_root(start, stop, read))
    proof.reverse()
    return proof


def check_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Refuse unless the tree (old, old_root) is a prefix of (new, new_root): RFC 9162 section 2.1.4.2.

    Every tree extends the empty one, which needs no proof and has none; so old size 0 is refused.
    Roots of equal trees are compared as they are: that they are hashes is for whoever parsed them.
    """
    if not 0 < old <= new:
        raise VerificationError(f"consistency is between sizes 0 < old <= new, not {old} and {new}")
    if old == new:
        if proof or old_root != new_root:
            raise VerificationError(f"two different trees of size {old}: {old_root.hex()} and {new_root.hex()}")
        return
    if consistency_roots(old, new, proof, old_root) != (old_root, new_root):
        raise VerificationError(f"the tree of {old} leaves is not shown to be a prefix of the tree of {new}")


def consistency_roots(old: int, new: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """Returns the roots of the trees of size old < new that a consistency proof makes.

    Where the second is a root that a log signed, the first is the root of that tree's own first `old` leaves.
    For an `old` that is a power of two the proof leaves the old root out, and `old_root` stands in for it.
    """
    _check_lengths(old_root, *proof)
    if not proof:
        raise VerificationError(f"sizes {old} and {new} need a proof, and there is none")
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old_result = new_result = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise VerificationError(f"sizes {old} and {new}: the proof has more hashes than the path")
        if node & 1 or node == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            new_result = node_hash(new_result, sibling)
        node >>= 1
        last >>= 1
    if last != 0:
        raise VerificationError(f"sizes {old} and {new}: the proof has fewer hashes than the path")
    return old_result, new_result


def _check_lengths(*hashes: bytes) -> None:
    """A node of other than 64 bytes could be read as two different pairs."""
    if any(len(node) != HASH_SIZE for node in hashes):
        raise VerificationError(f"a hash in the proof is not {HASH_SIZE} bytes long")
