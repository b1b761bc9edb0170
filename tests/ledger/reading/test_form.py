"""The line of form 2: signed leaves say which log they were signed for, and old ones after the line are void."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ledger.errors import VerificationError
from ledger.proofs import bundle, form, keyring, leaf, member, source, trust, vector
from ledger.proofs.keys import PrivateKey
from ledger.proofs.trust import Trust
from ledger.proofs.verify import verify_bundle
from ledger.reading.reading import Reading
from ledger.types import Head
from tests.ledger.world import AT, DECLARED, ORIGIN, World, event_leaf, seeded

OTHER = "example.org/other"
WORLD = World()
ENVELOPE = vector.sign(vector.from_declared(DECLARED, track="trk-1"), WORLD.attribution_key)
HOME = Head(OTHER, 7, bytes(32), bytes(32))


def read(*leaves: Mapping[str, Any]) -> Reading:
    reading = Reading(ORIGIN, WORLD.trust().logs[0].keys, lambda _: ENVELOPE.encode())
    for index, body in enumerate(leaves):
        reading.take(index, dict(body))
    return reading


def signed_by(operator: PrivateKey, attribution: PrivateKey) -> list[dict[str, Any]]:
    """One leaf of each kind that its author signs."""
    return [
        source.make(AT, source="acme", party=None, signed=False, signer=operator),
        member.make(AT, World(origin=OTHER, log_key=seeded("other")).trust().logs[0], operator),
        *member.follow(AT, HOME, ["trk-1"], operator),
        keyring.add(AT, signer=operator, role="platform", party="p", public=seeded("p").public),
        leaf.assign(AT, track="trk-1", vector=ENVELOPE.digest, signer=attribution),
    ]


OLD = signed_by(WORLD.operator_key, WORLD.attribution_key)
NEW = signed_by(WORLD.operator_key.for_log(ORIGIN), WORLD.attribution_key.for_log(ORIGIN))
COPIED = signed_by(WORLD.operator_key.for_log(OTHER), WORLD.attribution_key.for_log(OTHER))
FIRST = {1: leaf.log(AT, origin=ORIGIN), 2: leaf.log(AT, origin=ORIGIN, form=2)}


def drawn(size: int, signer: PrivateKey = WORLD.operator_key) -> dict[str, Any]:
    return form.draw(AT, Head(ORIGIN, size, bytes(32), bytes(32)), signer)


@pytest.mark.parametrize("n", range(len(NEW)), ids=lambda n: str(NEW[n]["type"]))
def test_a_signed_leaf_after_the_line_names_its_log(n: int) -> None:
    """If this fails, a leaf of another log in which the key counts too has an effect in this one."""
    assert not read(FIRST[2], NEW[n]).voids
    assert not read(FIRST[1], NEW[n]).voids
    assert not read(FIRST[1], OLD[n]).voids
    assert "for which log" in read(FIRST[2], OLD[n]).voids[0].reason
    for first in FIRST.values():
        assert "signed for log" in read(first, COPIED[n]).voids[0].reason
    assert "for which log" in read(FIRST[1], drawn(1), OLD[n]).voids[0].reason
    assert not read(FIRST[1], OLD[n], drawn(2)).voids, "the line does not reach back"


def test_a_follow_leaf_is_signed_after_the_line() -> None:
    """If this fails, who holds a member's log key alone registers tracks in it."""
    unsigned = leaf.make("follow", AT, origin=OTHER, size=7, root="00" * 32, tracks=["trk-1"])
    assert not read(FIRST[1], unsigned).voids
    assert read(FIRST[2], unsigned).voids
    assert read(FIRST[1], drawn(1), unsigned).voids


@pytest.mark.parametrize(
    "wrong",
    [
        drawn(1, seeded("stranger")),
        drawn(1, WORLD.attribution_key),
        drawn(2),
        leaf.sign(leaf.make("form", AT, form=2, size=1, root="00" * 32), WORLD.operator_key),
        leaf.sign(leaf.make("form", AT, form=3, size=1, root="00" * 32), WORLD.operator_key.for_log(ORIGIN)),
        leaf.sign(leaf.make("form", AT, form=2, size=1), WORLD.operator_key.for_log(ORIGIN)),
        leaf.sign(leaf.make("form", AT, form=2, size=1, root="00" * 32), WORLD.operator_key.for_log(OTHER)),
    ],
    ids=range(7),
)
def test_who_draws_no_line(wrong: dict[str, Any]) -> None:
    """If this fails, somebody else than the operator makes all honest leaves from some entry on void."""
    reading = read(FIRST[1], wrong, OLD[0])
    assert [void.index for void in reading.voids] == [1]
    assert reading.sources


