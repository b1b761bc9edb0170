"""V6: what a retired log key signed is believed only as a part of the log, because a signature bears no date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ledger.errors import VerificationError
from ledger.proofs import bundle, keyring, leaf, tree, trust
from ledger.proofs.keys import PrivateKey
from ledger.proofs.retired import LogCopy
from ledger.proofs.trust import Trust
from ledger.proofs.verify import Report, verify_bundle
from ledger.types import Head, Role
from tests.ledger.world import AT, ORIGIN, World, event_leaf, reader, rotation, seeded

SUCCESSOR = seeded("log 2")


class Handed:
    """A log of eleven leaves whose key was handed over at the ninth, and the trust published then."""

    def __init__(self, *, pinned: bool = True) -> None:
        self.world = World()
        self.world.append(leaf.log(AT, origin=ORIGIN), *(event_leaf(n, None) for n in range(7)))
        self.before = self.world.trust()
        self.end = rotation(
            self.world, "log", self.world.log_key, SUCCESSOR, until=None if pinned else self.world.size + 1
        )
        self.world.append(event_leaf(8, None), event_leaf(9, None))
        keys = self.before.logs[0].keys
        self.newest = self.before.with_ring(keyring.fold(keys, self.key_leaves()))

    def key_leaves(self) -> list[tuple[int, dict[str, object]]]:
        return [(self.end, leaf.decode(self.world.bodies[self.end]))]

    def entry(self, index: int, size: int, *signers: PrivateKey, keys: Sequence[int] = ()) -> bytes:
        world = self.world
        return bundle.entry(
            checkpoint=world.checkpoint(size, *signers),
            entry=world.placed(index, size),
            keys=[world.placed(key, size) for key in keys],
        )

    def copy(self, *signers: PrivateKey) -> LogCopy:
        read = reader(self.world.hashes())
        return LogCopy(
            self.world.checkpoint(None, *(signers or (SUCCESSOR,))),
            self.key_leaves(),
            lambda old, new: tree.prove_consistency(old, new, read),
        )


@pytest.fixture(scope="module")
def handed() -> Handed:
    return Handed()


def refusal(report: Report) -> str:
    assert not report.ok
    return report.steps[-1].detail


def test_a_key_that_still_counts_needs_no_copy(handed: Handed) -> None:
    """If this fails, an honest proof under the log's newest key is refused."""
    size = handed.world.size
    assert verify_bundle(handed.entry(1, 5, handed.world.log_key), handed.before).ok
    assert verify_bundle(handed.entry(1, handed.end + 1, SUCCESSOR), handed.newest).ok
    for trusted in (handed.before, handed.newest):
        assert verify_bundle(handed.entry(1, size, SUCCESSOR, keys=[handed.end]), trusted).ok
        assert verify_bundle(handed.entry(1, size, handed.world.log_key, SUCCESSOR, keys=[handed.end]), trusted).ok


def test_the_last_head_of_a_retired_key_verifies_by_its_pin(handed: Handed) -> None:
    """If this fails, the tree that trust.json itself names is not believed, or another of that size is."""
    assert verify_bundle(handed.entry(1, handed.end, handed.world.log_key), handed.newest).ok
    other = World(bodies=[*handed.world.bodies[: handed.end - 1], leaf.encode(event_leaf(99, None))])
    forged = bundle.entry(checkpoint=other.checkpoint(), entry=other.placed(handed.end - 1))
    assert "it ended with root" in refusal(verify_bundle(forged, handed.newest))
    assert "it ended with root" in refusal(verify_bundle(forged, handed.newest, copy=handed.copy()))


def test_below_its_pin_a_retired_key_needs_a_copy_of_the_log(handed: Handed) -> None:
    """If this fails, a retired key's forgery is believed, or an honest old receipt is lost for ever."""
    old = handed.entry(1, 5, handed.world.log_key)
    assert "retired log key: give --log" in refusal(verify_bundle(old, handed.newest))
    assert verify_bundle(old, handed.newest, copy=handed.copy()).ok
    other = World(bodies=[*handed.world.bodies[:4], leaf.encode(event_leaf(99, None))])
    forged = bundle.entry(checkpoint=other.checkpoint(), entry=other.placed(4))
    assert "is not a part of the log" in refusal(verify_bundle(forged, handed.newest, copy=handed.copy()))


