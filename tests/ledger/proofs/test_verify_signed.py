"""Whether a platform signed an event: shown offline, and no operator can say it of one that it did not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ledger.proofs import batch, bundle, canon, dsse, keyring, leaf, source, tree
from ledger.proofs.batch import BatchStatement
from ledger.proofs.keys import PrivateKey
from ledger.proofs.verify import verify_bundle
from tests.ledger.proofs.test_verify import accepted, failure
from tests.ledger.world import AT, World, event_leaf, seeded, trusted

PLATFORM = seeded("platform")


@dataclass
class Told:
    """A log in which a platform's key was brought in, its source named, and a batch of three events taken."""

    world: World = field(default_factory=World)
    key: PrivateKey = PLATFORM
    role: Any = "platform"
    speaks: str = "p-acme"
    of: str = "acme"
    log: str | None = None
    introducer: PrivateKey | None = None

    def __post_init__(self) -> None:
        world, operator = self.world, self.world.operator_key
        world.append(leaf.log(AT, origin=world.origin))
        self.introduced = world.append(
            keyring.add(AT, signer=self.introducer or operator, role=self.role, party="p-acme", public=self.key.public)
        )
        self.source = world.append(source.make(AT, source="acme", party=self.speaks, signed=False, signer=operator))
        events = [event_leaf(n, None) for n in range(3)]
        self.hashes = tree.leaf_hashes([batch.body(one) for one in events])
        self.batch = BatchStatement(
            source=self.of, number=1, previous=None, count=3, root=tree.root_of(self.hashes), log=self.log
        )
        self.envelope = batch.sign(self.batch, self.key)
        self.leaf = world.append(self.taken(self.batch))
        self.event = world.append(*events) + 1

    def taken(self, found: BatchStatement) -> dict[str, Any]:
        return batch.make(
            AT,
            found,
            party="p-acme",
            signer=self.key.public.id,
            statement=self.envelope.digest,
            bodies=canon.digest(b"".join(self.hashes)),
        )

    def bundle(self, *, event: int | None = None, place: int = 1, keys: tuple[int, ...] = (1,), **parts: Any) -> bytes:
        world = self.world
        signed: dict[str, Any] = {
            "batch": world.placed(self.leaf),
            "statement_bytes": self.envelope.encode(),
            "source": world.placed(self.source),
            "place": place,
            "proof": batch.prove(b"".join(self.hashes), place),
        } | parts
        return bundle.event(
            checkpoint=world.checkpoint(),
            event=world.placed(self.event if event is None else event),
            signed=bundle.signed(**signed),
            keys=[world.placed(index) for index in keys],
        )


TOLD = Told()


def refused(told: Told, data: bytes | None = None) -> str:
    report = verify_bundle(told.bundle() if data is None else data, told.world.trust())
    assert report.platform is None
    return failure(report)


def test_an_event_that_its_platform_signed() -> None:
    """If this fails, a platform's signature under an event cannot be shown offline."""
    report = accepted(TOLD.bundle())
    assert report.platform == "signed by p-acme"
    key = f"platform key {PLATFORM.public.id[:16]} of p-acme, which counts from size 2"
    (step,) = [step for step in report.steps if step.name == "the platform signed the event"]
    assert step.detail == f"event 1 of batch 1 of acme, leaf 3, signed by {key}"
    assert any("p-acme's own" in remark for remark in report.unchecked)


def test_an_event_that_nobody_signed_says_so() -> None:
    """If this fails, bundles made before platforms signed stop verifying, or pass for signed ones."""
    world = TOLD.world
    report = accepted(bundle.event(checkpoint=world.checkpoint(), event=world.placed(TOLD.event)))
    assert report.platform == "unsigned"
    assert any("nothing here is signed by it" in remark for remark in report.unchecked)


def test_a_relabelled_event_is_caught() -> None:
    """If this fails, an operator can pass off an event as one that its platform signed."""
    told = Told()
    forged = told.world.append(event_leaf(1, None) | {"units": 1000})
    other = told.world.append(event_leaf(9, None))
    assert "its proof leads to root" in refused(told, told.bundle(event=forged))
    assert "its proof leads to root" in refused(told, told.bundle(event=other))
    assert "its proof leads to root" in refused(told, told.bundle(place=2))


