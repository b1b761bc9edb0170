"""The verifier: honest bundles pass and say what was not checked; no forger, thief or flipped bit does."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import VerificationError
from ledger.proofs import bundle, canon, cosign, dsse, keyring, leaf, note, policy, trust, vector, verify
from ledger.proofs.keys import PrivateKey
from ledger.proofs.note import COSIGNATURE, Vkey
from ledger.proofs.policy import Policy
from ledger.proofs.tlog_proof import Proof
from ledger.proofs.trust import Trust
from ledger.proofs.verify import Report, verify_bundle
from tests.ledger.world import AT, DECLARED, ORIGIN, Story, World, event_leaf, rotation, seeded, story, trusted
from tests.support import ROOT, packages_after

STORY = story()
TRUST = STORY.world.trust()
BUNDLE = STORY.bundle()


def failure(report: Report) -> str:
    """What the one failing step says; nothing is examined after it."""
    assert not report.ok
    assert [step.ok for step in report.steps] == [True] * (len(report.steps) - 1) + [False]
    assert "everything after the step that failed" in report.unchecked
    return report.steps[-1].detail


def refused(data: bytes, trusted_by: Trust | None = TRUST) -> str:
    return failure(verify_bundle(data, trusted_by))


def accepted(data: bytes, trusted_by: Trust = TRUST) -> Report:
    report = verify_bundle(data, trusted_by)
    assert report.ok, report.steps[-1]
    return report


# --- honest bundles -----------------------------------------------------------------------------


def test_an_honest_event() -> None:
    """If this fails, an honest operator cannot prove a stream."""
    report = accepted(BUNDLE)
    assert [step.n for step in report.steps] == list(range(1, 11))
    assert report.kind == "event"
    assert "event e-000002 of acme, track trk-1" in report.steps[6].detail


def test_the_golden_bundle_of_the_first_release() -> None:
    """If this fails, bundles that people already hold stop verifying."""
    golden = ROOT / "tests" / "golden"
    trusted_by = trust.parse((golden / "event.trust.json").read_bytes())
    accepted((golden / "event.bundle").read_bytes(), trusted_by)
    accepted((golden / "event.tlog-proof").read_bytes(), trusted_by)


def test_it_says_what_it_did_not_check() -> None:
    """If this fails, a reader believes more than was shown."""
    unchecked = " ".join(accepted(BUNDLE).unchecked)
    for matter in ("whether others see the same log", "retired by a leaf", "whether what was recorded is true"):
        assert matter in unchecked


def test_any_leaf_and_its_statement() -> None:
    """If this fails, only streams can be proven, and not the grants, runs and seals around them."""
    world = STORY.world
    accepted(bundle.entry(checkpoint=world.checkpoint(), entry=world.placed(0)))
    accepted(
        bundle.entry(
            checkpoint=world.checkpoint(), entry=world.placed(STORY.evidence), statement_bytes=STORY.envelope.encode()
        )
    )
    without = accepted(bundle.entry(checkpoint=world.checkpoint(), entry=world.placed(STORY.evidence)))
    assert any("the statement that the leaf names" in remark for remark in without.unchecked)


def test_a_vector_by_itself() -> None:
    """If this fails, a holder cannot prove what a track's signed vector says."""
    world, envelope = STORY.world, STORY.envelope.encode()
    parts: dict[str, Any] = {"checkpoint": world.checkpoint(), "evidence": world.placed(STORY.evidence)}
    assert len(accepted(bundle.vector(vector=envelope, **parts)).steps) == 8
    accepted(bundle.vector(vector=envelope, assign=world.placed(STORY.assign), **parts))
    other = vector.sign(vector.from_declared({"sources": []}, track="trk-1"), world.attribution_key).encode()
    assert "the leaf names" in refused(bundle.vector(vector=other, **parts))


def test_an_event_without_a_vector() -> None:
    """If this fails, an unresolved stream cannot be proven, or passes for a resolved one."""
    world = story().world
    index = world.append(event_leaf(77, None))
    report = accepted(bundle.event(checkpoint=world.checkpoint(), event=world.placed(index)))
    assert any("it has none here" in remark for remark in report.unchecked)
    surplus = bundle.event(checkpoint=world.checkpoint(), event=world.placed(index), vector=STORY.envelope.encode())
    assert "the bundle brings one" in refused(surplus)


