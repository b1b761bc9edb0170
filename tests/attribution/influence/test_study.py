"""A study from its folder: fit, score, dispute, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch

from attribution.influence import dispute
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
