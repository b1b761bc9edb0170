"""Bundles: one document, one spelling, exactly the fields of its kind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import bundle, canon, leaf
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.tlog_proof import Proof
from tests.golden import check_golden
from tests.ledger.world import story

STORY = story()
BUNDLE = STORY.bundle()


def receipt() -> bytes:
    placed = STORY.world.placed(STORY.event)
    checkpoint = STORY.world.checkpoint()
    return Proof(index=placed.index, hashes=placed.hashes, checkpoint=checkpoint, extra=placed.body).encode()


def test_golden_files() -> None:
    """If this fails, bundles and receipts are written otherwise than those that people keep."""
    check_golden("event.bundle", BUNDLE)
    check_golden("event.tlog-proof", receipt())
    check_golden("event.trust.json", STORY.world.trust().encode())


def test_a_placed_leaf_is_read_as_written() -> None:
    """If this fails, a leaf's bytes change inside a bundle and its hash with them."""
    placed = STORY.world.placed(STORY.event)
    assert bundle.placed(json.loads(canon.encode(placed.document())), "x") == placed


def test_the_fields_of_a_kind() -> None:
    """If this fails, something unproven rides along in a bundle that verifies."""
    document = bundle.parse(BUNDLE)
    assert document["checkpoint"].encode() == STORY.world.checkpoint()
    assert len(bundle.fields(document, "event", "vector", "evidence", "assign")) == 4
    for names in (("event",), ("event", "vector", "evidence", "assign", "more")):
        with pytest.raises(VerificationError, match="is missing or does not belong"):
            bundle.fields(document, *names)


def changed(**fields: Any) -> bytes:
    return canon.encode({name: value for name, value in (json.loads(BUNDLE) | fields).items() if value is not ...})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        BUNDLE[:-1],
        BUNDLE + b"\n",
        b" " + BUNDLE,
        changed(v=2),
        changed(v=True),
        changed(v=...),
        changed(kind=5),
        changed(checkpoint=None),
        changed(checkpoint=...),
        changed(keys={}),
        changed(keys=...),
        json.dumps(json.loads(BUNDLE)).encode(),
    ],
)
def test_what_is_no_bundle(data: bytes) -> None:
    """If this fails, a file that is not a bundle, or has two spellings, is examined as one."""
    with pytest.raises(VerificationError):
        bundle.parse(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [],
        None,
        {"index": -1},
        {"index": True},
        {"index": "1"},
        {"leaf": []},
        {"leaf": {}},
        {"leaf": {"v": 1}},
        {"proof": {}},
        {"proof": [5]},
        {"proof": ["00"]},
        {"proof": ["AA" * 32]},
        {"proof": ["00" * 32] * 64},
        {"more": 1},
    ],
)
def test_what_is_no_placed_leaf(wrong: Any) -> None:
    """If this fails, a malformed place crashes the verifier."""
    good = PlacedLeaf(0, leaf.encode({"v": 1, "type": "x"}), (bytes(32),)).document()
    with pytest.raises(VerificationError):
        bundle.placed(good | wrong if isinstance(wrong, dict) and wrong else wrong, "x")


def test_a_receipt_reads_as_a_bundle_of_its_leaf() -> None:
    """If this fails, the receipts that platforms keep cannot be verified with what they have."""
    document = bundle.parse(receipt())
    assert document["entry"]["leaf"]["event_id"] == "e-000002"
    bare = Proof(index=0, hashes=(), checkpoint=b"x").encode()
    with pytest.raises(VerificationError, match="does not stand in it"):
        bundle.parse(bare)
    with pytest.raises(VerificationError, match="UTF-8"):
        bundle.parse(Proof(index=0, hashes=(), checkpoint=b"\xff", extra=b"x").encode())


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    """If this fails, a foreign file crashes the reader."""
    with pytest.raises(VerificationError):
        bundle.parse(data)
