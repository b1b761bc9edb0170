from __future__ import annotations

import copy
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import tree
from ledger.registry import sparse
from ledger.registry.sparse import EMPTY, SparseTree


def by_definition(places: list[bytes], depth: int = 0) -> bytes:
    """The root as its definition reads."""
    if not places:
        return EMPTY
    if len(places) == 1:
        return hashlib.sha256(b"\x00" + places[0]).digest()
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    for place in places:
        sides[int(f"{int.from_bytes(place):0256b}"[depth])].append(place)
    left, right = (by_definition(side, depth + 1) for side in sides)
    return hashlib.sha256(b"\x01" + left + right).digest()


@given(st.sets(st.text(st.characters(codec="utf-8"), max_size=5), max_size=40), st.text(max_size=5))
def test_every_id_is_proven_in_or_out(names: set[str], asked: str) -> None:
    """If this fails, a recording's place in a training list, or its absence, cannot be proven."""
    built = SparseTree(names)
    assert built.root == by_definition([sparse.place_of(name) for name in names]).hex()
    for name in (*names, asked):
        assert sparse.check(built.prove(name), root=built.root) is (name in names)


def test_neither_order_nor_repetition_changes_the_root() -> None:
    """If this fails, whoever makes the list can hide an id by its order."""
    assert SparseTree(["b", "a", "b", "c"]).root == SparseTree(["a", "b", "c"]).root


def test_ids_that_share_many_bits_are_told_apart() -> None:
    """If this fails, ids ground to lie close together break the tree below its stored levels."""
    names = [f"id-{n}" for n in range(20_000)]
    close = sorted(names, key=sparse.place_of)[:9]
    built = SparseTree(close)
    assert built.root == by_definition([sparse.place_of(name) for name in close]).hex()
    for name in (*close, *names[:40]):
        assert sparse.check(built.prove(name), root=built.root) is (name in close)


@pytest.mark.parametrize("name", ["rec-3", "rec-99", "rec-1234"])
def test_every_change_to_a_proof_is_noticed(name: str) -> None:
    """If this fails, a proof can be altered without being refused."""
    built = SparseTree(f"rec-{n}" for n in range(40))
    honest = built.prove(name)
    lies = [
        honest | {"member": not honest["member"]},
        honest | {"path": honest["path"][:-1]},
        honest | {"extra": 1},
        honest | {"path": [*honest["path"], "00" * 32]},
        honest | {"end": None if honest["end"] else "11" * 32},
        honest | {"end": sparse.place_of(name).hex(), "member": not honest["member"]},
        honest | {"recording": 3},
        honest | {"path": "no"},
        honest | {"path": ["zz", *honest["path"][1:]]},
        {},
        honest | {"path": ["00" * 32] * 257},
    ]
    for step in range(len(honest["path"])):
        broken = copy.deepcopy(honest)
        broken["path"][step] = "ab" * 32
        lies.append(broken)
    for lie in lies:
        with pytest.raises(VerificationError):
            sparse.check(lie, root=built.root)


def test_no_root_shows_both_that_an_id_is_there_and_that_it_is_not() -> None:
    """If this fails, an operator who builds the tree otherwise than it is defined proves what suits it (V4)."""
    inside, other = sparse.place_of("rec-1"), sparse.place_of("rec-2")
    leaf = tree.leaf_hash(inside)
    side = tree.leaf_hash(other)
    for root in (leaf, tree.node_hash(leaf, side), tree.node_hash(side, leaf), tree.node_hash(leaf, EMPTY)):
        shown: set[bool] = set()
        for path in ([], [side.hex()], [EMPTY.hex()], [leaf.hex()]):
            for member, end in ((True, inside), (False, other), (False, None)):
                proof = {"recording": "rec-1", "member": member, "path": path, "end": end and end.hex()}
                try:
                    shown.add(sparse.check(proof, root=root.hex()))
                except VerificationError:
                    continue
        assert len(shown) <= 1