def test_an_event_bound_by_a_later_assignment() -> None:
    """If this fails, streams that came before their track's attribution cannot be proven to pay."""
    told = story()
    world = told.world
    early = world.append(event_leaf(77, None))
    later = world.append(leaf.assign(AT, track="trk-1", vector=told.envelope.digest, signer=world.attribution_key))

    def of(assign: int) -> bytes:
        return bundle.event(
            checkpoint=world.checkpoint(),
            event=world.placed(early),
            vector=told.envelope.encode(),
            evidence=world.placed(told.evidence),
            assign=world.placed(assign),
        )

    assert any("first assignment" in remark for remark in accepted(of(later)).unchecked)
    assert "cannot have been bound" in refused(of(told.assign))


def test_a_receipt() -> None:
    """If this fails, what a platform keeps for each stream proves nothing."""
    placed = STORY.world.placed(STORY.event)
    receipt = Proof(index=placed.index, hashes=placed.hashes, checkpoint=STORY.world.checkpoint(), extra=placed.body)
    accepted(receipt.encode())
    data = receipt.encode()
    for position in range(len(data) * 8):
        wrong = bytearray(data)
        wrong[position // 8] ^= 1 << position % 8
        assert not verify_bundle(bytes(wrong), TRUST).ok


# --- trust --------------------------------------------------------------------------------------


def test_without_trust_nothing_is_believed() -> None:
    """If this fails, a bundle vouches for itself."""
    assert "give a trust file with --trust" in refused(BUNDLE, None)


def test_the_likely_cause_is_named() -> None:
    """If this fails, a reader with the wrong trust file is left to guess."""
    other = trust.make("example.org/other", [trusted("log", seeded("other"))])
    assert refused(BUNDLE, other) == (
        "the checkpoint is of log example.org/ledger, signed by key 0ba9c507 of example.org/ledger; "
        f"you trust key {Vkey('example.org/other', seeded('other').public).id.hex()} of example.org/other; "
        "another log needs its own operator's trust.json"
    )
    same_name = trust.make(ORIGIN, [trusted("log", seeded("other"))])
    assert "signed by key 0ba9c507 of example.org/ledger; you trust key" in refused(BUNDLE, same_name)


def test_an_unknown_kind_is_not_guessed() -> None:
    """If this fails, a bundle of a kind nobody checks counts as checked."""
    assert "kind 'verdict' is not known" in refused(bundle.encode("verdict", checkpoint=STORY.world.checkpoint()))


# --- forgery ------------------------------------------------------------------------------------


def test_an_outsiders_bundle() -> None:
    """If this fails, anyone can prove anything with keys of their own."""
    outsider = World(log_key=seeded("evil"), attribution_key=seeded("evil 2"), operator_key=seeded("evil 3"))
    forged = story(outsider)
    accepted(forged.bundle(), outsider.trust())
    assert "you trust key 0ba9c507" in refused(forged.bundle())


@pytest.mark.parametrize("role", ["log", "attribution"])
def test_an_outsider_who_brings_key_leaves(role: Any) -> None:
    """If this fails, a bundle's own keys are trusted because the bundle says so."""
    world = World()
    setattr(world, f"{role}_key", seeded("evil"))
    told = story(world)
    signer = seeded("evil 2")
    index = world.append(keyring.add(AT, signer=signer, role=role, party="operator", public=seeded("evil").public))
    assert "its signer" in refused(told.bundle(key_leaves=(index,)))


def test_an_insider_with_the_log_key_alone_cannot_attribute() -> None:
    """If this fails, whoever runs the log can say who influenced a track."""
    told = story(World(attribution_key=seeded("evil")))
    assert "expected a key of role attribution" in refused(told.bundle())


def assigned(envelope: dsse.Envelope) -> bytes:
    """An event that pays by this statement, logged and assigned by the right key whoever signed the statement."""
    world = World()
    evidence = world.append(leaf.vector(AT, track="trk-1", statement=envelope.digest, method="declared"))
    assign = world.append(leaf.assign(AT, track="trk-1", vector=envelope.digest, signer=world.attribution_key))
    event = world.append(event_leaf(1, envelope.digest))
    return Story(world, envelope, evidence, assign, event).bundle()


def test_a_vector_that_nobody_entitled_signed() -> None:
    """If this fails, whatever was logged and assigned pays, whoever wrote it."""
    honest = vector.from_declared(DECLARED, track="trk-1")
    accepted(assigned(vector.sign(honest, World().attribution_key)))
    stranger = seeded("stranger")
    assert f"signed by {stranger.public.id[:16]}; no attribution" in refused(assigned(vector.sign(honest, stranger)))
    payload = canon.encode(vector.payload(honest))
    other = dsse.sign("application/vnd.settle.other+json", payload, [World().attribution_key])
    assert "expected 'application/vnd.settle.influence-vector+json'" in refused(assigned(other))
    empty = dsse.Envelope(payload_type=vector.PAYLOAD_TYPE, payload=payload, signatures=())
    assert "no attribution or platform or operator key" in refused(assigned(empty))


def test_leaves_in_the_wrong_place() -> None:
    """If this fails, any leaf passes for an event, a vector or an assignment."""
    world, envelope = STORY.world, STORY.envelope.encode()
    log_leaf, signed = world.placed(0), world.checkpoint()
    assert "is not an event" in refused(bundle.event(checkpoint=signed, event=log_leaf))
    assert "does not log a vector" in refused(bundle.vector(checkpoint=signed, vector=envelope, evidence=log_leaf))
    assert "names no statement" in refused(bundle.entry(checkpoint=signed, entry=log_leaf, statement_bytes=envelope))
    late = story()
    other = vector.sign(vector.from_declared({"sources": []}, track="trk-1"), late.world.attribution_key)
    late.assign = late.world.append(
        leaf.assign(AT, track="trk-1", vector=other.digest, signer=late.world.attribution_key)
    )
    assert f"assigns vector {other.digest}; expected {late.envelope.digest}" in refused(late.bundle())


def flips(positions: Iterable[int]) -> None:
    for position in positions:
        wrong = bytearray(BUNDLE)
        wrong[position // 8] ^= 1 << position % 8
        assert not verify_bundle(bytes(wrong), TRUST).ok, position


def test_a_changed_bit_in_every_byte() -> None:
    """If this fails, some byte of a bundle can be changed unnoticed."""
    flips(range(0, len(BUNDLE) * 8, 7))


@pytest.mark.slow
def test_every_one_bit_change() -> None:
    """If this fails, some bit of a bundle can be changed unnoticed."""
    flips(range(len(BUNDLE) * 8))


@given(st.data())
def test_any_edit(data: st.DataObject) -> None:
    """If this fails, a bundle can be edited unnoticed, or an edit crashes the verifier."""
    start = data.draw(st.integers(0, len(BUNDLE)))
    stop = data.draw(st.integers(start, min(len(BUNDLE), start + 40)))
    edited = BUNDLE[:start] + data.draw(st.binary(max_size=8)) + BUNDLE[stop:]
    assert verify_bundle(edited, TRUST).ok == (edited == BUNDLE)


DOCUMENT: dict[str, Any] = json.loads(BUNDLE)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in paths(item, (*path, key)))]


