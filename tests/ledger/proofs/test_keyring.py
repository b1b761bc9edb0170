"""The key ring: which key counts where, and who may say so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import keyring, leaf
from ledger.proofs.keyring import Key, KeyRing
from ledger.proofs.keys import PrivateKey
from ledger.types import Role
from tests.ledger.world import AT, seeded

LOG, ATTRIBUTION, OPERATOR, APPROVER = seeded("log"), seeded("attribution"), seeded("operator"), seeded("approver")
NEW = seeded("new")


def key(role: Role, private: PrivateKey, **fields: Any) -> Key:
    return Key(role=role, party="op", public=private.public, **fields)


RING = KeyRing((key("log", LOG), key("attribution", ATTRIBUTION), key("operator", OPERATOR), key("approver", APPROVER)))


def rotated(role: Role, old: PrivateKey, new: PrivateKey, until: int, *, party: str = "op") -> dict[str, Any]:
    return keyring.rotate(AT, signer=old, role=role, party=party, public=new.public, until=until)


def added(signer: PrivateKey, role: Role, public: PrivateKey = NEW, *, party: str = "p") -> dict[str, Any]:
    return keyring.add(AT, signer=signer, role=role, party=party, public=public.public)


def test_rotation() -> None:
    """If this fails, an old key signs on after its retirement, or old proofs stop verifying."""
    ring = RING.apply(10, rotated("log", LOG, NEW, until=12))
    for size in (0, 10, 11, 12, 13, 10_000):
        counting = {one.public for one in ring.at(size, "log")}
        assert (LOG.public in counting) == (size <= 12), size
        assert (NEW.public in counting) == (size >= 11), size
    assert len(ring.vkeys("example.org/x")) == 2


def test_adding_and_revoking() -> None:
    """If this fails, a platform cannot be let in, or not be shut out."""
    ring = RING.apply(4, added(OPERATOR, "platform"))
    assert [one.party for one in ring.at(5, "platform")] == ["p"]
    assert ring.at(4, "platform") == ()
    assert ring.at(5, "platform", party="q") == ()
    assert [one.by for one in ring.at(5, "platform")] == [OPERATOR.public.id]
    revoked = ring.apply(9, keyring.revoke(AT, signer=OPERATOR, key_id=NEW.public.id, until=6))
    assert revoked.at(6, "platform") != ()
    assert revoked.at(7, "platform") == ()


def test_a_key_can_be_revoked_from_the_beginning() -> None:
    """If this fails, a key that was never trustworthy keeps some of what it signed."""
    revoked = RING.apply(0, keyring.revoke(AT, signer=OPERATOR, key_id=ATTRIBUTION.public.id, until=0))
    assert revoked.at(0, "attribution")
    assert not revoked.at(1, "attribution")


def test_a_revocation_never_prolongs() -> None:
    """If this fails, a retired key is brought back by revoking it later."""
    ring = RING.apply(10, rotated("log", LOG, NEW, until=11))
    again = ring.apply(20, keyring.revoke(AT, signer=NEW, key_id=LOG.public.id, until=100))
    assert again.at(12, "log") == ring.at(12, "log")


def test_newly_published_trust_and_old_leaves_agree() -> None:
    """If this fails, a bundle stops verifying when its reader fetches the newest trust file."""
    body = rotated("log", LOG, NEW, until=11)
    published = RING.apply(10, body)
    assert published.apply(10, body) == published


SIGNERS = {"log": LOG, "attribution": ATTRIBUTION, "operator": OPERATOR, "approver": APPROVER}
ENTITLED = {
    ("log", "log"),
    ("attribution", "attribution"),
    ("operator", "operator"),
    ("approver", "approver"),
    ("operator", "attribution"),
    ("operator", "platform"),
    ("operator", "holder"),
}


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("role", ["log", "attribution", "platform", "operator", "approver", "holder"])
def test_who_may_add_whom(signer: str, role: Role) -> None:
    """If this fails, a role makes keys for a role that is there to check it."""
    body = added(SIGNERS[signer], role)
    if (signer, role) in ENTITLED:
        assert RING.apply(3, body).find(NEW.public.id)
    else:
        with pytest.raises(VerificationError, match="may not speak"):
            RING.apply(3, body)


@pytest.mark.parametrize(
    "body",
    [
        rotated("log", ATTRIBUTION, NEW, until=11),
        rotated("attribution", LOG, NEW, until=11),
        rotated("log", LOG, NEW, until=11, party="other"),
        rotated("log", LOG, NEW, until=10),
        rotated("log", LOG, ATTRIBUTION, until=11),
        rotated("log", seeded("stranger"), NEW, until=11),
        added(OPERATOR, "platform", party=""),
        added(OPERATOR, "platform", LOG),
        keyring.revoke(AT, signer=ATTRIBUTION, key_id=LOG.public.id, until=0),
        keyring.revoke(AT, signer=OPERATOR, key_id="0" * 64, until=0),
        keyring.revoke(AT, signer=OPERATOR, key_id=ATTRIBUTION.public.id, until=-1),
        {**added(OPERATOR, "platform"), "party": "thief"},
        {**added(OPERATOR, "platform"), "until": 5},
        leaf.sign({**leaf.make("key", AT, action="add", role="god", party="p", public=NEW.public.raw.hex())}, OPERATOR),
        leaf.sign({**leaf.make("key", AT, action="add", role="platform", party="p", public="00")}, OPERATOR),
        leaf.sign({**leaf.make("key", AT, action="crown", role="platform", party="p", public="00")}, OPERATOR),
        leaf.make("key", AT, action="add", role="platform", party="p", public=NEW.public.raw.hex()),
        leaf.make("event", AT),
        {**added(OPERATOR, "platform"), "type": "event"},
        {**added(OPERATOR, "platform"), "action": []},
        keyring.revoke(AT, signer=OPERATOR, key_id=ATTRIBUTION.public.id, until=True),
        leaf.sign({**leaf.make("key", AT, action="revoke", revokes=ATTRIBUTION.public.id, until="5")}, OPERATOR),
        leaf.sign({**leaf.make("key", AT, action="revoke", revokes=[], until=5)}, OPERATOR),
        leaf.sign(
            {**leaf.make("key", AT, action="add", role="platform", party=5, public=NEW.public.raw.hex())}, OPERATOR
        ),
        leaf.sign(
            {**leaf.make("key", AT, action="add", role=["log"], party="p", public=NEW.public.raw.hex())}, OPERATOR
        ),
        {},
    ],
)
def test_leaves_that_change_nothing(body: dict[str, Any]) -> None:
    """If this fails, someone who is not entitled changes whose signatures count."""
    with pytest.raises(VerificationError):
        RING.apply(10, body)


def test_a_retired_key_cannot_hand_over_again() -> None:
    """If this fails, a stolen old key makes itself a successor."""
    ring = RING.apply(10, rotated("log", LOG, NEW, until=11))
    with pytest.raises(VerificationError, match="counts up to size 11"):
        ring.apply(11, rotated("log", LOG, seeded("thief"), until=50))
    assert ring.apply(11, rotated("log", NEW, seeded("third"), until=12)).at(12, "log")


def test_leaves_come_in_the_order_of_the_log() -> None:
    """If this fails, the order in which leaves are presented changes who is trusted."""
    first, second = rotated("log", LOG, NEW, until=11), rotated("log", NEW, seeded("third"), until=21)
    assert len(keyring.project(RING.keys, [(10, first), (20, second)]).of("log")) == 3
    for wrong in ([(20, second), (10, first)], [(10, first), (10, first)], [(10, second)]):
        with pytest.raises(VerificationError):
            keyring.project(RING.keys, wrong)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_at_every_size_one_key_of_a_rotated_role_counts(steps: list[int]) -> None:
    """If this fails, there is a size at which nobody can sign, or at which two can."""
    ring, index, current = RING, 0, LOG
    for n, step in enumerate(steps):
        index += step
        successor = seeded(f"successor {n}")
        ring = ring.apply(index, rotated("log", current, successor, until=index + 1))
        current = successor
    for size in range(index + 5):
        counting = ring.at(size, "log")
        handovers = [one for one in ring.of("log") if one.until == size]
        assert len(counting) == 1 + len(handovers)


def test_keys_describe_themselves() -> None:
    """If this fails, a refusal does not say which key retired when."""
    ring = RING.apply(10, rotated("log", LOG, NEW, until=11))
    assert [str(one) for one in ring.of("log")] == [
        f"log key {LOG.public.id[:16]} of op, which counts up to size 11",
        f"log key {NEW.public.id[:16]} of op, which counts from size 11",
    ]
