"""A study from its folder: fit, score, dispute, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.influence import dispute
from attribution.influence.health import effective_rank, examine
from attribution.influence.intervals import cover_of_new_owners
from attribution.influence.score import score
from attribution.influence.study import Study, fit, measure_lds, read_fit
from ledger.errors import InputError, StateError
from ledger.proofs import canon, vector
from ledger.types import MILLION
from tests.attribution.influence.small import PLAN, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("study")
    write_study(folder)
    opened = Study(folder)
    with pytest.raises(StateError, match="settle influence bank"):
        fit(opened)
    opened.train(opened.bank_jobs + opened.plan.full_jobs)
    assert "not measured" in fit(opened)["lds"]
    opened.train(opened.subset_jobs)
    fit(opened)
    return opened


def test_a_fitted_study_gives_valid_vectors_with_their_details(study: Study) -> None:
    """If this fails, influence cannot be signed, or its vector does not name what it was made from."""
    tracks = study.folder / "tracks.jsonl"
    scored = score(study, tracks)
    assert len(scored) == 4
    for one in scored:
        vector.payload(one.vector)
        assert one.vector.params_sha256 == canon.digest(canon.encode(one.details))
        assert one.details["fit"]["producer_seed"] == 7
        assert abs(sum(owner["beta_ppm"] for owner in one.details["owners"])) <= 4
    assert [one.details for one in score(study, tracks)] == [one.details for one in scored]


def test_what_is_signed_says_how_it_was_measured(study: Study) -> None:
    """If this fails, a vector's details leave open on what, with which kernel, or how surely it was estimated."""
    details = score(study, study.folder / "tracks.jsonl")[0].details
    signed = details["fit"]
    names = (
        "estimator estimator_version adapter checkpoints producer_seed base c_ppm cluster_version weights_ppm fit_set "
    )
    names += "held_out_r_ppm held_out_r_like_style_ppm skill_ppm floor_ppm lds bank bank_seeds items_root device dtype "
    names += "attention threads half_width_ppm interval_level_ppm interval_fitted_on interval_cover_ppm agreement_ppm"
    assert set(names.split()) <= set(signed)
    assert {"gain_ppm", "clipped_ppm", "owners", "fit_sha256", "interval"} <= set(details)
    assert set(details["owners"][0]) == {"owner", "size_ppm", "beta_ppm", "share_ppm"}
    assert (signed["device"], signed["dtype"], signed["attention"][:11]) == ("cpu", "float32", "written out")
    assert signed["lds"]["ppm"]["low"] <= signed["lds"]["ppm"]["score"] <= signed["lds"]["ppm"]["high"]
    assert 0 <= signed["interval_cover_ppm"]["low"] <= signed["interval_cover_ppm"]["mean"] <= MILLION


def test_health_is_examined_without_a_truth(study: Study) -> None:
    """If this fails, an operator learns only from a dispute that scores or trainings do not repeat."""
    health = examine(study, study.folder / "tracks.jsonl")
    assert (health.tracks, health.scores_repeat, health.training_repeats) == (4, True, True)
    assert 1 <= health.effective_rank <= 4
    assert health.hubs == ()
    assert any("too few to tell hubs" in remark for remark in health.remarks)
    assert -MILLION <= health.smoothness_ppm <= MILLION


def test_other_held_out_works_make_a_fit_invalid(study: Study) -> None:
    """If this fails, a fit says that it was made on works that were changed since."""
    held = study.folder / "held.jsonl"
    content = held.read_text(encoding="utf-8")
    held.write_text(content + "\n", encoding="utf-8")
    try:
        with pytest.raises(StateError, match="fit_set"):
            read_fit(Study(study.folder))
    finally:
        held.write_text(content, encoding="utf-8")


