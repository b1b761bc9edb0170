from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ledger.proofs import canon, tlog_proof, trust, verify
from ledger.proofs.bundle import PlacedLeaf, encode
from ledger.proofs.keyring import Key
from ledger.registry import facts, manifest, membership
from ledger.registry.intake import Planned
from ledger.registry.model import Manifest
from tests.ledger.registry.conftest import ORIGIN, Office, sample, seeded
from tests.ledger.registry.test_audit import replay

TRUST = trust.make(ORIGIN, [Key(role="log", party="p-op", public=seeded(9).public)])
KINDS = {**verify.KINDS, membership.KIND: membership.examine}


def placed(office: Office, index: int) -> PlacedLeaf:
    log = office.registry.log
    return PlacedLeaf(index, log.entry(index).body, tlog_proof.parse(log.inclusion(index)).hashes)


def bundle(office: Office, recording: str, *, leaf: str | None = None) -> bytes:
    """A bundle about a recording, with the leaf of that recording or of another."""
    log, view = office.registry.log, office.registry.view()
    model = view.model("mdl-1", "1")
    assert model.manifest is not None
    built = manifest.prover(model.manifest, manifest.decode(log.blob(model.manifest.blob)))
    shown = placed(office, view.recording(leaf or recording).index)
    return membership.make(
        checkpoint=log.checkpoint(),
        model=placed(office, model.index),
        asked=recording,
        recordings=[(shown, built.prove(recording))],
    )


def untrained(office: Office) -> None:
    office.load(
        sample() | {"payees": [], "recordings": [*sample()["recordings"], {"id": "rec-x", "title": "Not trained on"}]}
    )


@pytest.mark.parametrize(("recording", "said"), [("rec-1", "rec-1 is in"), ("rec-x", "rec-x is not in")])
def test_anyone_can_check_what_a_model_was_trained_on(office: Office, recording: str, said: str) -> None:
    """If this fails, a holder cannot show a court that a recording was, or was not, in a training set."""
    untrained(office)
    report = verify.verify_bundle(bundle(office, recording), TRUST, kinds=KINDS)
    assert report.ok, report.steps[-1]
    assert report.cautions == ()
    assert report.steps[-1].detail == f"{said} the list that the operator committed for mdl-1@1"
    assert report.steps[-1].name == "the manifest proof leads to the model's training root"
    model = office.registry.view().model("mdl-1", "1")
    assert model.manifest is not None
    assert (report.steps[-2].name, report.steps[-2].detail) == (
        "what was asked for is a registered recording",
        f"{recording} at leaf {office.registry.view().recording(recording).index}",
    )
    assert (report.steps[-3].name, report.steps[-3].detail) == (
        "the model is in the tree",
        f"leaf {model.index}: model mdl-1@1, {model.manifest.size} recordings, root {model.manifest.root}",
    )
    assert any(remark.startswith("whether the operator trained on what") for remark in report.unchecked)


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every leaf value of a document stands."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for key, item in items for found in paths(item, (*prefix, key))]
    return [prefix]


@pytest.mark.parametrize("recording", ["rec-1", "rec-x"])
def test_every_changed_value_is_noticed(office: Office, recording: str) -> None:
    """If this fails, a membership bundle can be altered and still verify."""
    untrained(office)
    honest = json.loads(bundle(office, recording))
    for path in paths(honest):
        document = copy.deepcopy(honest)
        place = document
        for key in path[:-1]:
            place = place[key]
        old = place[path[-1]]
        place[path[-1]] = (not old) if isinstance(old, bool) else old + 1 if isinstance(old, int) else f"{old}0"
        report = verify.verify_bundle(canon.encode(document), TRUST, kinds=KINDS)
        assert not report.ok, path


@pytest.mark.parametrize("name", ["rec-9", "SEA012600009"])
def test_an_id_that_no_recording_bears_cannot_be_proven_absent(office: Office, name: str) -> None:
    """If this fails, a misspelt id, or an ISRC in an id's stead, gives a true-looking proof of a falsehood (B)."""
    untrained(office)
    report = verify.verify_bundle(bundle(office, name, leaf="rec-1"), TRUST, kinds=KINDS)
    assert not report.ok
    assert report.steps[-1].name == "what was asked for is a registered recording"


def test_a_bundle_of_the_first_release_says_first_what_it_leaves_open(office: Office) -> None:
    """If this fails, an absence that rests on the operator's sorting is shown as proven (V4)."""
    office.load(sample())
    log = office.registry.log
    ids = ["rec-0", "rec-2", "rec-1"]
    old = manifest.ManifestTree(ids)
    model = facts.ModelFact(
        id="old",
        version="1",
        operator="operator",
        manifest=Manifest(root=old.root, size=3, blob=canon.digest(manifest.encode(ids))),
    )
    office.registry.register([Planned(model)], office.operator, known=log.head().size, blobs=[manifest.encode(ids)])
    index = office.registry.view().model("old", "1").index
    shown = {"recording": "rec-1", "member": False, "leaves": [old._leaf(0), old._leaf(1)]}
    data = encode(
        "membership", checkpoint=log.checkpoint(), keys=(), model=placed(office, index).document(), proof=shown
    )
    report = verify.verify_bundle(data, TRUST, kinds=KINDS)
    assert report.ok
    assert report.cautions == (membership.ORDER, membership.UNREGISTERED)
    audited = replay(office)
    assert not audited.ok
    assert [note.kind for note in audited.violations] == ["model"]
    assert "V4" in audited.violations[0].detail
