"""Logs under one home: what registers one, and what it takes over."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs import leaf, member
from ledger.types import Head
from tests.ledger.world import AT, World, seeded

OPERATOR = seeded("operator")
HOME = Head(origin="example.org/home", size=12, root=b"\x07" * 32, chain=b"\x08" * 32)


def test_a_member_is_registered_with_its_first_keys() -> None:
    """If this fails, bundles of a member are checked by other keys than the operator registered."""
    log = World(origin="example.org/two").trust().logs[0]
    body = member.make(AT, log, OPERATOR)
    leaf.check_signature(body, OPERATOR.public)
    assert body["type"] == "member"
    assert member.parse(7, body) == log


@pytest.mark.parametrize("changed", [{"type": "source"}, {"origin": None}, {"keys": None}, {"keys": [{}]}], ids=str)
def test_anything_else_registers_no_log(changed: dict[str, Any]) -> None:
    """If this fails, a leaf of another shape brings a log under the home."""
    body = member.make(AT, World().trust().logs[0], OPERATOR)
    with pytest.raises(VerificationError):
        member.parse(7, body | changed)


@pytest.mark.parametrize(
    ("tracks", "leaves"), [(0, [0]), (1, [1]), (200, [200]), (201, [200, 1]), (450, [200, 200, 50])]
)
def test_tracks_are_taken_over_in_leaves_that_fit(tracks: int, leaves: list[int]) -> None:
    """If this fails, a track is left out, or a leaf is too large for the log, or the head is not noted."""
    names = [f"t{n}" for n in range(tracks)]
    found = list(member.follow(AT, HOME, names, OPERATOR))
    assert [len(one["tracks"]) for one in found] == leaves
    assert [name for one in found for name in one["tracks"]] == names
    assert {(one["type"], one["origin"], one["size"], one["root"]) for one in found} == {
        ("follow", "example.org/home", 12, "07" * 32)
    }