def test_a_vanished_training_item_is_refused(study: Study, tmp_path: Path) -> None:
    """If this fails, influence is scored over other works than the registered training list holds."""
    write_study(tmp_path)
    plan, works = tmp_path / "study.json", tmp_path / "works.jsonl"
    plan.write_text(json.dumps({**PLAN, "items_root": study.bench.root}), encoding="utf-8")
    assert Study(tmp_path).bench.root == study.bench.root
    lines = works.read_text(encoding="utf-8").splitlines()
    works.write_text("\n".join(lines[1:]), encoding="utf-8")
    with pytest.raises(InputError, match="an item was added, removed or changed"):
        Study(tmp_path)


def test_effective_rank_counts_the_ways_in_which_tracks_differ() -> None:
    """If this fails, an operator is not warned of scores that are the same for every track."""
    assert effective_rank(np.outer(np.ones(5), np.arange(1.0, 9))) == pytest.approx(1)
    assert effective_rank(np.eye(6)) == pytest.approx(6)
    assert effective_rank(np.zeros((2, 3))) == 0


def test_cover_is_of_owners_that_gave_no_width() -> None:
    """If this fails, an interval looks sure because it is judged on what it was fitted on."""
    generator = np.random.default_rng(0)
    alike = cover_of_new_owners(generator.normal(size=(40, 50)))
    assert 0.88 < alike.mean < 0.92
    spread = cover_of_new_owners(generator.normal(size=(40, 50)) * generator.exponential(size=(40, 1)))
    assert spread.high - spread.low > alike.high - alike.low


def test_what_nobody_registered_stays_unattributed(study: Study) -> None:
    """If this fails, a recording outside the registry is paid, or its part goes to the others."""
    tracks = study.folder / "tracks.jsonl"
    whole, part = score(study, tracks)[0].vector, score(study, tracks, {"w1", "w5"})[0].vector
    assert {source.id for source in part.recording.sources} <= {"w1", "w5"}
    before = {source.id: source.ppm for source in whole.recording.sources}
    assert all(abs(source.ppm - before[source.id]) <= 1 for source in part.recording.sources)
    assert part.recording.unattributed + sum(source.ppm for source in part.recording.sources) == MILLION
    assert all(one.vector.recording.unattributed == MILLION for one in score(study, tracks, ()))


def test_a_dispute_states_its_cost_and_leaves_out_the_producer(study: Study) -> None:
    """If this fails, a dispute starts at an unknown price, or is judged by the seed that made the track."""
    before = dispute.cost(study, "owner-1", 2)
    assert (before.trainings, before.trained) == (6, 0)
    answer = dispute.settle(study, "owner-1", study.folder / "tracks.jsonl", seeds=2)
    assert dispute.cost(study, "owner-1", 2).trained == 6
    assert study.plan.producer not in answer["seeds"]
    assert answer["contrast_ppm"] == pytest.approx(answer["effect_ppm"] - answer["placebo_ppm"], abs=1)
    with pytest.raises(InputError, match="nobody"):
        dispute.cost(study, "nobody", 2)


def test_a_fit_of_other_settings_is_refused(study: Study) -> None:
    """If this fails, tracks are paid by a fit that was made from other models or another contract."""
    plan = study.folder / "study.json"
    plan.write_text(json.dumps({**PLAN, "c_ppm": 1_000_000}), encoding="utf-8")
    try:
        with pytest.raises(StateError, match="c_ppm"):
            read_fit(Study(study.folder))
    finally:
        plan.write_text(json.dumps(PLAN), encoding="utf-8")


@pytest.mark.parametrize("estimator", ["ekfac", "logra", "trak"])
def test_lds_is_measured_from_the_studys_own_subsets(study: Study, estimator: str) -> None:
    """If this fails, an operator cannot judge an estimator on the model in hand."""
    study.train(study.subset_jobs)
    found = measure_lds(study, study.folder / "held.jsonl", estimator)
    assert -1 <= found["low"] <= found["high"] <= 1
    assert found["subsets"] == 3
