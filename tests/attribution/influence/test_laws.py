"""Laws of contrasts and shares, over many drawn tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.influence import combining, lds
from attribution.influence.adapter import Item
from attribution.influence.contrasts import centred, from_bank, from_leaving_out, split_half
from attribution.influence.retraining import TrainingJob, coalition_jobs, leave_one_out_jobs, seeds_needed, subset_jobs
from attribution.influence.shares import clusters, divide, item_sizes, owner_sizes, skill, within_owner, worth
from ledger.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)


def catalogue(seed: int, owners: int = 5, count: int = 40) -> tuple[list[Item], list[str]]:
    generator = np.random.default_rng(seed)
    names = [f"o{n}" for n in range(owners)]
    items = [
        Item(id=f"i{n}", owner=names[n % owners if n < owners else generator.integers(owners)], sha256=f"{n:064x}")
        for n in range(count)
    ]
    return items, names


@given(SEEDS, st.floats(0, 1))
def test_contrasts_sum_to_zero_and_shares_to_one(seed: int, c: float) -> None:
    """If this fails, paying one owner more does not take it from the others, or shares are not a whole."""
    generator = np.random.default_rng(seed)
    beta = centred(generator.normal(size=(5, 7)))
    assert np.abs(beta.sum(axis=0)).max() < 1e-9
    sizes = generator.dirichlet(np.ones(5))
    division = divide(beta, generator.uniform(1, 3, 7), sizes, c)
    assert np.abs(division.shares.sum(axis=0) - 1).max() < 1e-9
    assert (division.shares >= 0).all()
    assert ((division.clipped >= 0) & (division.clipped <= 1)).all()


@given(SEEDS)
def test_at_c_of_one_nothing_clipped_gives_the_gain(seed: int) -> None:
    """If this fails, base and contrasts are not the parts of what training gained."""
    generator = np.random.default_rng(seed)
    gain, sizes = generator.uniform(1, 3, 7), generator.dirichlet(np.ones(5))
    beta = centred(generator.normal(size=(5, 7)))
    np.testing.assert_allclose(worth(beta, gain, sizes, 1.0).sum(axis=0), gain)


@given(SEEDS)
def test_splitting_an_owner_leaves_its_base(seed: int) -> None:
    """If this fails, an owner is paid more base for founding a second company."""
    items, names = catalogue(seed)
    generator = np.random.default_rng(seed)
    split = [
        Item(
            id=item.id,
            owner="o0b" if item.owner == "o0" and generator.random() < 0.5 else item.owner,
            sha256=item.sha256,
        )
        for item in items
    ]
    whole = owner_sizes(items, names)
    parts = owner_sizes(split, ["o0b", *names])
    assert parts[0] + parts[1] == pytest.approx(whole[0])
    np.testing.assert_allclose(parts[2:], whole[1:])


@given(SEEDS)
def test_a_duplicate_inside_a_cluster_changes_no_share(seed: int) -> None:
    """If this fails, registering the same recording twice pays twice."""
    items, names = catalogue(seed)
    copied = items[np.random.default_rng(seed).integers(len(items))]
    more = [*items, Item(id="copy", owner=copied.owner, sha256=copied.sha256)]
    assert len(set(clusters(more))) == len(items)
    np.testing.assert_allclose(owner_sizes(more, names), owner_sizes(items, names))
    beta, gain = centred(np.random.default_rng(seed).normal(size=(len(names), 3))), np.full(3, 2.0)
    shares = [divide(beta, gain, owner_sizes(listed, names), 0.3).shares for listed in (more, items)]
    np.testing.assert_allclose(shares[0], shares[1])
    paid = item_sizes(clusters(more))
    assert sum(size for item, size in zip(more, paid, strict=True) if item.sha256 == copied.sha256) == pytest.approx(1)


@given(SEEDS, st.floats(0, 1), st.floats(-1, 1))
def test_an_owners_share_goes_to_its_recordings_whole(seed: int, share: float, beta: float) -> None:
    """If this fails, money of an owner is lost or made between its recordings."""
    generator = np.random.default_rng(seed)
    parts = within_owner(share, generator.random(6), beta, generator.normal(size=6))
    assert (parts >= 0).all()
    assert parts.sum() == pytest.approx(share)


@given(SEEDS)
def test_a_bank_finds_an_additive_truth(seed: int) -> None:
    """If this fails, the exact tier is wrong even where owners simply add up and seeds have a level."""
    items, names = catalogue(seed, owners=6)
    effects = centred(np.random.default_rng(seed).normal(size=(6, 4)))
    levels = np.random.default_rng(seed + 1).normal(size=1000)

    def values(jobs: list[TrainingJob]) -> np.ndarray:
        rows = []
        for job in jobs:
            absent = {items[n].owner for n in job.left_out}
            present = [n for n, name in enumerate(names) if name not in absent]
            rows.append(effects[present].sum(axis=0) + levels[job.seed])
        return np.stack(rows)

    bank = coalition_jobs(names, items, 60, seed=10)
    assert all(
        {items[n].owner for n in bank[3].left_out}.isdisjoint({items[n].owner for n in bank[4].left_out}) for _ in "x"
    )
    # The ridge shrinks a little; halves then agree with each other and with the truth.
    found = from_bank(bank, values(bank), items, names)
    assert np.corrcoef(found.ravel(), effects.ravel())[0, 1] > 0.999
    assert split_half(bank, values(bank), items, names)[0] > 0.99
    alone = leave_one_out_jobs(names, items, [1, 2])
    np.testing.assert_allclose(from_leaving_out(alone, values(alone), items, names), effects, atol=1e-9)


@given(SEEDS)
def test_the_fit_finds_the_better_estimator(seed: int) -> None:
    """If this fails, an estimator that is noise is paid by as much as one that is right."""
    generator = np.random.default_rng(seed)
    truth = centred(generator.normal(size=(8, 30)))
    features = {
        "good": 5 * truth + 0.1 * generator.normal(size=truth.shape),
        "noise": generator.normal(size=truth.shape),
    }
    weights = combining.fit(features, truth)
    assert weights.weight["good"] > 10 * abs(weights.weight["noise"])
    assert np.corrcoef(combining.held_out_prediction(features, truth).ravel(), truth.ravel())[0, 1] > 0.99


def test_lds_is_one_for_additive_scores_and_none_for_noise() -> None:
    """If this fails, the judge of all estimators judges wrongly."""
    items, _ = catalogue(3)
    generator = np.random.default_rng(4)
    scores = generator.normal(size=(9, len(items)))
    jobs = subset_jobs(items, 24, seed=7)
    present = np.ones((len(jobs), len(items)))
    for row, job in enumerate(jobs):
        present[row, list(job.left_out)] = 0
    exact = lds.measure(scores, jobs, present @ scores.T)
    assert exact.score == pytest.approx(1)
    assert exact.ceiling == pytest.approx(1)
    noise = lds.measure(generator.normal(size=scores.shape), jobs, present @ scores.T)
    assert abs(noise.score) < 0.25
    assert noise.low <= noise.score <= noise.high


def test_skill_is_none_for_size_and_whole_at_the_floor() -> None:
    """If this fails, paying by size looks like knowing something."""
    sizes = np.array([0.5, 0.3, 0.2])
    truth = np.array([[0.2, 0.6], [0.5, 0.2], [0.3, 0.2]])
    assert skill(np.broadcast_to(sizes[:, None], truth.shape), truth, sizes, 0.05) == pytest.approx(0)
    assert skill(truth, truth, sizes, 0.0) == pytest.approx(1)


def test_seeds_needed_follows_the_precision() -> None:
    """If this fails, a dispute is promised a precision that its seeds cannot give."""
    assert seeds_needed(0.012, 0.01) == 6
    assert seeds_needed(0.021, 0.01) == 17
    with pytest.raises(InputError, match="above 0"):
        seeds_needed(0.0, 0.01)
