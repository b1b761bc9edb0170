"""Which keys had ended by which size of the log, whatever trust the reader has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ledger.proofs import keyring
from ledger.proofs.form import FormLine
from ledger.proofs.keyring import Key, KeyRing
from ledger.reading.key_ends import KeyEnds
from ledger.types import Leaf
from tests.ledger.world import AT, World, seeded

WORLD = World()
OLD, NEW = seeded("platform"), seeded("platform's next")
ADDED = 4
"""The index of the leaf that brings the platform's key in; it is rotated at 20, and revoked at 30 from 10 on."""
LEAVES: list[tuple[int, Leaf]] = [
    (ADDED, keyring.add(AT, signer=WORLD.operator_key, role="platform", party="ann", public=OLD.public)),
    (20, keyring.rotate(AT, signer=OLD, role="platform", party="ann", public=NEW.public, until=21)),
    (30, keyring.revoke(AT, signer=WORLD.operator_key, key_id=OLD.public.id, until=10)),
]
FIRST = WORLD.trust().logs[0].keys
LATER = KeyRing(FIRST, FormLine(WORLD.origin))
for place, body in LEAVES:
    LATER = LATER.apply(place, body)


def ends(trusted: Sequence[Key], leaves: list[tuple[int, Leaf]] = LEAVES) -> KeyEnds:
    made = KeyEnds(trusted, FormLine(WORLD.origin))
    for index, leaf in leaves:
        made.take(index, leaf)
    return made


@pytest.mark.parametrize("trusted", [FIRST, LATER.keys], ids=["first trust", "trust after the revocation"])
@pytest.mark.parametrize(
    ("index", "size", "counted"),
    [
        (3, 30, False),
        (ADDED, 5, True),
        (15, 20, True),
        (15, 30, True),
        (15, 31, False),
        (9, 31, True),
        (10, 31, False),
        (20, 21, True),
        (21, 21, False),
        (21, 20, True),
    ],
)
def test_an_end_counts_from_its_own_leaf_on(trusted: tuple[Key, ...], index: int, size: int, counted: bool) -> None:
    """If this fails, a closed month changes when a key is revoked or trust is published again, or a thief is paid."""
    assert ends(trusted).counts(OLD.public.id, index, size) is counted


def test_an_end_that_only_trust_states_counts() -> None:
    """If this fails, a reader who knows of an end from outside believes a log that keeps the leaf back (finding V5)."""
    shown = LEAVES[:1]
    assert not ends(LATER.keys, shown).counts(OLD.public.id, 15, 40)
    absolute = tuple(replace(key, since=None) for key in LATER.keys)
    assert not ends(absolute, shown).counts(OLD.public.id, 15, 16)


def test_a_key_that_nobody_introduced_never_counts() -> None:
    """If this fails, a batch signed by a stranger's key declares who is paid."""
    assert not ends(FIRST).counts(seeded("nobody").public.id, 15, 20)
