from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ledger.proofs import canon, proof, trust, verify
from ledger.proofs.bundle import Placed
from ledger.proofs.keyring import Key
from ledger.registry import manifest, membership
from ledger.registry.manifest import ManifestTree
from tests.ledger.registry.conftest import ORIGIN, Office, sample, seeded

TRUST = trust.make(ORIGIN, [Key(role="log", party="p-op", public=seeded(9).public)])
KINDS = {**verify.KINDS, membership.KIND: membership.examine}


def bundle(office: Office, recording: str) -> bytes:
    log = office.registry.log
    model = office.registry.view().model("mdl-1", "1")
    assert model.manifest is not None
    built = ManifestTree(manifest.decode(log.blob(model.manifest.blob)))
    hashes = proof.parse(log.inclusion(model.index)).hashes
    placed = Placed(model.index, log.entry(model.index).body, hashes)
    return membership.make(checkpoint=log.checkpoint(), model=placed, proof=built.prove(recording))


@pytest.mark.parametrize(
    ("recording", "said"), [("rec-1", "rec-1 was in"), ("rec-1x", "rec-1x was not in"), ("a", "a was not in")]
)
def test_anyone_can_check_what_a_model_was_trained_on(office: Office, recording: str, said: str) -> None:
    """If this fails, a holder cannot show a court that a recording was, or was not, in a training set."""
    office.load(sample())
    report = verify.verify_bundle(bundle(office, recording), TRUST, kinds=KINDS)
    assert report.ok, report.steps[-1]
    assert report.steps[-1].detail == f"{said} the training set of mdl-1@1"
    assert report.steps[-1].name == "the manifest proof leads to the model's training root"
    model = office.registry.view().model("mdl-1", "1")
    assert model.manifest is not None
    assert (report.steps[-2].name, report.steps[-2].detail) == (
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


@pytest.mark.parametrize("recording", ["rec-1", "rec-1x"])
def test_every_changed_value_is_noticed(office: Office, recording: str) -> None:
    """If this fails, a membership bundle can be altered and still verify."""
    office.load(sample())
    honest = json.loads(bundle(office, recording))
    for path in paths(honest):
        document = copy.deepcopy(honest)
        place = document
        for key in path[:-1]:
            place = place[key]
        old = place[path[-1]]
        place[path[-1]] = (not old) if isinstance(old, bool) else old + 1 if isinstance(old, int) else f"{old}0"
        if path == ("proof", "recording") and recording == "rec-1x":
            continue  # another absent name between the same neighbours is another true statement
        report = verify.verify_bundle(canon.encode(document), TRUST, kinds=KINDS)
        assert not report.ok, path
