"""The Shapley value of the saturating game: every path against brute force, axioms, and the integer traps."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from math import comb, factorial
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from payouts.rules import shapley, shapley_fast
from tests.support import examples

Game = tuple[list[int], int]


def over_subsets(masses: list[int], target: int) -> list[Fraction]:
    """The definition, in Fractions: the mean marginal contribution, by size of the coalition joined."""
    k = len(masses)
    out = [Fraction(0)] * k
    for coalition in range(1 << k):
        held = sum(masses[i] for i in range(k) if coalition >> i & 1)
        size = coalition.bit_count()
        for i in range(k):
            if not coalition >> i & 1:
                gain = min(held + masses[i], target) - min(held, target)
                out[i] += Fraction(gain, k * comb(k - 1, size))
    return out


def over_orders(masses: list[int], target: int) -> list[Fraction]:
    """The same by arrival: everybody takes what is left when they come, over all orders."""
    out = [Fraction(0)] * len(masses)
    for order in permutations(range(len(masses))):
        left = target
        for i in order:
            out[i] += min(masses[i], left)
            left -= min(masses[i], left)
    return [share / factorial(len(masses)) for share in out]


def as_shares(numerators: list[int]) -> list[Fraction]:
    return [Fraction(numerator, factorial(len(numerators))) for numerator in numerators]


@st.composite
def games(draw: st.DrawFn, players: int = 8, largest: int = 1000) -> Game:
    masses = draw(st.lists(st.integers(1, largest) | st.sampled_from((1, largest)), min_size=1, max_size=players))
    return masses, draw(st.integers(1, sum(masses)))


@settings(max_examples=examples(400), deadline=None)
@given(games())
@example(([600, 200, 150, 50], 900))
def test_every_path_equals_brute_force(game: Game) -> None:
    """If this fails, a path of the exact computation is not exact."""
    masses, target = game
    expected = over_subsets(masses, target)
    assert as_shares(shapley.by_halves(masses, target)) == expected
    assert as_shares(shapley.count_exactly(masses, target)) == expected
    assert as_shares(shapley_fast.by_halves(masses, target)) == expected
    assert as_shares(shapley_fast.enumerate_batch([masses], target)[0]) == expected
    if shapley_fast.can_count(masses, target):
        assert as_shares(shapley_fast.count_one(masses, target)) == expected


@settings(max_examples=examples(60), deadline=None)
@given(games(players=6))
def test_subsets_and_orders_of_arrival_agree(game: Game) -> None:
    """If this fails, the oracle itself is wrong."""
    assert over_subsets(*game) == over_orders(*game)


@settings(max_examples=examples(4), deadline=None)
@given(games(players=12, largest=10**12))
@example((list(range(1, 13)), 30))
def test_twelve_players_with_masses_of_any_size_equal_brute_force(game: Game) -> None:
    """If this fails, large masses or larger games lose a unit somewhere."""
    masses, target = game
    assert as_shares(shapley.by_halves(masses, target)) == over_subsets(masses, target)


@settings(max_examples=examples(300), deadline=None)
@given(games(), st.integers(2, 9))
def test_axioms(game: Game, factor: int) -> None:
    """If this fails: efficiency, symmetry, null player, scale, monotony or the core is broken."""
    masses, target = game
    shares = as_shares(shapley.by_halves(masses, target))
    assert sum(shares) == min(sum(masses), target)
    for a, share_a in zip(masses, shares, strict=True):
        for b, share_b in zip(masses, shares, strict=True):
            assert (a == b) <= (share_a == share_b)
            assert (a <= b) <= (share_a <= share_b)
    assert as_shares(shapley.by_halves([*masses, 0], target)) == [*shares, 0]
    scaled = shapley.by_halves([factor * mass for mass in masses], factor * target)
    assert as_shares(scaled) == [factor * share for share in shares]
    value = min(sum(masses), target)
    for mass, share in zip(masses, shares, strict=True):
        assert value - min(sum(masses) - mass, target) <= share <= min(mass, target)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(games(players=5), min_size=1, max_size=3), st.data())
def test_additivity_over_games(some: list[Game], data: st.DataObject) -> None:
    """If this fails, summing events before or after the split gives different money."""
    k = min(len(masses) for masses, _ in some)
    weights = data.draw(st.lists(st.integers(1, 9), min_size=len(some), max_size=len(some)))
    cut = [(masses[:k], target) for masses, target in some]
    total = [Fraction(0)] * k
    for coalition in range(1 << k):
        size = coalition.bit_count()
        for i in range(k):
            if not coalition >> i & 1:
                for (masses, target), weight in zip(cut, weights, strict=True):
                    held = sum(masses[j] for j in range(k) if coalition >> j & 1)
                    gain = min(held + masses[i], target) - min(held, target)
                    total[i] += Fraction(weight * gain, k * comb(k - 1, size))
    each = [as_shares(shapley.by_halves(masses, target)) for masses, target in cut]
    summed = [sum((w * shares[i] for w, shares in zip(weights, each, strict=True)), Fraction(0)) for i in range(k)]
    assert summed == total


@settings(max_examples=examples(200), deadline=None)
@given(games())
def test_the_game_and_its_dual_share_out_all_there_is(game: Game) -> None:
    """If this fails, counting the smaller of target and rest gives another result than counting the target."""
    masses, target = game
    rest = sum(masses) - target
    if rest == 0:
        return
    ours, duals = over_subsets(masses, target), over_subsets(masses, rest)
    assert [a + b for a, b in zip(ours, duals, strict=True)] == masses


def test_a_batch_equals_its_games_one_by_one() -> None:
    """If this fails, a game's result depends on what else is computed with it."""
    random = Random(7)
    for k in (1, 2, 10, 13):
        batch = [[random.randint(1, 10**11) for _ in range(k)] for _ in range(40)]
        target = 2 * 10**11
        expected = [shapley.by_halves(game, target) for game in batch]
        assert shapley_fast.enumerate_batch(batch, target) == expected


