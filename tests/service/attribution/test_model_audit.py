"""A model audited from what its operator submits: weights, items and a sample of tracks."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from attribution.influence.study import Study, fit
from ledger.types import MILLION
from tests.attribution.influence.small import PLAN, study_registry, write_study
from tests.cli.support import settle, settle_json

pytestmark = pytest.mark.slow  # trains eleven small models

OWNERS = [party["id"] for party in study_registry()["parties"]]


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted study of a small model; `weights` is the training that produced the tracks."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("submitted")
    write_study(folder)
    study = Study(folder)
    study.train(study.bank_jobs + study.plan.full_jobs)
    fit(study)
    shutil.copy(study.bench.path(study.plan.full_jobs[0]), folder / "weights.safetensors")
    return folder


@pytest.fixture
def home(tmp_path: Path, submitted: Path) -> Path:
    """A workspace whose registry says the same as the study."""
    home = tmp_path / "home"
    settle_json("init", "--origin", "example.org/audit", "--no-passphrase", home=home)
    register(home, tmp_path, submitted)
    return home


def register(home: Path, folder: Path, submitted: Path, **model: Any) -> None:
    document = study_registry()
    digest = hashlib.sha256((submitted / "weights.safetensors").read_bytes()).hexdigest()
    document["models"][0] |= {"weights_sha256": digest, **model}
    (folder / "registry.json").write_text(json.dumps(document), encoding="utf-8")
    settle_json("registry", "import", folder / "registry.json", home=home)


def audited(home: Path, submitted: Path, *, code: int = 0, weights: Path | None = None) -> Any:
    tracks, weights = submitted / "tracks.jsonl", weights or submitted / "weights.safetensors"
    return settle_json("registry", "model", "audit", submitted, tracks, "--weights", weights, home=home, code=code)


def results(answer: Any) -> dict[str, str]:
    return {check["name"]: check["result"] for check in answer["checks"]}


def test_an_honest_model_agrees_with_what_was_registered(home: Path, submitted: Path) -> None:
    """If this fails, an honest operator is accused, or a society gets shares that do not add up."""
    answer = audited(home, submitted)
    assert answer["ok"]
    assert set(results(answer).values()) == {"agrees"}
    assert len(results(answer)) == 6
    total = sum(owner["mean_ppm"] for owner in answer["owners"]) + answer["unattributed_ppm"]
    assert abs(total - MILLION) <= len(OWNERS)
    assert {owner["owner"] for owner in answer["owners"]} == set(OWNERS)
    assert all(owner["low_ppm"] <= owner["mean_ppm"] <= owner["high_ppm"] for owner in answer["owners"])
    assert audited(home, submitted) == answer, "the same submission is judged the same"
    tracks, weights = submitted / "tracks.jsonl", submitted / "weights.safetensors"
    page = settle("registry", "model", "audit", submitted, tracks, "--weights", weights, home=home).out
    assert "agrees      weights" in page


def test_other_weights_and_hidden_recordings_are_named(home: Path, submitted: Path, tmp_path: Path) -> None:
    """If this fails, an operator submits another model, or hides a recording that it trained on."""
    study = Study(submitted)
    other = study.bench.path(study.bank_jobs[0])
    assert results(audited(home, submitted, code=3, weights=other))["weights"] == "differs"
    lean = shutil.copytree(submitted, tmp_path / "lean")
    settle_json("init", "--origin", "example.org/other", "--no-passphrase", home=tmp_path / "other")
    register(tmp_path / "other", tmp_path, submitted, training=["w0", "w1"])
    answer = audited(tmp_path / "other", lean, code=3)
    assert results(answer)["shown items are in the training list"] == "differs"
    assert "w10" in next(check["recordings"] for check in answer["checks"] if check["recordings"])


def test_weights_that_learned_nothing_of_the_items_are_named(home: Path, submitted: Path, tmp_path: Path) -> None:
    """If this fails, an operator shows training items that its model was never trained on."""
    from attribution.influence.adapter import begin, encode_checkpoint

    fresh = begin(Study(submitted).adapter, 7)
    for name, value in fresh.model.named_parameters():
        fresh.average[name] += value
    fresh.averaged = 1
    (tmp_path / "fresh.safetensors").write_bytes(encode_checkpoint(fresh))
    answer = audited(home, submitted, code=3, weights=tmp_path / "fresh.safetensors")
    assert results(answer)["the weights learned the sampled items"] == "differs"


def test_a_study_of_another_model_is_refused(home: Path, submitted: Path, tmp_path: Path) -> None:
    """If this fails, the figures of one model are stated for another."""
    lean = shutil.copytree(submitted, tmp_path / "lean")
    (lean / "study.json").write_text(json.dumps(PLAN | {"model_version": "2"}), encoding="utf-8")
    refused = settle(
        "registry", "model", "audit", lean, lean / "tracks.jsonl", "--weights", lean / "weights.safetensors", home=home
    )
    assert refused.code == 2
    assert "m@2" in refused.err
