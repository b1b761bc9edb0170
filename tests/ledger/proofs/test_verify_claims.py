"""What the verifier's report claims, step by step, and whose assignment makes a vector payable."""

from __future__ import annotations

from typing import Any

from ledger.proofs import bundle, leaf, vector
from ledger.proofs.verify import Report
from tests.ledger.proofs.test_verify import BUNDLE, STORY, accepted, refused
from tests.ledger.world import AT, Story, event_leaf, rotation, seeded, story

COMMON_STEPS = [
    "the bundle is one canonical document of a known kind",
    "the checkpoint is of a trusted log",
    "later keys follow from the trusted keys",
    "the checkpoint is signed by a log key that counts at its size",
    "enough witnesses cosigned the checkpoint",
    "the key leaves are in the tree",
]


def test_every_step_says_what_it_shows() -> None:
    """If this fails, an auditor reads `ok` beside a claim other than the one that was checked."""
    world, envelope = STORY.world, STORY.envelope.encode()
    event = accepted(BUNDLE)
    assert [step.name for step in event.steps] == [
        *COMMON_STEPS,
        "the event is in the tree",
        "the vector was assigned to the track",
        "the vector was logged",
        "the vector is signed and is of this track",
    ]
    parts: dict[str, Any] = {"checkpoint": world.checkpoint(), "evidence": world.placed(STORY.evidence)}
    influence = accepted(bundle.vector(vector=envelope, assign=world.placed(STORY.assign), **parts))
    assert [step.name for step in influence.steps[6:]] == [
        "the vector's leaf is in the tree",
        "the vector was assigned to the track",
        "the vector is signed and is of this track",
    ]
    entry = accepted(bundle.entry(entry=parts["evidence"], checkpoint=parts["checkpoint"], statement_bytes=envelope))
    assert [step.name for step in entry.steps[6:]] == [
        "the leaf is in the tree",
        "the statement is the one that the leaf names",
    ]
    assert [step.detail for step in entry.steps[6:]] == [
        f"leaf {STORY.evidence}: vector",
        f"application/vnd.settle.influence-vector+json, signed by {entry_key(entry)}",
    ]


def entry_key(report: Report) -> str:
    """The attribution key as the report names it; its party and role stand in it."""
    named = report.steps[-1].detail.partition("signed by ")[2]
    assert "attribution" in named
    return named


def test_it_says_what_it_did_not_check_of_a_vector() -> None:
    """If this fails, a reader takes a proof of what was recorded for a proof that it pays, or that it is right."""
    assert any(remark.startswith("whether the vector is right") for remark in accepted(BUNDLE).unchecked)
    world, envelope = STORY.world, STORY.envelope.encode()
    unassigned = bundle.event(checkpoint=world.checkpoint(), event=world.placed(STORY.event), vector=envelope)
    assert any(remark.startswith("who assigned the vector") for remark in accepted(unassigned).unchecked)
    parts: dict[str, Any] = {"checkpoint": world.checkpoint(), "evidence": world.placed(STORY.evidence)}
    never = accepted(bundle.vector(vector=envelope, **parts)).unchecked
    assert any(remark.startswith("whether the vector was ever assigned") for remark in never)
    once = accepted(bundle.vector(vector=envelope, assign=world.placed(STORY.assign), **parts)).unchecked
    assert any(remark.startswith("whether a later leaf assigns another") for remark in once)


def test_any_leaf_is_proven_across_a_rotation() -> None:
    """If this fails, only events survive a new log key, and not the grants and seals beside them."""
    told, new = story(), seeded("log 2")
    index = rotation(told.world, "log", told.world.log_key, new)
    one = bundle.entry(
        checkpoint=told.world.checkpoint(None, new), entry=told.world.placed(0), keys=[told.world.placed(index)]
    )
    assert [step.detail for step in accepted(one).steps][2] == "3 trusted keys, 1 key leaf"


def test_a_vector_is_not_assigned_by_the_assignment_of_another() -> None:
    """If this fails, a vector that pays nobody is shown as the one that pays."""
    told = story()
    world = told.world
    second = vector.sign(vector.from_declared({"sources": []}, track="trk-1"), world.attribution_key)
    evidence = world.append(leaf.vector(AT, track="trk-1", statement=second.digest, method="declared"))
    parts: dict[str, Any] = {"checkpoint": world.checkpoint(), "vector": second.encode()}
    data = bundle.vector(evidence=world.placed(evidence), assign=world.placed(told.assign), **parts)
    assert f"expected {second.digest}" in refused(data)


def test_an_assignment_by_a_key_that_may_not_assign() -> None:
    """If this fails, whoever holds a retired or another role's key decides which honest vector pays."""
    told = story(filler=1)
    world = told.world
    old, new = world.attribution_key, seeded("attribution 2")
    index = rotation(world, "attribution", old, new)
    for signer in (old, world.operator_key):
        track = f"trk-{signer.public.id[:8]}"
        envelope = vector.sign(vector.from_declared({"sources": []}, track=track), new)
        evidence = world.append(leaf.vector(AT, track=track, statement=envelope.digest, method="declared"))
        assign = world.append(leaf.assign(AT, track=track, vector=envelope.digest, signer=signer))
        event = world.append(event_leaf(91, envelope.digest, track=track))
        data = Story(world, envelope, evidence, assign, event).bundle(key_leaves=(index,))
        assert "expected a key of role attribution that counts at" in refused(data)


def test_a_vectors_key_counts_up_to_the_event_that_names_it() -> None:
    """If this fails, an event shows a vector as payable that was signed after its key was retired."""
    told = story(filler=1)
    world = told.world
    index = rotation(world, "attribution", world.attribution_key, seeded("attribution 2"))
    after = world.append(event_leaf(92, told.envelope.digest))

    def of(event: int) -> bytes:
        return bundle.event(
            checkpoint=world.checkpoint(),
            event=world.placed(event),
            vector=told.envelope.encode(),
            keys=[world.placed(index)],
        )

    accepted(of(told.event))
    assert f"no attribution or platform or operator key that counts at {after + 1}" in refused(of(after))