def test_the_line_is_drawn_once() -> None:
    """If this fails, a second line moves the first."""
    assert [void.index for void in read(FIRST[1], drawn(1), drawn(2)).voids] == [2]
    assert [void.index for void in read(FIRST[2], drawn(1)).voids] == [1]
    assert [void.index for void in read(FIRST[1], leaf.log(AT, origin=ORIGIN, form=2), OLD[0]).voids] == []


def test_trust_names_the_line() -> None:
    """If this fails, readers of trust.json cannot tell an old leaf from one that ought to name its log."""
    named = trust.make(ORIGIN, WORLD.trust().logs[0].keys, form=4)
    assert trust.parse(named.encode()) == named
    assert named.with_ring(keyring.KeyRing(named.logs[0].keys, form.FormLine(ORIGIN, 6))).logs[0].form == 6
    assert member.parse(0, member.make(AT, named.logs[0], WORLD.operator_key)) == named.logs[0]
    document = json.loads(named.encode())
    for wrong in (-1, "4", True):
        document["logs"][0]["form"] = wrong
        with pytest.raises(VerificationError):
            trust.parse(json.dumps(document).encode())


def shown(assign: Mapping[str, Any], trusted: Trust, *, line: bool) -> str:
    """The verdict on an event's bundle with this assignment, with or without the leaf that draws the line."""
    world = World()
    world.append(FIRST[1], drawn(1))
    evidence = world.append(leaf.vector(AT, track="trk-1", statement=ENVELOPE.digest, method="declared"))
    at, event = world.append(assign), world.append(event_leaf(1, ENVELOPE.digest))
    data = bundle.event(
        checkpoint=world.checkpoint(),
        event=world.placed(event),
        vector=ENVELOPE.encode(),
        evidence=world.placed(evidence),
        assign=world.placed(at),
        keys=[world.placed(1)] if line else [],
    )
    report = verify_bundle(data, trusted)
    if report.ok:
        return "ok" if not any("names no line" in remark for remark in report.unchecked) else "ok, no line"
    return report.steps[-1].detail


@pytest.mark.parametrize("line", [True, False])
@pytest.mark.parametrize("index", [1, None])
def test_verify_refuses_what_the_reading_calls_void(index: int | None, *, line: bool) -> None:
    """If this fails, a bundle shows a copied or an old leaf as one that counts."""
    trusted = trust.make(ORIGIN, WORLD.trust().logs[0].keys, form=index)
    known = line or index is not None
    assert shown(NEW[4], trusted, line=line) == ("ok" if known else "ok, no line")
    assert "signed for log" in shown(COPIED[4], trusted, line=line)
    old = shown(OLD[4], trusted, line=line)
    assert "for which log" in old if known else old == "ok, no line"


def entries(*leaves: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> list[Any]:
    world = World()
    world.append(*leaves)  # type: ignore[arg-type]
    return [
        verify_bundle(
            bundle.entry(checkpoint=world.checkpoint(), entry=world.placed(n)),
            trust.make(ORIGIN, WORLD.trust().logs[0].keys, form=0),
        )
        for n in range(1, world.size)
    ]


def test_an_entry_bundle_checks_the_leafs_own_signature() -> None:
    """If this fails, a bundle says by whom a leaf was signed, and nobody has looked."""
    assert all(report.ok for report in entries(FIRST[2], *NEW))
    assert not any(report.ok for report in entries(FIRST[2], *OLD, *COPIED))
    false = [{**body, "at": "2026-06-03T11:05:01Z"} for body in NEW]
    assert not any(report.ok for report in entries(FIRST[2], *false))
    swapped = signed_by(WORLD.attribution_key.for_log(ORIGIN), WORLD.operator_key.for_log(ORIGIN))
    assert not any(report.ok for report in entries(FIRST[2], *swapped))
    unsigned = leaf.make("close", AT, period="2026-06", logs=[], registry_size=0)
    assert not entries(FIRST[2], unsigned)[0].ok