@pytest.mark.parametrize("other", [None, True, 0, -1, 2**53 - 1, "", "x", [], {}, [None], {"v": 1, "type": "x"}])
def test_every_value_replaced_by_every_kind_of_value(other: Any) -> None:
    """If this fails, a well-formed bundle with one wrong value crashes the verifier, or passes."""
    for path in paths(DOCUMENT):
        document = json.loads(BUNDLE)
        if not path:
            document = other
        else:
            place = document
            for key in path[:-1]:
                place = place[key]
            if place[path[-1]] == other:
                continue
            place[path[-1]] = other
        report = verify_bundle(canon.encode(document), TRUST)
        # A leaf or a statement that a bundle may do without is not a forgery when it is left out.
        assert not report.ok or (other is None and path in {("evidence",), ("assign",)}), path


def test_parts_of_two_bundles_do_not_make_a_third() -> None:
    """If this fails, a proof of one event proves another, or one track's vector pays another's."""
    second = World()
    other_leaf = event_leaf(50, STORY.envelope.digest, track="trk-2")
    told = story(second)
    index = second.append(other_leaf)
    parts: dict[str, Any] = {
        "checkpoint": second.checkpoint(),
        "event": second.placed(index),
        "vector": told.envelope.encode(),
    }
    assert "the vector is of track trk-1, not trk-2" in refused(bundle.event(**parts))
    assert "does not assign a vector to track trk-2" in refused(
        bundle.event(**parts, assign=second.placed(told.assign))
    )
    assert "does not log vector" in refused(bundle.event(**parts, evidence=second.placed(told.evidence)))
    assert "does not assign" in refused(
        bundle.event(**(parts | {"event": second.placed(told.event)}), assign=second.placed(told.evidence))
    )
    stale = bundle.event(**(parts | {"event": second.placed(told.event), "checkpoint": second.checkpoint(6)}))
    assert "fewer hashes" in refused(stale) or "more hashes" in refused(stale) or "leads to root" in refused(stale)


