"""Trees, dumps and claims against @openzeppelin/merkle-tree itself."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from contracts.claims import claim_document, tree_dump
from contracts.merkle import MerkleTree, leaf_hash
from contracts.posting import Posting, abi_row
from tests.contracts.anvil import NODE, package
from tests.contracts.desk import account
from tests.contracts.rows import Row, rows
from tests.contracts.test_posting import post, run

pytestmark = pytest.mark.node


def reference(**asked: Any) -> dict[str, Any]:
    package("@openzeppelin/merkle-tree")
    done = subprocess.run(
        ["node", str(NODE / "tree.mjs")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def texts(row: Row) -> list[str]:
    chain, pool, payee, where, amount = row
    return [str(chain), pool, "0x" + payee.hex(), where, str(amount)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1_000, 5_000])
def test_root_and_every_proof_are_the_references(count: int) -> None:
    """If this fails, claims made here do not verify with the tools that everybody uses."""
    listed = rows(count)
    (built,) = reference(build=[[texts(row) for row in listed]])["built"]
    tree = MerkleTree([leaf_hash(abi_row(*row)) for row in listed])
    assert "0x" + tree.root.hex() == built["root"]
    assert [["0x" + node.hex() for node in tree.proof(n)] for n in range(count)] == built["proofs"]
    assert ["0x" + node.hex() for node in tree.nodes] == built["dump"]["tree"]
    assert [tree.place(n) for n in range(count)] == [value["treeIndex"] for value in built["dump"]["values"]]


def posting(count: int = 9) -> Posting:
    return post(run(*((f"p-{n}", account(n), 100 + n // 2) for n in range(1, count))))


def test_the_reference_loads_and_validates_our_dump() -> None:
    """If this fails, tree.json beside the claims is of no use to third parties."""
    made = posting()
    assert reference(load=tree_dump(made))["loaded"] == "0x" + made.tree.root.hex()


def test_the_reference_verifies_our_claims_and_refuses_forged_ones() -> None:
    """If this fails, a payee cannot show a claim to anybody with other tools, or a forged one passes there."""
    made = posting()
    claims = [claim_document(made, row, bytes(32)) for row in range(len(made.leaves))]
    forged = [{**claim, "leaf": [*claim["leaf"][:4], str(int(claim["leaf"][4]) + 1)]} for claim in claims]
    assert reference(verify=claims)["verified"] == [True] * len(claims)
    assert reference(verify=forged)["verified"] == [False] * len(claims)
