"""Trees and proofs: known answers, every small tree with every way to spoil its proofs, and laws."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError, VerificationError
from ledger.proofs import tree
from tests.ledger.reference import Reference, path_shape, proof_shape

SIZE_MAX = 130
"""Two full levels of eight and one leaf more: every shape of right edge occurs below."""

LEAVES = [b"leaf %d" % n for n in range(SIZE_MAX + 2)]
REFERENCE = Reference(LEAVES)
STRAY = hashlib.sha256(b"of no tree").digest()

# RFC 6962's reference leaves and roots, as certificate-transparency implementations test them.
RFC_LEAVES = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    bytes(range(0x60, 0x70)),
]
RFC_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def refused(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except VerificationError:
        return True
    return False


def spoiled(proof: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The proof with any one hash flipped, dropped, added, or swapped with any other."""
    hashes = list(proof)
    for n, one in enumerate(hashes):
        flipped = bytearray(one)
        flipped[n % 32] ^= 1 << (n % 8)
        yield [*hashes[:n], bytes(flipped), *hashes[n + 1 :]]
        yield [*hashes[:n], *hashes[n + 1 :]]
        yield [*hashes[:n], one, *hashes[n:]]
        for m in range(n):
            if hashes[m] != one:
                swapped = list(hashes)
                swapped[m], swapped[n] = swapped[n], swapped[m]
                yield swapped
    for n in range(len(hashes) + 1):
        yield [*hashes[:n], STRAY, *hashes[n:]]


def read(level: int, n: int) -> bytes:
    return REFERENCE.mth(n << level, (n + 1) << level)


def test_known_roots() -> None:
    """If this fails, we do not compute the tree that every other implementation computes."""
    for size, root in enumerate(RFC_ROOTS):
        assert tree.root_of(tree.leaf_hashes(RFC_LEAVES[:size])).hex() == root
    assert tree.EMPTY_ROOT.hex() == RFC_ROOTS[0]


def test_known_proofs() -> None:
    """If this fails, our proofs for the reference tree of eight are not the published ones."""
    reference = Reference(RFC_LEAVES)

    def published(level: int, n: int) -> bytes:
        return reference.mth(n << level, (n + 1) << level)

    assert [one.hex()[:16] for one in tree.prove_inclusion(0, 8, published)] == [
        "96a296d224f285c6",
        "5f083f0a1a33ca07",
        "6b47aaf29ee3c2af",
    ]
    assert [one.hex()[:16] for one in tree.prove_consistency(6, 8, published)] == [
        "0ebc5d3437fbe2db",
        "ca854ea128ed050b",
        "d37ee418976dd957",
    ]


@pytest.mark.parametrize("size", range(SIZE_MAX + 1))
def test_roots_of_all_small_trees(size: int) -> None:
    """If this fails, one of our three ways to a root does not lead where the definition does."""
    hashes = tree.leaf_hashes(LEAVES[:size])
    assert tree.root_of(hashes) == tree.root(size, read) == REFERENCE.root(size)


def test_every_inclusion_proof_of_every_small_tree() -> None:
    """If this fails, an honest proof is refused, or one with a single flaw is believed."""
    for size in range(1, SIZE_MAX + 1):
        root = REFERENCE.root(size)
        for index in range(size):
            leaf = tree.leaf_hash(LEAVES[index])
            proof = tree.prove_inclusion(index, size, read)
            assert proof == REFERENCE.path(index, size)
            tree.check_inclusion(index, size, leaf, proof, root)
            for wrong in spoiled(proof):
                assert refused(tree.check_inclusion, index, size, leaf, wrong, root), (index, size)
            for near in (index - 1, index + 1):
                assert refused(tree.check_inclusion, near, size, leaf, proof, root), (index, size)
            for near in (size - 1, size + 1):
                same = path_shape(index, near) == path_shape(index, size)
                assert refused(tree.check_inclusion, index, near, leaf, proof, root) != same, (index, size, near)


