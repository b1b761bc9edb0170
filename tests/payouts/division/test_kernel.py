"""The kernel: groups first, then parties, then claims; each blind to the finer one."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.division.kernel import BILLION, EXACT, Claim, Kernel, Portion, game_of, kernels
from payouts.errors import RuleError
from payouts.rules.base import WHOLE, Rule, Split
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from tests.payouts.rules.test_shapley import over_subsets

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


def test_claims_on_the_whole_leave_nothing_unattributed() -> None:
    """If this fails, bringing masses to the kernel's unit takes from owners for whom nothing is rounded."""
    game = game_of([(claim("g", "p", "x"), EXACT // 2 + 1), (claim("h", "p", "x"), EXACT // 2 - 1)], SALT)
    assert sum(game.masses) == WHOLE
    game = game_of([(claim("g", "p", "x"), EXACT // 2 + 1), (claim("h", "p", "x"), EXACT // 4 - 1)], SALT)
    assert sum(game.masses) == WHOLE // 4 * 3


def test_the_same_claim_twice_is_their_sum() -> None:
    """If this fails, an owner of two links to one source is paid for the last of them."""
    twice = [(claim("g", "p", "x"), EXACT // 4), (claim("g", "p", "x"), EXACT // 4), (claim("g", "q", "x"), EXACT // 2)]
    once = [(claim("g", "p", "x"), EXACT // 2), (claim("g", "q", "x"), EXACT // 2)]
    assert kernels(ProRata(), [game_of(twice, SALT)]) == kernels(ProRata(), [game_of(once, SALT)])


def test_ties_inside_a_party_go_by_the_hash_of_the_claim() -> None:
    """If this fails, an outsider cannot recompute which of two equal claims got the odd billionth."""
    made = [claim("g", "p", source) for source in "xyz"]
    (kernel,) = kernels(ProRata(), [game_of([(one, EXACT // 3) for one in made], SALT)])
    first = min(made, key=lambda one: hashlib.sha256(SALT + "\0".join(one).encode()).digest())
    assert {portion.claim: portion.ppb for portion in kernel.portions} == {
        one: BILLION // 3 + (one == first) for one in made
    }


def test_a_game_out_of_reach_is_suspense_of_its_own() -> None:
    """If this fails, a vector with too many owners pays one of them, or stops the run."""
    game = game_of([(claim(f"g{n:02}", "p", "x"), EXACT // 67) for n in range(67)], SALT)
    group = f"?vector:{SALT.hex()}"
    unknown = Claim(group, "", "", "recording", "estimated", "suspense", "too-many-owners")
    assert kernels(ShapleyCapped(tau=1), [game]) == [Kernel((Portion(unknown, BILLION),), 0)]


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


def test_a_rule_that_skips_a_game_is_refused() -> None:
    """If this fails, tracks that a faulty plug-in leaves out are paid by another track's split, or not at all."""

    class Forgetful(ProRata):
        def kernels(self, batch: object) -> list[Split | None]:
            del batch
            return []

    with pytest.raises(ValueError, match="shorter"):
        kernels(Forgetful(), [game_of([(claim("g", "p", "x"), EXACT)], SALT)])