# --- rotation -----------------------------------------------------------------------------------


@pytest.fixture
def handed_over() -> tuple[Story, PrivateKey, int, bytes]:
    """A story whose log key retired; the new key, the index of the leaf, a bundle made before."""
    told = story()
    before = told.bundle()
    new = seeded("log 2")
    index = rotation(told.world, "log", told.world.log_key, new)
    told.world.append(event_leaf(80, None))
    return told, new, index, before


def test_a_new_key_without_its_leaf_is_unknown(handed_over: tuple[Story, PrivateKey, int, bytes]) -> None:
    """If this fails, a key counts that nobody has shown to follow from a trusted one."""
    told, new, index, _ = handed_over
    assert "you trust key 0ba9c507" in refused(told.bundle(None, new))
    assert told.world.bodies[index]


def test_a_key_leaf_that_is_not_in_the_tree(handed_over: tuple[Story, PrivateKey, int, bytes]) -> None:
    """If this fails, a rotation that was never logged takes effect."""
    told, new, index, _ = handed_over
    document = json.loads(told.bundle(None, new, key_leaves=(index,)))
    document["keys"][0]["proof"][0] = "00" * 32
    assert "leads to root" in refused(canon.encode(document))
    document = json.loads(told.bundle(None, new, key_leaves=(index,)))
    document["keys"][0]["index"] -= 1
    assert not verify_bundle(canon.encode(document), TRUST).ok


def test_vectors_signed_by_a_retired_attribution_key() -> None:
    """If this fails, a stolen attribution key goes on paying whom it likes."""
    told = story(filler=1)
    world = told.world
    old, new = world.attribution_key, seeded("attribution 2")
    index = rotation(world, "attribution", old, new)
    accepted(told.bundle(key_leaves=(index,)))
    late = story_after(world, old)
    assert "that counts at" in refused(late.bundle(key_leaves=(index,)))
    world.attribution_key = new
    accepted(story_after(world, new).bundle(key_leaves=(index,)), TRUST)


def story_after(world: World, signer: PrivateKey) -> Story:
    """A second track attributed later in the same log."""
    envelope = vector.sign(vector.from_declared({"sources": []}, track="trk-9"), signer)
    evidence = world.append(leaf.vector(AT, track="trk-9", statement=envelope.digest, method="declared"))
    assign = world.append(leaf.assign(AT, track="trk-9", vector=envelope.digest, signer=signer))
    event = world.append(event_leaf(90, envelope.digest, track="trk-9"))
    return Story(world, envelope, evidence, assign, event)


# --- witnesses ----------------------------------------------------------------------------------

WITNESSES = {name: seeded(name) for name in ("w1", "w2", "w3")}


def two_of_three() -> Policy:
    lines = [f"witness {name} {Vkey(name, key.public, COSIGNATURE)}" for name, key in WITNESSES.items()]
    return policy.parse("\n".join([*lines, "group g 2 w1 w2 w3", "quorum g", ""]).encode())