def test_a_batch_of_the_operators_own_making_is_caught() -> None:
    """If this fails, an operator's key, or another source's platform, signs in a platform's name."""
    operator = World().operator_key
    assert "is already the operator key" in refused(Told(key=operator))
    assert "no platform key that counts" in refused(Told(role="holder"))
    assert "does not let p-acme speak for source acme" in refused(Told(speaks="p-other"))
    assert "is of source other, not acme" in refused(Told(of="other"))
    assert "may not speak for the role platform" in refused(Told(introducer=seeded("attribution")))
    assert "no platform key that counts" in refused(TOLD, TOLD.bundle(keys=()))


def test_a_leaf_that_says_otherwise_than_its_statement_is_caught() -> None:
    """If this fails, the log can claim another count, number or signer than the platform put its name to."""
    for changes in (
        {"number": 2, "previous": "ab" * 32},
        {"count": 4},
        {"root": "ab" * 32},
        {"party": "p-other"},
        {"signer": "ab" * 32},
    ):
        told = Told()
        false = told.world.append(told.taken(told.batch) | changes)
        assert "says otherwise than the statement" in refused(told, told.bundle(batch=told.world.placed(false)))
    late = Told()
    later = late.world.append(
        source.make(AT, source="acme", party="p-acme", signed=True, signer=late.world.operator_key)
    )
    assert "after the batch came" in refused(late, late.bundle(source=late.world.placed(later)))
    unsigned = Told()
    own = unsigned.world.append(source.make(AT, source="acme", party="p-acme", signed=False, signer=seeded("thief")))
    again = unsigned.world.append(unsigned.taken(unsigned.batch))
    parts: dict[str, Any] = {"source": unsigned.world.placed(own), "batch": unsigned.world.placed(again)}
    assert "expected a key of role operator" in refused(unsigned, unsigned.bundle(**parts))


def test_a_batch_signed_for_another_log_is_caught() -> None:
    """If this fails, an operator passes off what a platform handed to another operator."""
    assert "was signed for log example.org/other; this is log" in refused(Told(log="example.org/other"))
    named = Told(log=TOLD.world.origin)
    unchecked = accepted(named.bundle(), named.world.trust()).unchecked
    assert not any("it names none" in remark for remark in unchecked)
    assert any("signed the batch for this log alone: it names none" in one for one in accepted(TOLD.bundle()).unchecked)


def test_every_hash_of_the_signed_part_counts() -> None:
    """If this fails, part of what shows the signature is not looked at."""
    document = json.loads(TOLD.bundle())
    signed = document["signed"]
    for path in (signed["proof"], signed["batch"]["proof"], signed["source"]["proof"]):
        for n, one in enumerate(path):
            path[n] = ("0" if one[0] != "0" else "1") + one[1:]
            failure(verify_bundle(canon.encode(document), TOLD.world.trust()))
            path[n] = one
    for part in ("batch", "source", "statement", "place", "proof"):
        failure(verify_bundle(canon.encode(document | {"signed": signed | {part: None}}), TOLD.world.trust()))
    failure(verify_bundle(canon.encode(document | {"signed": {}}), TOLD.world.trust()))


@pytest.mark.parametrize("until", [3, 4, 5])
def test_a_revoked_platform_key_counts_up_to_its_end(until: int) -> None:
    """If this fails, a stolen platform key signs on after it was shut out, or takes honest batches with it."""
    told = Told()
    revoked = told.world.append(
        keyring.revoke(AT, signer=told.world.operator_key, key_id=PLATFORM.public.id, until=until)
    )
    data = told.bundle(keys=(1, revoked))
    if until >= told.leaf + 1:
        assert accepted(data, told.world.trust()).platform == "signed by p-acme"
    else:
        assert "up to size 3" in refused(told, data)


def test_a_platform_key_that_trust_names_needs_no_leaf() -> None:
    """If this fails, a platform whose key was published out of band must still rely on the operator's word."""
    told = Told()
    trust = told.world.trust()
    named = replace(trusted("platform", PLATFORM), party="p-acme")
    trust = replace(trust, logs=(replace(trust.logs[0], keys=(*trust.logs[0].keys, named)),))
    assert accepted(told.bundle(keys=()), trust).platform == "signed by p-acme"


def test_a_stranger_to_dsse_is_refused() -> None:
    """If this fails, a signature under something else is taken for one under a batch."""
    told = Told()
    payload = told.envelope.payload
    told.envelope = dsse.sign("application/vnd.settle.run+json", payload, [PLATFORM])
    index = told.world.append(told.taken(told.batch))
    assert "expected 'application/vnd.settle.batch+json'" in refused(told, told.bundle(batch=told.world.placed(index)))