def test_above_its_pin_a_retired_key_signs_in_vain(handed: Handed) -> None:
    """If this fails, a stolen old key goes on making checkpoints that people believe."""
    for size in (handed.end + 1, handed.world.size):
        late = handed.entry(1, size, handed.world.log_key)
        assert f"counts up to size {handed.end}" in refusal(verify_bundle(late, handed.newest))
        assert f"counts up to size {handed.end}" in refusal(verify_bundle(late, handed.newest, copy=handed.copy()))
        shown = handed.entry(1, size, handed.world.log_key, keys=[handed.end])
        assert f"counts up to size {handed.end}" in refusal(verify_bundle(shown, handed.before))


def test_a_copy_under_the_retired_key_shows_nothing(handed: Handed) -> None:
    """If this fails, the thief's own export vouches for the thief's bundle."""
    old = handed.entry(1, 5, handed.world.log_key)
    read = reader(handed.world.hashes())
    thiefs = LogCopy(handed.world.checkpoint(7), [], lambda a, b: tree.prove_consistency(a, b, read))
    assert "retired log key" in refusal(verify_bundle(old, handed.newest, copy=thiefs))
    ended = LogCopy(handed.world.checkpoint(handed.end), [], lambda a, b: tree.prove_consistency(a, b, read))
    assert verify_bundle(old, handed.newest, copy=ended).ok, "the pinned head is as good as a newer one"
    for short in (
        LogCopy(handed.world.checkpoint(4), [], thiefs.prove),
        replace(ended, note=_elsewhere().checkpoint()),
    ):
        assert "the log given is" in refusal(verify_bundle(old, handed.newest, copy=short))


def _elsewhere() -> World:
    world = World(origin="example.org/other")
    world.append(*(event_leaf(n, None) for n in range(9)))
    return world


def test_a_retired_key_brings_no_other_key_in(handed: Handed) -> None:
    """If this fails, the thief lets the retired key name a new one in the tree that it makes up."""
    thief, world = seeded("thief"), World(bodies=list(handed.world.bodies[:3]))
    index = rotation(world, "log", world.log_key, thief)
    world.append(event_leaf(99, None))
    item, key = world.placed(index + 1), world.placed(index)
    forged = bundle.entry(checkpoint=world.checkpoint(None, thief), entry=item, keys=[key])
    assert "retired log key" in refusal(verify_bundle(forged, handed.newest))
    assert "retired log key" in refusal(verify_bundle(forged, handed.newest, copy=handed.copy()))
    copy = LogCopy(world.checkpoint(None, thief), [(index, leaf.decode(world.bodies[index]))], lambda *_: [])
    old = handed.entry(1, 5, handed.world.log_key)
    assert not verify_bundle(forged, handed.newest, copy=copy).ok
    assert not verify_bundle(old, handed.newest, copy=copy).ok


def test_ends_of_release_0_1_need_a_copy_until_trust_pins_them() -> None:
    """If this fails, a key that 0.1 handed over forges at the size of its last act, which no leaf pins."""
    handed = Handed(pinned=False)
    last = handed.entry(1, handed.end + 1, handed.world.log_key, keys=[handed.end])
    for trusted in (handed.before, handed.newest):
        assert "give --log" in refusal(verify_bundle(last, trusted))
        assert verify_bundle(last, trusted, copy=handed.copy()).ok
    assert verify_bundle(last, _pinned_by_trust(handed)).ok


def _pinned_by_trust(handed: Handed) -> Trust:
    root = tree.root_of(handed.world.hashes(handed.end + 1))
    keys = [
        replace(key, root=root) if key.role == "log" and key.until is not None else key
        for key in handed.newest.logs[0].keys
    ]
    return trust.parse(trust.make(ORIGIN, keys).encode())


@pytest.mark.parametrize(
    ("size", "until", "role"), [(8, 9, "log"), (7, 7, "log"), (9, 8, "log"), (8, 8, "attribution"), (8, 9, "operator")]
)
def test_what_pins_no_log_key(size: int, until: int, role: Role) -> None:
    """If this fails, a leaf pins a key to a tree of another size, or pins a key that signs no trees."""
    world = World()
    signers: dict[Role, PrivateKey] = {
        "log": world.log_key,
        "attribution": world.attribution_key,
        "operator": world.operator_key,
    }
    head = Head(ORIGIN, size, bytes(32), b"")
    body = keyring.rotate(
        AT,
        signer=signers[role],
        role=role,
        party="operator",
        public=SUCCESSOR.public,
        until=until,
        head=head,
    )
    ring = keyring.KeyRing(world.trust().logs[0].keys)
    with pytest.raises(VerificationError, match=r"states size|only the end of a log key"):
        ring.apply(8, body)
    assert keyring.fold(ring.keys, [(8, body)]) == ring