def test_counts_of_64_players_do_not_overflow() -> None:
    """If this fails, the dot product of counts near 2^61 with gains has wrapped: at 64 players it first does."""
    random = Random(64)
    masses = [random.randint(1, 60) for _ in range(64)]
    target = 1000
    fast = shapley_fast.count_one(masses, target)
    assert fast == shapley.count_exactly(masses, target)
    assert sum(fast) == factorial(64) * target


def test_66_equal_players_share_equally() -> None:
    """If this fails, the largest game that int64 counts can hold is wrong; its middle row is over 2^62."""
    fast = shapley_fast.count_one([2] * 66, 66)
    assert fast == shapley.count_exactly([2] * 66, 66)
    assert set(as_shares(fast)) == {Fraction(1)}
    assert comb(66, 33) <= shapley.INT64_MAX < comb(67, 33)


def test_sums_by_size_beyond_int64_are_left_to_python() -> None:
    """If this fails, an enumeration whose sums pass 2^63 is given to numpy, which wraps silently."""
    assert shapley.size_sums_fit(20, 10**12, 10**12)
    assert not shapley.size_sums_fit(20, 10**14, 10**14)
    assert not shapley.size_sums_fit(3, 10, 2**63)


@pytest.mark.parametrize("k", [13, 20, 27])
def test_halves_at_full_resolution_equal_python_and_sum(k: int) -> None:
    """If this fails, sums beyond int64 (from 26 players with masses near 10^12) have wrapped in numpy."""
    random = Random(k)
    masses = [random.randint(1, 2 * 10**12 // k) for _ in range(k)]
    target = sum(masses) * 4 // 5
    fast = shapley_fast.by_halves(masses, target)
    assert fast == shapley.by_halves(masses, target)
    assert sum(fast) == factorial(k) * target


@pytest.mark.parametrize("k", [21, 30])
def test_halving_and_counting_agree(k: int) -> None:
    """If this fails, the two exact methods differ where both can be used."""
    random = Random(k)
    masses = [random.randint(1, 2_000) for _ in range(k)]
    target = sum(masses) * 3 // 5
    assert shapley_fast.by_halves(masses, target) == shapley.count_exactly(masses, target)


@pytest.mark.parametrize("k", [21, 30])
def test_counting_at_ppm_equals_python(k: int) -> None:
    """If this fails, wide rows of counts differ between the two implementations."""
    random = Random(k)
    masses = [random.randint(1, 2_000) for _ in range(k)]
    target = sum(masses) * 3 // 5
    assert shapley_fast.count_one(masses, target) == shapley.count_exactly(masses, target)


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=30))
def test_coarser_masses_keep_equals_equal_and_never_pass_the_whole(masses: list[int]) -> None:
    """If this fails, bringing masses to ppm treats equal owners differently or makes influence from nothing."""
    whole = sum(masses) + 1
    coarse = shapley.bring_to(masses, whole, 1_000_000)
    assert sum(coarse) <= 1_000_000
    for mass, got in zip(masses, coarse, strict=True):
        assert abs(Fraction(mass * 1_000_000, whole) - got) < 1
        assert {other for m, other in zip(masses, coarse, strict=True) if m == mass} == {got}


def test_coarse_units_go_to_the_largest_remainders() -> None:
    """If this fails, the units left over by rounding go by size, not by what rounding took."""
    assert shapley.bring_to([5, 4], 10, 4) == [2, 2]
    assert shapley.bring_to([4, 4], 10, 4) == [1, 1]
