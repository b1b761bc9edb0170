"""A small log in memory, with real keys and signatures: what bundles and receipts are made from in tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ledger.proofs import bundle, checkpoint, dsse, keyring, leaf, tile, tree, trust, vector
from ledger.proofs.bundle import PlacedLeaf
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey
from ledger.proofs.policy import NO_QUORUM, Policy
from ledger.proofs.trust import Trust
from ledger.types import Head, Role

ORIGIN = "example.org/ledger"
AT = datetime(2026, 6, 3, 11, 5, tzinfo=UTC)
DECLARED = {"sources": [{"recording": "rec-1", "aspect": "recording", "ppm": 600_000, "use": "condition"}]}


def seeded(text: str) -> PrivateKey:
    """A key that is the same in every run."""
    return PrivateKey.from_seed(text.encode().ljust(32, b"."))


def trusted(role: Role, key: PrivateKey, *, until: int | None = None) -> Key:
    return Key(role=role, party="operator", public=key.public, until=until)


@dataclass
class World:
    """A log that only grows; every question is answered for a size, by default the whole."""

    origin: str = ORIGIN
    log_key: PrivateKey = field(default_factory=lambda: seeded("log"))
    attribution_key: PrivateKey = field(default_factory=lambda: seeded("attribution"))
    operator_key: PrivateKey = field(default_factory=lambda: seeded("operator"))
    bodies: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.bodies)

    def append(self, *leaves: Mapping[str, Any]) -> int:
        """Append leaves; the index of the first."""
        first = self.size
        self.bodies += [leaf.encode(dict(one)) for one in leaves]
        return first

    def hashes(self, size: int | None = None) -> list[bytes]:
        return tree.leaf_hashes(self.bodies[:size])

    def checkpoint(self, size: int | None = None, *keys: PrivateKey) -> bytes:
        hashes = self.hashes(size)
        return checkpoint.sign(self.origin, len(hashes), tree.root_of(hashes), *(keys or (self.log_key,)))

    def placed(self, index: int, size: int | None = None) -> PlacedLeaf:
        hashes = self.hashes(size)
        return PlacedLeaf(index, self.bodies[index], tuple(tree.prove_inclusion(index, len(hashes), reader(hashes))))

    def trust(self, policy: Policy = NO_QUORUM) -> Trust:
        keys = [
            trusted("log", self.log_key),
            trusted("attribution", self.attribution_key),
            trusted("operator", self.operator_key),
        ]
        return trust.make(self.origin, keys, policy)


def reader(hashes: list[bytes]) -> tree.Read:
    """Subtree hashes through tiles, as the stores read them."""
    tiles: dict[tuple[int, int], bytes] = {}
    for level, n, blob in tile.Tiles().append(hashes):
        tiles[level, n] = blob
    return tile.reader(lambda level, n: tiles[level, n])


@dataclass
class Story:
    """A world in which one track is attributed, assigned and streamed, with filler around it."""

    world: World
    envelope: dsse.Envelope
    evidence: int
    assign: int
    event: int

    def bundle(self, size: int | None = None, *keys: PrivateKey, key_leaves: tuple[int, ...] = ()) -> bytes:
        world = self.world
        return bundle.event(
            checkpoint=world.checkpoint(size, *keys),
            event=world.placed(self.event, size),
            vector=self.envelope.encode(),
            evidence=world.placed(self.evidence, size),
            assign=world.placed(self.assign, size),
            keys=[world.placed(index, size) for index in key_leaves],
        )


def story(world: World | None = None, *, filler: int = 5) -> Story:
    """The log leaf, a vector, its assignment, events."""
    world = world or World()
    world.append(leaf.log(AT, origin=world.origin))
    envelope = vector.sign(vector.from_declared(DECLARED, track="trk-1"), world.attribution_key)
    evidence = world.append(leaf.vector(AT, track="trk-1", statement=envelope.digest, method="declared"))
    assign = world.append(leaf.assign(AT, track="trk-1", vector=envelope.digest, signer=world.attribution_key))
    event = world.append(*(event_leaf(n, envelope.digest) for n in range(filler)))
    return Story(world, envelope, evidence, assign, event + filler // 2)


def event_leaf(n: int, digest: str | None, track: str = "trk-1") -> dict[str, Any]:
    return leaf.event(
        source="acme",
        event_id=f"e-{n:06d}",
        track=track,
        occurred_at="2026-06-03T11:05:00Z",
        territory="SE",
        units=1,
        vector=digest,
    )


def rotation(world: World, role: Role, old: PrivateKey, new: PrivateKey, *, until: int | None = None) -> int:
    """Append the leaf that hands a key over; the old one retires with the leaf itself unless told otherwise.

    A log key ends with the tree before the leaf, or, with `until`, as release 0.1 ended it.
    """
    head = None
    if role == "log" and until is None:
        head = Head(world.origin, world.size, tree.root_of(world.hashes()), b"")
    limit = until if until is not None else world.size + (head is None)
    body = keyring.rotate(AT, signer=old, role=role, party="operator", public=new.public, until=limit, head=head)
    return world.append(body)
