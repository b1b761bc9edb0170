"""shapley-capped: both implementations, every size of game."""

from __future__ import annotations

import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payouts.rules.base import WHOLE, Rule, Split
from payouts.rules.shapley_capped import ShapleyCapped
from tests.support import examples


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[int, ...]]:
    random = draw(st.randoms(use_true_random=False))
    made = []
    for _ in range(draw(st.integers(1, 6))):
        cuts = sorted(random.randint(0, WHOLE) for _ in range(draw(st.integers(1, 9))))
        made.append(tuple(high - low for low, high in zip([0, *cuts], cuts, strict=False) if high > low))
    return made


@settings(max_examples=examples(200), deadline=None)
@given(batches(), st.integers(1, 1_000_000))
def test_with_and_without_numpy_the_same_integers(batch: list[tuple[int, ...]], tau: int) -> None:
    """If this fails, a statement recomputed without numpy shows other money."""
    rule = ShapleyCapped(tau=tau)
    assert rule.kernels(batch) == Rule.kernels(rule, batch)


@pytest.mark.parametrize("k", [13, 24, 33])
def test_large_games_are_the_same_without_numpy(k: int) -> None:
    """If this fails, the light core and the fast path disagree on a vector with many owners."""
    random = Random(k)
    masses = tuple(random.randint(1, WHOLE // (100 * k)) for _ in range(k))
    rule = ShapleyCapped(tau=5000)
    assert list(rule.kernels([masses])) == [rule.kernel(masses)]
    assert rule.kernel(masses) is not None


def test_numpy_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the light core cannot recompute a statement."""
    rule, masses = ShapleyCapped(tau=500_000), (WHOLE // 2, WHOLE // 4, WHOLE // 4)
    expected = rule.kernels([masses])
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.delitem(sys.modules, "payouts.rules.shapley_fast", raising=False)
    monkeypatch.delattr("payouts.rules.shapley_fast", raising=False)
    assert rule.kernels([masses]) == expected


@pytest.mark.parametrize(
    ("tau", "thousandths"),
    [(1_000_000, (600, 200, 150, 50)), (900_000, (634, 190, 134, 42)), (300_000, (431, 292, 208, 69))],
)
def test_known_splits(tau: int, thousandths: tuple[int, ...]) -> None:
    """If this fails, the game is another one than the rule's description says."""
    masses = tuple(WHOLE // 100 * part for part in (60, 20, 15, 5))
    split = ShapleyCapped(tau=tau).kernel(masses)
    assert isinstance(split, Split)
    assert tuple(round(1000 * numerator / split.denominator) for numerator in split.numerators) == thousandths


def test_below_tau_amounts_scale_and_the_rest_is_unattributed() -> None:
    """If this fails, half-explained tracks pay as if they were fully explained."""
    split = ShapleyCapped(tau=500_000).kernel((WHOLE // 4,))
    assert split == Split((WHOLE // 4,), WHOLE // 2)


@pytest.mark.parametrize(("k", "tau"), [(34, 3000), (40, 3000), (66, 3000), (66, 6000)])
def test_games_too_large_to_enumerate_are_counted_to_a_millionth(k: int, tau: int) -> None:
    """If this fails, a track of many owners pays more or less than the whole, or other owners than their influence."""
    random = Random(k)
    masses = tuple(random.randint(WHOLE // (200 * k), WHOLE // (100 * k)) for _ in range(k))
    rule = ShapleyCapped(tau=tau)
    (split,) = rule.kernels([masses])
    assert split == rule.kernel(masses)
    assert isinstance(split, Split)
    assert len(split.numerators) == k
    explained = min(sum(masses) / (tau * WHOLE // 1_000_000), 1)
    assert sum(split.numerators) / split.denominator == pytest.approx(explained, rel=0.01)
    ordered = [numerator for _, numerator in sorted(zip(masses, split.numerators, strict=True))]
    assert ordered == sorted(ordered)


def test_more_groups_than_can_be_divided_exactly_wait() -> None:
    """If this fails, a track of too many owners is divided by an estimate, or stops the run."""
    masses = (WHOLE // 67,) * 67
    rule = ShapleyCapped(tau=500_000)
    assert rule.kernel(masses) is None
    assert list(rule.kernels([masses, masses[:2]])) == [None, rule.kernel(masses[:2])]
    # Below tau the share is the influence itself, however many there are.
    assert ShapleyCapped().kernel(masses) == Split(masses, WHOLE)


def test_the_whole_is_no_cap() -> None:
    """If this fails, the rule caps a group at the whole pool and its money is rounded otherwise than pro-rata."""
    assert (ShapleyCapped().cap_ppm(), ShapleyCapped(kappa=999_999).cap_ppm()) == (None, 999_999)