def cosigned(*names: str, wrong: str | None = None) -> bytes:
    signed = note.parse(STORY.world.checkpoint())
    lines = [cosign.sign(signed.text, name, WITNESSES.get(name, seeded(name)), 1_780_000_000) for name in names]
    if wrong:
        lines.append(cosign.sign(signed.text + "x\n", wrong, WITNESSES[wrong], 1))
    return note.Note(signed.text, (*signed.signatures, *lines)).encode()


def witnessed(*names: str, wrong: str | None = None) -> bytes:
    return canon.encode(DOCUMENT | {"checkpoint": cosigned(*names, wrong=wrong).decode()})


@pytest.mark.parametrize(
    ("names", "enough"),
    [
        ((), False),
        (("w1",), False),
        (("w3",), False),
        (("w1", "w2"), True),
        (("w2", "w3"), True),
        (("w1", "w2", "w3"), True),
        (("w1", "w1"), False),
        (("w1", "stranger"), False),
        (("w1", "stranger", "w3"), True),
    ],
)
def test_two_of_three_witnesses(names: tuple[str, ...], *, enough: bool) -> None:
    """If this fails, a quorum is reached by fewer witnesses than trust asks for, or not by enough."""
    trusted_by = STORY.world.trust(two_of_three())
    if enough:
        report = accepted(witnessed(*names), trusted_by)
        assert "quorum 'g' reached by w" in report.steps[4].detail
        assert not any("whether others see the same log" in remark for remark in report.unchecked)
    else:
        assert "quorum 'g' is not reached" in refused(witnessed(*names), trusted_by)


def test_a_forged_cosignature_sinks_the_checkpoint() -> None:
    """If this fails, a forged cosignature is overlooked when there are enough others."""
    trusted_by = STORY.world.trust(two_of_three())
    assert "is not on this checkpoint" in refused(witnessed("w1", "w2", wrong="w3"), trusted_by)


def test_a_time_that_no_calendar_holds() -> None:
    """If this fails, a witness's absurd clock crashes the verifier."""
    signed = note.parse(STORY.world.checkpoint())
    line = cosign.sign(signed.text, "w1", WITNESSES["w1"], 2**63 - 1)
    checkpoint = note.Note(signed.text, (*signed.signatures, line)).encode().decode()
    one = policy.parse(f"witness w1 {Vkey('w1', WITNESSES['w1'].public, COSIGNATURE)}\nquorum w1\n".encode())
    report = accepted(canon.encode(DOCUMENT | {"checkpoint": checkpoint}), STORY.world.trust(one))
    assert str(2**63 - 1) in report.steps[4].detail


# --- the verifier itself ------------------------------------------------------------------------


def test_a_kind_of_another_room() -> None:
    """If this fails, other rooms cannot add their proofs, or theirs count although they failed."""

    def kind(*, holds: bool) -> Callable[[verify.Examination, dict[str, Any]], None]:
        def check(examination: verify.Examination, document: dict[str, Any]) -> None:
            with examination.step("the claim holds"):
                bundle.fields(document, "claim")
                if not holds:
                    raise VerificationError("it does not")

        return check

    data = bundle.encode("claim", checkpoint=STORY.world.checkpoint(), claim="x")
    assert verify_bundle(data, TRUST, kinds={"claim": kind(holds=True)}).ok
    assert failure(verify_bundle(data, TRUST, kinds={"claim": kind(holds=False)})) == "it does not"


def test_it_needs_the_standard_library_and_cryptography_only() -> None:
    """If this fails, an auditor must trust and install more than the verifier."""
    assert packages_after("import ledger.proofs.verify") <= {"ledger", "cryptography", "_cffi_backend", "_openssl"}


@pytest.mark.skipif(shutil.which("xxd") is None or shutil.which("sha256sum") is None, reason="needs xxd and sha256sum")
def test_every_explained_step_can_be_redone_in_a_shell() -> None:
    """If this fails, what we print as an explanation explains nothing."""
    lines = [line for step in accepted(BUNDLE).steps for line in step.explain if not line.startswith("#")]
    assert len(lines) > 10
    script = "\n".join(lines)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in done] == [line.rpartition("# ")[2] for line in lines]


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """If this fails, some file crashes the verifier."""
    assert not verify_bundle(data, TRUST).ok