def test_every_consistency_proof_of_every_small_tree() -> None:
    """If this fails, a log that only grew is refused, or one that was rewritten is believed."""
    for new in range(1, SIZE_MAX + 1):
        new_root = REFERENCE.root(new)
        for old in range(1, new + 1):
            old_root = REFERENCE.root(old)
            proof = tree.prove_consistency(old, new, read)
            assert proof == REFERENCE.proof(old, new)
            tree.check_consistency(old, new, proof, old_root, new_root)
            for wrong in spoiled(proof):
                assert refused(tree.check_consistency, old, new, wrong, old_root, new_root), (old, new)
            assert refused(tree.check_consistency, old, new, proof, STRAY, new_root), (old, new)
            assert refused(tree.check_consistency, old, new, proof, old_root, STRAY), (old, new)
            for sizes in ((old - 1, new), (old + 1, new), (old, new - 1), (old, new + 1)):
                same = proof_shape(*sizes) == proof_shape(old, new)
                assert refused(tree.check_consistency, *sizes, proof, old_root, new_root) != same, (old, new, sizes)


def test_wrong_leaf_or_root_is_refused() -> None:
    """If this fails, a proof proves something about another leaf or another tree."""
    for size in range(1, 20):
        for index in range(size):
            leaf, root = tree.leaf_hash(LEAVES[index]), REFERENCE.root(size)
            proof = REFERENCE.path(index, size)
            assert refused(tree.check_inclusion, index, size, STRAY, proof, root)
            assert refused(tree.check_inclusion, index, size, leaf, proof, STRAY)
            assert refused(tree.check_inclusion, index, size, leaf, proof, root[:31])


def test_hashes_of_another_length_are_refused() -> None:
    """If this fails, 31 + 33 bytes pass for two hashes, and a node has two readings."""
    left, right = tree.leaf_hash(b"a"), tree.leaf_hash(b"b")
    root = tree.node_hash(left, right)
    tree.check_inclusion(0, 2, left, [right], root)
    assert tree.node_hash(left[:31], left[31:] + right) == root
    assert refused(tree.check_inclusion, 0, 2, left[:31], [left[31:] + right], root)
    assert refused(tree.check_inclusion, 1, 2, left[31:] + right, [left[:31]], root)


def test_the_two_traps_of_consistency() -> None:
    """If this fails, junk roots of size 0 pass, or equal trees of size 1 do not."""
    junk = b"twelve bytes"
    assert refused(tree.check_consistency, 0, 0, [], junk, junk)
    assert refused(tree.check_consistency, 0, 1, [], tree.EMPTY_ROOT, STRAY)
    tree.check_consistency(1, 1, [], junk, junk)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 1), (1, 1), (2**64 - 1, 1)])
def test_leaves_outside_the_tree(index: int, size: int) -> None:
    """If this fails, a leaf beyond the tree can be proven, or asking for one is a crash."""
    assert refused(tree.check_inclusion, index, size, STRAY, [], STRAY)
    with pytest.raises(InputError):
        tree.prove_inclusion(index, size, read)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 1), (2, 1), (-1, 1)])
def test_sizes_that_cannot_be_consistent(old: int, new: int) -> None:
    """If this fails, a proof is made for sizes between which there is none."""
    with pytest.raises(InputError):
        tree.prove_consistency(old, new, read)


@given(st.lists(st.binary(max_size=40), max_size=300), st.data())
def test_any_leaves_against_the_definition(leaves: list[bytes], data: st.DataObject) -> None:
    """If this fails, some contents or sizes break the tree: the law must hold for all of them."""
    reference = Reference(leaves)
    hashes = tree.leaf_hashes(leaves)
    assert hashes == [tree.leaf_hash(leaf) for leaf in leaves]
    assert tree.root_of(hashes) == reference.root(len(leaves))
    if leaves:
        index = data.draw(st.integers(0, len(leaves) - 1))
        proof = tree.prove_inclusion(index, len(leaves), lambda level, n: reference.mth(n << level, (n + 1) << level))
        assert proof == reference.path(index, len(leaves))
        tree.check_inclusion(index, len(leaves), hashes[index], proof, tree.root_of(hashes))


@given(st.integers(-2, 2**64), st.integers(-2, 2**64), st.lists(st.binary(min_size=31, max_size=33), max_size=70))
def test_checks_refuse_in_one_way(first: int, second: int, proof: list[bytes]) -> None:
    """If this fails, numbers or hashes from outside can crash a verifier."""
    assert refused(tree.check_inclusion, first, second, STRAY, proof, STRAY) or (first, second, proof) == (0, 1, [])
    assert refused(tree.check_consistency, first, second, proof, STRAY, STRAY) or (first == second > 0 and not proof)
