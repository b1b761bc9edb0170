"""Whose key counts for which act: by what the log said when the act was written, never by what it said later."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs import keyring, leaf
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey
from ledger.proofs.rings import Rings, author
from ledger.types import Role
from tests.ledger.world import AT, seeded

OPERATOR, CAROL, DAN = seeded("operator"), seeded("carol"), seeded("dan")


def key(
    role: Role, private: PrivateKey, party: str = "op", *, until: int | None = None, since: int | None = None
) -> Key:
    return Key(role=role, party=party, public=private.public, until=until, since=since)


TRUSTED = (key("operator", OPERATOR), key("approver", CAROL, "carol"))


def added(private: PrivateKey, party: str) -> dict[str, Any]:
    return keyring.add(AT, signer=CAROL, role="approver", party=party, public=private.public)


def revoked(private: PrivateKey, until: int, signer: PrivateKey = CAROL) -> dict[str, Any]:
    return keyring.revoke(AT, signer=signer, key_id=private.public.id, until=until)


def act(signer: PrivateKey, by: str, **more: Any) -> dict[str, Any]:
    return leaf.sign(leaf.make("approve", AT, by=by, **more), signer)


def test_a_key_counts_from_the_leaf_that_brings_it_on() -> None:
    """If this fails, an approval is judged by keys that nobody knew when it was written, or misses its own."""
    rings = Rings(TRUSTED, [(4, added(DAN, "dan")), (9, revoked(DAN, 7))])
    found = [rings.at(size).find(DAN.public.id) for size in (0, 4, 5, 9, 10, 99)]
    assert [one is not None for one in found] == [False, False, True, True, True, True]
    assert [one.until for one in found if one is not None] == [None, None, 7, 7]
    assert rings.last is rings.at(10)


def test_a_later_revocation_undoes_no_approval() -> None:
    """If this fails, whoever holds the operator's key can unpublish a month by revoking into the past."""
    rings = Rings(TRUSTED, [(4, added(DAN, "dan")), (9, revoked(DAN, 5))])
    assert rings.author(6, act(DAN, "dan"), "approver").party == "dan"
    with pytest.raises(VerificationError):
        rings.author(10, act(DAN, "dan"), "approver")
    with pytest.raises(VerificationError):
        rings.author(4, act(DAN, "dan"), "approver")


def test_trust_published_anew_names_ends_that_leaves_give() -> None:
    """If this fails, the same approval counts under the trust of then and not under the trust of now."""
    changes = [(4, added(DAN, "dan")), (9, revoked(DAN, 7))]
    later = (*TRUSTED, key("approver", DAN, "dan", until=7, since=9))
    assert Rings(later, changes).author(8, act(DAN, "dan"), "approver").party == "dan"
    with pytest.raises(VerificationError):
        Rings(later, changes).author(9, act(DAN, "dan"), "approver")
    # An end of which trust does not say when it was given is trust's own word.
    for until in (3, 6, 7):
        sooner = Rings((*TRUSTED, key("approver", DAN, "dan", until=until)), changes)
        with pytest.raises(VerificationError):
            sooner.author(8, act(DAN, "dan"), "approver")
    alone = Rings((*TRUSTED, key("approver", DAN, "dan", until=7)), [])
    assert alone.author(6, act(DAN, "dan"), "approver").party == "dan"
    with pytest.raises(VerificationError):
        alone.author(7, act(DAN, "dan"), "approver")


def test_a_stolen_key_that_ends_itself_anew_does_not_count_in_between() -> None:
    """If this fails, a revoked approver key approves a forged run once one more leaf is shown (finding V5)."""
    forged = (24, revoked(DAN, 7, signer=DAN))
    for since in (None, 9):
        ended = (*TRUSTED, key("approver", DAN, "dan", until=7, since=since))
        with pytest.raises(VerificationError, match="dan"):
            Rings(ended, [forged]).author(22, act(DAN, "dan"), "approver")
    dated = keyring.dated((*TRUSTED, key("approver", DAN, "dan", until=7)), [forged])
    assert dated[-1].since is None


