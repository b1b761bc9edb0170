"""The one reading of a log: whose leaves count, which are void, and that reading on is reading anew."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.proofs import keyring, leaf, source, vector
from ledger.proofs.keys import PrivateKey
from ledger.reading.reading import Reading
from tests.ledger.world import AT, DECLARED, World, seeded

WORLD = World()
NOBODY = seeded("nobody")


def signed_vector(key: PrivateKey, ppm: int = 600_000) -> Any:
    declared = {"sources": [DECLARED["sources"][0] | {"ppm": ppm}]}
    return vector.sign(vector.from_declared(declared, track="trk-1"), key)


OURS, NEWER, THEIRS = (
    signed_vector(WORLD.attribution_key),
    signed_vector(WORLD.attribution_key, 1),
    signed_vector(NOBODY),
)
BLOBS: dict[str, bytes] = {one.digest: one.encode() for one in (OURS, NEWER, THEIRS)}


def blob(digest: str) -> bytes:
    if digest not in BLOBS:
        raise InputError(f"nothing is kept under {digest}")
    return BLOBS[digest]


def assign(envelope: Any, key: PrivateKey, track: str = "trk-1") -> dict[str, Any]:
    return leaf.assign(AT, track=track, vector=envelope.digest, signer=key)


def logged(envelope: Any) -> dict[str, Any]:
    return leaf.vector(AT, track="trk-1", statement=envelope.digest, method="declared")


def read(*leaves: dict[str, Any]) -> Reading:
    reading = Reading(WORLD.origin, WORLD.trust().logs[0].keys, blob)
    for index, body in enumerate(leaves):
        reading.take(index, body)
    return reading


GENUINE = assign(OURS, WORLD.attribution_key)


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        (assign(OURS, NOBODY), "which is not known"),
        (assign(OURS, WORLD.log_key), "expected a key of role attribution"),
        (assign(OURS, WORLD.operator_key), "expected a key of role attribution"),
        ({**GENUINE, "vector": NEWER.digest}, "signature is not by key"),
        ({name: value for name, value in GENUINE.items() if name != "sig"}, "names key"),
        (assign(THEIRS, WORLD.attribution_key), "its statement is signed by"),
        (assign(OURS, WORLD.attribution_key, "trk-2"), "is of track 'trk-1'"),
    ],
)
def test_an_assignment_counts_only_from_the_attribution_role(forged: dict[str, Any], reason: str) -> None:
    """If this fails, whoever holds the log key alone decides whom a track pays (finding V3)."""
    reading = read(forged)
    assert reading.assigned == {}
    (void,) = reading.voids
    assert (void.index, void.type) == (0, "assign")
    assert reason in void.reason
    assert not reading.pays(forged["track"], forged["vector"], 9, "acme")


def test_a_vector_that_nobody_entitled_signed_is_void() -> None:
    """If this fails, an event can be bound to a vector that anybody made (finding V3)."""
    reading = read(logged(THEIRS), logged(OURS))
    assert [void.index for void in reading.voids] == [0]
    assert reading.pays("trk-1", OURS.digest, 2, "acme")
    assert not reading.pays("trk-1", OURS.digest, 1, "acme")
    assert not reading.pays("trk-1", THEIRS.digest, 2, "acme")


def test_a_genuine_leaf_again_is_a_replay() -> None:
    """If this fails, a superseded assignment is put back by whoever holds the log key alone (finding V8)."""
    newer = assign(NEWER, WORLD.attribution_key)
    reading = read(GENUINE, newer, GENUINE)
    assert reading.assigned == {"trk-1": (1, NEWER.digest)}
    assert [(void.index, "copy" in void.reason) for void in reading.voids] == [(2, True)]


@pytest.mark.parametrize("changed", [{"track": "trk-2"}, {"key": NOBODY.public.id}])
def test_a_forgery_with_the_signature_of_a_leaf_to_come_voids_only_itself(changed: dict[str, Any]) -> None:
    """If this fails, whoever holds the log key alone makes a genuine leaf look like a copy of a forgery."""
    reading = read(GENUINE | changed, GENUINE, GENUINE)
    assert reading.assigned == {"trk-1": (1, OURS.digest)}
    assert [void.index for void in reading.voids] == [0, 2]


def test_a_source_is_what_its_operator_says_once() -> None:
    """If this fails, a platform that must sign is let off by an old leaf, or by nobody's."""
    free = source.make(AT, source="acme", party=None, signed=False, signer=WORLD.operator_key)
    must = source.make(AT, source="acme", party="p-acme", signed=True, signer=WORLD.operator_key)
    reading = read(free, must, free, source.make(AT, source="acme", party=None, signed=False, signer=NOBODY))
    assert reading.sources["acme"].signed
    assert [void.index for void in reading.voids] == [2, 3]


def test_a_key_that_ended_assigns_nothing_more() -> None:
    """If this fails, a stolen and revoked attribution key goes on deciding whom tracks pay."""
    key = WORLD.attribution_key
    ended = keyring.revoke(AT, signer=WORLD.operator_key, key_id=key.public.id, until=0)
    reading = read(GENUINE, ended, assign(NEWER, key))
    assert reading.assigned == {"trk-1": (0, OURS.digest)}
    assert [void.index for void in reading.voids] == [2]


def test_a_key_leaf_that_nobody_entitled_signed_changes_nothing() -> None:
    """If this fails, one junk leaf makes a log unreadable, or brings in a thief's key."""
    junk = keyring.add(AT, signer=NOBODY, role="attribution", party="operator", public=NOBODY.public)
    reading = read(junk, assign(THEIRS, NOBODY))
    assert [void.index for void in reading.voids] == [0, 1]


LEAVES = st.sampled_from(
    [
        GENUINE,
        assign(NEWER, WORLD.attribution_key),
        assign(OURS, NOBODY),
        assign(THEIRS, WORLD.attribution_key),
        logged(OURS),
        logged(NEWER),
        logged(THEIRS),
        keyring.revoke(AT, signer=WORLD.operator_key, key_id=WORLD.attribution_key.public.id, until=3),
        source.make(AT, source="acme", party=None, signed=False, signer=WORLD.operator_key),
    ]
)


@given(st.lists(LEAVES, max_size=12), st.integers(0, 12))
def test_a_reading_answers_for_every_size_that_it_has_passed(leaves: list[dict[str, Any]], size: int) -> None:
    """If this fails, a reading that is kept says another thing of a closed period than a fresh one."""
    size = min(size, len(leaves))
    kept, fresh = read(*leaves), read(*leaves[:size])
    assert kept.first_assignments(size) == fresh.first_assignments(size)
    assert [void for void in kept.voids if void.index < size] == fresh.voids
    for digest in BLOBS:
        assert kept.pays("trk-1", digest, size, "acme") == fresh.pays("trk-1", digest, size, "acme")
