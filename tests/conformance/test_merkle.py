"""The 196 Merkle vectors and the reference roots of transparency-dev/merkle, against the bare verifier functions."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs import tree
from tests.support import ROOT, shared

FOLDER = ROOT.parent / "shared" / "vectors" / "merkle"
INCLUSION = sorted(FOLDER.glob("inclusion/**/*.json"))
CONSISTENCY = sorted(FOLDER.glob("consistency/**/*.json"))


def name(path: Path) -> str:
    return str(path.relative_to(FOLDER))


def data(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def hashes(case: dict[str, Any]) -> list[bytes]:
    return [data(one) for one in case["proof"] or []]


def test_all_the_vectors_are_there() -> None:
    """If this fails, the sweeps below ran over fewer cases than were published."""
    shared("vectors/merkle")
    assert (len(INCLUSION), len(CONSISTENCY)) == (98, 98)


@pytest.mark.parametrize("path", INCLUSION, ids=name)
def test_inclusion(path: Path) -> None:
    """If this fails, our inclusion check disagrees with every other implementation."""
    case = json.loads(path.read_text())
    arguments = (case["leafIdx"], case["treeSize"], data(case["leafHash"]), hashes(case), data(case["root"]))
    if case["wantErr"]:
        with pytest.raises(VerificationError):
            tree.check_inclusion(*arguments)
    else:
        tree.check_inclusion(*arguments)


@pytest.mark.parametrize("path", CONSISTENCY, ids=name)
def test_consistency(path: Path) -> None:
    """If this fails, our consistency check disagrees with every other implementation."""
    case = json.loads(path.read_text())
    arguments = (case["size1"], case["size2"], hashes(case), data(case["root1"]), data(case["root2"]))
    if case["wantErr"]:
        with pytest.raises(VerificationError):
            tree.check_consistency(*arguments)
    else:
        tree.check_consistency(*arguments)


def test_reference_roots() -> None:
    """If this fails, our trees are not RFC 6962's."""
    case = json.loads(shared("vectors/merkle/rfc6962-constants.json").read_text())
    leaves = tree.leaf_hashes(bytes.fromhex(leaf) for leaf in case["leaf_inputs_hex"])
    assert tree.EMPTY_ROOT.hex() == case["empty_root"]
    assert [tree.root_of(leaves[:size]).hex() for size in range(1, 9)] == case["root_hashes_size1_to_8"]