def test_a_whole_log_tells_since_when_an_end_holds() -> None:
    """If this fails, trust of version 1 takes back approvals that were given before the key was revoked."""
    old = (*TRUSTED, key("approver", DAN, "dan", until=7))
    dated = keyring.dated(old, [(4, added(DAN, "dan")), (9, revoked(DAN, 7)), (24, revoked(DAN, 7, signer=DAN))])
    assert [one.since for one in dated] == [None, None, 9]
    assert Rings(dated, []).author(8, act(DAN, "dan"), "approver").party == "dan"


def test_the_earliest_of_several_ends_counts() -> None:
    """If this fails, trust that names the earliest end of a key is overruled by a later one, or the reverse."""
    changes = [(4, added(DAN, "dan")), (9, revoked(DAN, 8)), (10, revoked(DAN, 6)), (11, revoked(DAN, 7))]
    ends = [(one.until, one.since) for one in Rings(TRUSTED, changes).last.keys if one.public == DAN.public]
    assert ends == [(6, 8)]
    dated = keyring.dated((*TRUSTED, key("approver", DAN, "dan", until=6)), changes)
    assert dated[-1].since == 8


def test_a_hand_over_ends_the_key_that_signs_it() -> None:
    """If this fails, an act by a key before it handed over is refused once trust says when it retired."""
    handed = keyring.rotate(AT, signer=CAROL, role="approver", party="carol", public=DAN.public, until=6)
    retired = (key("operator", OPERATOR), key("approver", CAROL, "carol", until=6))
    rings = Rings(retired, [(5, handed)])
    assert rings.author(4, act(CAROL, "carol"), "approver").party == "carol"
    with pytest.raises(VerificationError):
        rings.author(6, act(CAROL, "carol"), "approver")
    assert rings.author(6, act(DAN, "carol"), "approver").party == "carol"


def test_key_leaves_come_in_the_order_of_the_log() -> None:
    """If this fails, keys are judged by a history that the log does not have."""
    for index in (4, 3):
        with pytest.raises(VerificationError, match=f"key leaf {index} does not come after key leaf 4"):
            Rings(TRUSTED, [(4, added(DAN, "dan")), (index, revoked(DAN, 9))])
    assert Rings(TRUSTED, [(4, added(DAN, "dan")), (5, revoked(DAN, 9))]).last is not None


def test_an_act_is_signed_by_a_key_of_its_role_in_its_partys_name() -> None:
    """If this fails, one person approves in the name of another, or with a key of another role."""
    ring = Rings(TRUSTED, []).last
    assert author(ring, 3, act(CAROL, "carol"), "approver") == TRUSTED[1]
    assert author(ring, 3, act(OPERATOR, "op"), "operator") == TRUSTED[0]
    assert author(ring, 3, act(CAROL, "anybody", demo=True), "approver") == TRUSTED[1]
    forged = act(CAROL, "carol") | {"by": "dan"}
    for body, role in (
        (act(CAROL, "carol"), "operator"),
        (act(OPERATOR, "op"), "approver"),
        (act(DAN, "dan"), "approver"),
        (act(CAROL, "dan"), "approver"),
        (act(CAROL, "dan", demo=False), "approver"),
        (act(CAROL, "dan", demo=1), "approver"),
        (act(OPERATOR, "dan", demo=True), "operator"),
        (forged, "approver"),
        ({**act(CAROL, "carol"), "key": None}, "approver"),
    ):
        with pytest.raises(VerificationError):
            author(ring, 3, body, role)  # type: ignore[arg-type]


def test_a_keys_last_act_is_at_the_size_it_retires_at() -> None:
    """If this fails, a retired key approves one act more, or its last act is refused."""
    ring = Rings((key("approver", CAROL, "carol", until=6),), []).last
    assert author(ring, 5, act(CAROL, "carol"), "approver").party == "carol"
    with pytest.raises(VerificationError, match="carol"):
        author(ring, 6, act(CAROL, "carol"), "approver")
