from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import tree
from ledger.registry import manifest
from ledger.registry.manifest import ManifestTree


def ids(count: int) -> list[str]:
    return [f"rec-{2 * number + 1:03d}" for number in range(count)]


@pytest.mark.parametrize("size", [*range(18), 31, 32, 33])
def test_every_id_is_proven_in_or_out(size: int) -> None:
    """If this fails, a recording's place in a training set, or its absence, cannot be proven."""
    built = ManifestTree(ids(size))
    assert built.root == tree.root_of(tree.leaf_hashes(one.encode() for one in ids(size))).hex()
    for number in range(2 * size + 2):
        name = f"rec-{number:03d}"
        proof = built.prove(name)
        assert manifest.check(proof, root=built.root, size=size) is (name in ids(size))


def test_no_proof_shows_the_opposite() -> None:
    """If this fails, an operator can prove that a recording it trained on was not in the set."""
    built = ManifestTree(ids(9))
    for name in ("rec-000", "rec-003", "rec-004", "rec-017", "rec-099"):
        proof = built.prove(name)
        lie = copy.deepcopy(proof)
        lie["member"] = not proof["member"]
        with pytest.raises(VerificationError):
            manifest.check(lie, root=built.root, size=9)


def mutations(proof: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for place, leaf in enumerate(proof["leaves"]):
        for change in (
            {"index": leaf["index"] + 1},
            {"index": -1},
            {"id": leaf["id"] + "x"},
            {"path": leaf["path"][:-1]},
            {"path": [*leaf["path"], "00" * 32]},
            {"path": ["zz"]},
            {"path": "no"},
            {"index": True},
            {"extra": 1},
        ):
            broken = copy.deepcopy(proof)
            broken["leaves"][place] |= change
            found.append(broken)
        for step in range(len(leaf["path"])):
            broken = copy.deepcopy(proof)
            first = leaf["path"][step]
            broken["leaves"][place]["path"][step] = ("0" if first[0] != "0" else "1") + first[1:]
            found.append(broken)
    found += [proof | {"leaves": proof["leaves"][1:]}, proof | {"leaves": "no"}, proof | {"recording": None}, {}]
    return found


@pytest.mark.parametrize("name", ["rec-000", "rec-007", "rec-008", "rec-025"])
def test_every_change_to_a_proof_is_noticed(name: str) -> None:
    """If this fails, a proof can be altered without being refused."""
    built = ManifestTree(ids(12))
    for broken in mutations(built.prove(name)):
        with pytest.raises(VerificationError):
            manifest.check(broken, root=built.root, size=12)


def test_leaves_that_are_not_neighbours_prove_nothing() -> None:
    """If this fails, absence is shown by any two leaves around an id, with the id between them."""
    built = ManifestTree(ids(9))
    first, last = built.prove("rec-001")["leaves"][0], built.prove("rec-017")["leaves"][0]
    forged = {"recording": "rec-005", "member": False, "leaves": [first, last]}
    with pytest.raises(VerificationError, match="neighbours"):
        manifest.check(forged, root=built.root, size=9)


@given(
    st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), max_size=12),
    st.text(max_size=6),
)
def test_any_ids_sort_alike_for_maker_and_checker(names: set[str], asked: str) -> None:
    """If this fails, ids outside ASCII are sorted differently by prover and verifier."""
    blob = manifest.encode(names)
    listed = manifest.decode(blob)
    built = ManifestTree(listed)
    assert manifest.check(built.prove(asked), root=built.root, size=len(listed)) is (asked in names)


def test_an_unsorted_manifest_is_refused() -> None:
    """If this fails, a manifest whose order hides a recording is accepted."""
    blob = manifest.encode(["a", "b"]).replace(b'["a","b"]', b'["b","a"]')
    with pytest.raises(VerificationError, match="sorted"):
        manifest.decode(blob)
