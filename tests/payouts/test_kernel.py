"""The kernel: groups first, then parties, then claims; each blind to the finer one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.errors import RuleError
from payouts.kernel import BILLION, EXACT, Claim, game_of, kernels
from payouts.rules.base import WHOLE, Rule, Split
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from tests.payouts.test_shapley import over_subsets

SALT = bytes(32)


def claim(group: str, party: str, source: str) -> Claim:
    return Claim(group, party, source, "recording", "declared", "allocated")


@st.composite
def claims(draw: st.DrawFn) -> list[tuple[Claim, int]]:
    keys = st.tuples(st.sampled_from("gh"), st.sampled_from("pqr"), st.sampled_from("xyz"))
    chosen = draw(st.lists(keys, max_size=8, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, EXACT), min_size=len(chosen), max_size=len(chosen))))
    masses = [high - low for low, high in zip([0, *cuts], cuts, strict=False)]
    return [(claim(*key), mass) for key, mass in zip(chosen, masses, strict=True)]


@given(claims(), st.randoms())
def test_a_kernel_sums_to_a_billion_in_any_order(made: list[tuple[Claim, int]], random: object) -> None:
    """If this fails, part of a vector's weight is lost, or depends on the order its sources are listed in."""
    (kernel,) = kernels(ProRata(), [game_of(made, SALT)])
    assert sum(portion.ppb for portion in kernel.portions) + kernel.unattributed == BILLION
    random.shuffle(made)  # type: ignore[attr-defined]
    assert kernels(ProRata(), [game_of(made, SALT)]) == [kernel]


@given(claims())
def test_a_group_is_within_a_billionth_of_its_exact_part(made: list[tuple[Claim, int]]) -> None:
    """If this fails, the declared quantisation is coarser than declared."""
    (kernel,) = kernels(ProRata(), [game_of(made, SALT)])
    for group in "gh":
        exact = Fraction(sum(mass for one, mass in made if one.group == group), EXACT)
        got = sum(portion.ppb for portion in kernel.portions if portion.claim.group == group)
        assert abs(exact * BILLION - got) < Fraction(1001, 1000)


@given(claims(), st.integers(1, 1_000_000))
def test_shapley_ppb_is_the_oracle_rounded(made: list[tuple[Claim, int]], tau: int) -> None:
    """If this fails, something other than the declared largest remainder stands between the game and the money."""
    game = game_of(made, SALT)
    (kernel,) = kernels(ShapleyCapped(tau=tau), [game])
    target = tau * (WHOLE // 1_000_000)
    for group, share in zip(game.groups, over_subsets(list(game.masses), target), strict=True):
        got = sum(portion.ppb for portion in kernel.portions if portion.claim.group == group)
        assert abs(share / target * BILLION - got) < 1


def test_a_claim_on_more_than_the_whole_is_a_defect() -> None:
    """If this fails, overlapping shares pay out more than there is."""
    with pytest.raises(ValueError, match="more than the whole"):
        game_of([(claim("g", "p", "x"), EXACT + 1)], SALT)


def test_equal_masses_are_computed_once() -> None:
    """If this fails, a million tracks with one split cost a million games."""
    asked: list[int] = []

    class Counting(ProRata):
        def kernels(self, batch: object) -> list[Split | None]:
            asked.append(len(batch))  # type: ignore[arg-type]
            return list(ProRata.kernels(self, batch))  # type: ignore[arg-type]

    games = [game_of([(claim(f"g{n}", "p", "x"), EXACT)], bytes([n]) * 32) for n in range(9)]
    kernels(Counting(), games)
    assert asked == [1]


@pytest.mark.parametrize("numerators", [(-1, 1), (2, 2), (1,)])
def test_a_rule_that_breaks_its_contract_is_refused(numerators: tuple[int, ...]) -> None:
    """If this fails, a faulty plug-in pays negative or surplus money."""

    class Faulty(Rule):
        name = "faulty"

        def kernel(self, masses: object) -> Split:
            del masses
            return Split(numerators, 3)

    game = game_of([(claim("g", "p", "x"), EXACT // 2), (claim("h", "p", "x"), EXACT // 2)], SALT)
    with pytest.raises(RuleError, match="faulty"):
        kernels(Faulty(), [game])
