"""The whole computation, on small pools with known answers."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import pytest

from payouts.compute import Inputs, Line, compute
from payouts.errors import RuleError, UsageError
from payouts.protocols import HoldMatch
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from payouts.rules.training import Training
from tests.payouts.worlds import World, inputs, plays, sole, vector


def shape(pool: Inputs) -> dict[tuple[str, str, str], int]:
    """(group, state, reason) -> micros."""
    return {(line.group, line.state, line.reason): line.micros for line in compute(pool).lines}


def test_pro_rata_pays_for_influence_stream_by_stream() -> None:
    """If this fails, the plainest pool is paid wrongly."""
    world = sole("a", "b")
    made = [vector("t1", {"a": 600_000, "b": 200_000}), vector("t2", {"b": 1_000_000})]
    outcome = compute(inputs(world, [plays("t1", 30), plays("t2", 10)], made, micros=400))
    assert outcome.allocated_by_party() == {"p-a": 180, "p-b": 160}
    assert outcome.unattributed == 60
    assert outcome.units == 40
    assert (outcome.held, outcome.suspense, outcome.reserve) == (0, 0, 0)


def test_one_rounding_not_one_per_stream() -> None:
    """If this fails, amounts are floored row by row and dust is lost: 3 rows of a third of a micro each."""
    world = sole("a", "b", "c")
    made = [vector(f"t{n}", {"a": 333_334, "b": 333_333, "c": 333_333}) for n in range(3)]
    outcome = compute(inputs(world, [plays(f"t{n}", 1) for n in range(3)], made, micros=3))
    assert outcome.allocated_by_party() == {"p-a": 1, "p-b": 1, "p-c": 1}


def test_aspects_pay_their_own_rights() -> None:
    """If this fails, a composition's influence pays a label, or a recording's a publisher."""
    world = sole("rec").own("wrk", ("p-writer", 1_000_000), right="publishing")
    world.works = {"rec": (("wrk", 1_000_000),)}
    made = [vector("t", {"rec": 1_000_000}, {"rec": 500_000})]
    outcome = compute(
        inputs(world, [plays("t", 1)], made, aspects=(("recording", 700_000), ("composition", 300_000)), micros=100)
    )
    assert outcome.allocated_by_party() == {"p-rec": 70, "p-writer": 15}
    assert outcome.unattributed == 15


def test_a_recording_of_several_works_pays_each_by_its_link() -> None:
    """If this fails, a medley pays one of its works for all."""
    world = (
        World().own("w-1", ("p-1", 1_000_000), right="publishing").own("w-2", ("p-2", 1_000_000), right="publishing")
    )
    world.works = {"rec": (("w-1", 250_000), ("w-2", 500_000))}
    pool = inputs(
        world,
        [plays("t", 1)],
        [vector("t", None, {"rec": 1_000_000})],
        aspects=(("composition", 1_000_000),),
        micros=100,
    )
    assert shape(pool) == {
        ("p-1", "allocated", ""): 25,
        ("p-2", "allocated", ""): 50,
        ("?publishing:rec", "suspense", "work-unknown"): 25,
    }


def test_territory_rows_replace_world_rows_and_dates_decide() -> None:
    """If this fails, a Swedish stream pays the world's owner, or a stream pays who owned it later."""
    world = sole("rec").own("rec", ("p-nordic", 1_000_000), territory="SE")
    world.own("rec", ("p-buyer", 1_000_000), territory="SE", start="2026-06-10")
    usage = [
        plays("t", 1),
        plays("t", 2, territory="NO"),
        plays("t", 4, at="2026-06-10T00:00:00Z"),
    ]
    outcome = compute(inputs(world, usage, [vector("t", {"rec": 1_000_000})], micros=7))
    assert outcome.allocated_by_party() == {"p-buyer": 4, "p-nordic": 1, "p-rec": 2}


def test_shares_that_do_not_sum_are_suspense_and_a_player_of_their_own() -> None:
    """If this fails, money for an unknown owner is paid to somebody, or spread over the rest."""
    world = sole("a").own("b", ("p-half", 500_000), state="short").own("c", ("p-x", 999_999), state="confirmed")
    world.own("d", ("p-y", 1_000_000), ("p-z", 500_000), state="conflict")
    made = [vector("t", {"a": 400_000, "b": 300_000, "c": 200_000, "d": 100_000})]
    assert shape(inputs(world, [plays("t", 1)], made, micros=10)) == {
        ("p-a", "allocated", ""): 4,
        ("?master:b", "suspense", "shares-short"): 3,
        ("?master:c", "suspense", "shares-short"): 2,
        ("?master:d", "suspense", "shares-in-conflict"): 1,
    }


def test_reasons_stand_beside_the_money() -> None:
    """If this fails, a holder is not told why money is held, or the wrong hold is named."""
    world = sole("a", "b", "c").own("d", ("p-1", 500_000), ("p-2", 500_000), state="disputed", disputed=("p-2",))
    world.denied = {("b", "condition")}
    made = [vector("t", {"a": 250_000, "b": 250_000, "c": 250_000, "d": 250_000})]
    holds = [
        HoldMatch(id="h-2", reason="fraud", track="t"),
        HoldMatch(id="h-1", reason="payee-incomplete", party="p-c"),
    ]
    pool = inputs(world, [plays("t", 1)], made, micros=8)
    assert shape(pool) == {
        ("p-a", "allocated", ""): 2,
        ("p-b", "held", "permission"): 2,
        ("p-c", "allocated", ""): 2,
        ("p-1", "allocated", ""): 1,
        ("p-2", "held", "dispute"): 1,
    }
    held = compute(dataclasses.replace(pool, holds=tuple(holds)))
    assert {line.group: (line.reason, line.ref) for line in held.lines} == {
        "p-a": ("fraud", "h-2"),
        "p-b": ("permission", ""),
        "p-c": ("payee-incomplete", "h-1"),
        "p-1": ("fraud", "h-2"),
        "p-2": ("dispute", ""),
    }


def test_one_partys_line_splits_by_what_becomes_of_it() -> None:
    """If this fails, holding one recording holds an owner's whole catalogue."""
    world = World().own("a", ("p", 1_000_000)).own("b", ("p", 1_000_000))
    made = [vector("t", {"a": 500_000, "b": 500_000})]
    pool = inputs(world, [plays("t", 1)], made, micros=3, holds=[HoldMatch(id="h", reason="dispute", subject="b")])
    lines = compute(pool).lines
    assert sum(line.micros for line in lines) == 3
    assert {line.state for line in lines} == {"allocated", "held"}
    uneven = [vector("t", {"a": 750_000, "b": 250_000})]
    pool = inputs(world, [plays("t", 1)], uneven, micros=4, holds=[HoldMatch(id="h", reason="dispute", subject="b")])
    assert shape(pool) == {("p", "allocated", ""): 3, ("p", "held", "dispute"): 1}


def test_what_is_attributed_to_nobody_adds_up_over_tracks() -> None:
    """If this fails, the unattributed part of one track takes the place of another's, and somebody gets the rest."""
    made = [vector("t", {"a": 500_000}), vector("u", {"a": 250_000})]
    outcome = compute(inputs(sole("a"), [plays("t", 4), plays("u", 4)], made, micros=8))
    assert (outcome.allocated, outcome.unattributed) == (3, 5)
    assert outcome.weight_unattributed * 8 == outcome.weight * 5
    rows = [plays("t", 4), plays("u", 4, vector=None), plays("v", 2, vector=None)]
    loose = compute(inputs(sole("a"), rows, made, micros=10))
    assert {(line.group, line.micros) for line in loose.lines} == {("p-a", 2), ("?track:u", 4), ("?track:v", 2)}


@pytest.mark.parametrize(("error", "paid"), [(99_999, 1), (100_000, 1), (100_001, 0), (None, 0)])
def test_a_vector_pays_up_to_the_error_that_the_terms_accept(error: int | None, paid: int) -> None:
    """If this fails, a pool pays on estimates worse than its terms accept, or keeps back those as good as agreed."""
    made = [vector("t", {"a": 1_000_000}, basis="estimated", error_ppm=error)]
    outcome = compute(inputs(sole("a"), [plays("t", 1)], made, error_max_ppm=100_000, micros=1))
    assert (outcome.allocated, outcome.suspense) == (paid, 1 - paid)


def test_a_hold_on_a_platform_holds_that_platforms_streams_only() -> None:
    """If this fails, a fraud review of one platform blocks the money of another."""
    pool = inputs(
        sole("a"),
        [plays("t", 1), plays("t", 2, source="best")],
        [vector("t", {"a": 1_000_000})],
        micros=3,
        holds=[HoldMatch(id="h", reason="fraud", source="best")],
    )
    assert shape(pool) == {("p-a", "allocated", ""): 1, ("p-a", "held", "fraud"): 2}


def test_a_hold_on_a_track_holds_that_track_only() -> None:
    """If this fails, a review of one track blocks what its owners earn by all others, or by a training set."""
    world = sole("a")
    world.models, world.training = {"u": ("mdl", "1")}, {("mdl", "1"): ("a",)}
    hold = HoldMatch(id="h", reason="fraud", track="t")
    made = [vector("t", {"a": 1_000_000}), vector("u", {"a": 500_000})]
    pool = inputs(world, [plays("t", 1), plays("u", 2)], made, unattributed="training", micros=3, holds=[hold])
    assert shape(pool) == {("p-a", "allocated", ""): 2, ("p-a", "held", "fraud"): 1}
    elsewhere = dataclasses.replace(hold, track=None, source="best")
    assert shape(dataclasses.replace(pool, holds=(elsewhere,))) == {("p-a", "allocated", ""): 3}


def test_suspected_streams_of_a_held_party_stay_under_the_hold_on_their_listeners() -> None:
    """If this fails, the release of a party's hold also pays the streams that another hold calls suspicious."""
    rows = [plays("t", 1), plays("t", 2, hold="h-2")]
    holds = [HoldMatch(id="h-1", reason="legal", party="p-a"), HoldMatch(id="h-2", reason="fraud", listeners="d" * 64)]
    pool = inputs(sole("a"), rows, [vector("t", {"a": 1_000_000})], micros=3, holds=holds)
    assert {line.ref: line.micros for line in compute(pool).lines} == {"h-1": 1, "h-2": 2}


def test_a_rule_that_weighs_below_zero_or_skips_a_row_is_refused() -> None:
    """If this fails, a faulty plug-in pays negative money, or leaves a row's money with its neighbours."""

    class Faulty(ProRata):
        weights: ClassVar[list[int]] = []

        def weigh(self, rows: object, weight: object) -> list[int]:
            del rows, weight
            return self.weights

    pool = inputs(sole("a"), [plays("t", 1)], [vector("t", {"a": 1_000_000})], rule=Faulty())
    for weights in ([], [-1], [1, 1]):
        Faulty.weights = weights
        with pytest.raises(RuleError, match="expected a weight >= 0 for each"):
            compute(pool)


def test_style_is_shared_equally_by_the_recordings_of_the_group() -> None:
    """If this fails, diffuse influence is paid to nobody, or by something that was not declared."""
    world = sole("a", "b")
    world.styles = {"style:blues": ("a", "b")}
    made = [vector("t", {"a": 1_000_000}, None, {"style:blues": 500_000, "style:polka": 500_000})]
    pool = inputs(world, [plays("t", 1)], made, aspects=(("recording", 600_000), ("style", 400_000)), micros=100)
    assert shape(pool) == {
        ("p-a", "allocated", ""): 70,
        ("p-b", "allocated", ""): 10,
        ("?style:polka", "suspense", "style-empty"): 20,
    }


def test_unattributed_goes_where_the_terms_say() -> None:
    """If this fails, unattributed money is spread silently, or the training set never sees it."""
    world = sole("a", "x", "y")
    world.models, world.training = {"t": ("mdl", "1")}, {("mdl", "1"): ("x", "y")}
    usage = [plays("t", 1), plays("u", 1)]
    made = [vector("t", {"a": 200_000}), vector("u", {"a": 1_000_000})]
    back = compute(inputs(world, usage, made, micros=20))
    assert (back.unattributed, back.allocated_by_party()) == (8, {"p-a": 12})
    spread = compute(inputs(world, usage, made, micros=20, unattributed="training"))
    assert (spread.unattributed, spread.allocated_by_party()) == (0, {"p-a": 12, "p-x": 4, "p-y": 4})


def test_a_training_set_pays_only_recordings_that_may_be_trained_on() -> None:
    """If this fails, a recording withdrawn from training is paid as if it were not, or its writers are held for it."""
    world = sole("x", "y").own("wrk", ("p-writer", 1_000_000), right="publishing")
    world.works = {"x": (("wrk", 1_000_000),)}
    world.training, world.denied = {("mdl", "1"): ("x", "y")}, {("x", "train"), ("wrk", "train")}
    mix = (("recording", 500_000), ("composition", 500_000))
    assert shape(inputs(world, [], rule=Training(model="mdl"), aspects=mix, micros=4)) == {
        ("p-x", "held", "permission"): 1,
        ("p-y", "allocated", ""): 1,
        ("p-writer", "allocated", ""): 2,
    }


def test_what_the_last_run_left_is_shared_on_top() -> None:
    """If this fails, unattributed money that was promised to the next pool never arrives there."""
    pool = inputs(sole("a"), [plays("t", 1)], [vector("t", {"a": 500_000})], micros=100, unattributed="carry")
    first = compute(pool)
    second = compute(dataclasses.replace(pool, carried=first.unattributed))
    assert (first.unattributed, second.pool, second.allocated) == (50, 150, 75)


def test_the_reserve_is_kept_before_anything_is_shared() -> None:
    """If this fails, the reserve is taken twice, or out of somebody's line."""
    outcome = compute(
        inputs(sole("a"), [plays("t", 1)], [vector("t", {"a": 1_000_000})], reserve_ppm=50_000, micros=101)
    )
    assert (outcome.reserve, outcome.allocated) == (5, 96)


def test_the_cap_hands_on_what_a_group_may_not_take() -> None:
    """If this fails, capped money disappears or stays with the largest."""
    world = sole("a", "b", "c")
    made = [vector("t", {"a": 800_000, "b": 150_000, "c": 50_000})]
    rule = ShapleyCapped(kappa=500_000)
    assert compute(inputs(world, [plays("t", 1)], made, rule=rule, micros=100)).allocated_by_party() == {
        "p-a": 50,
        "p-b": 38,
        "p-c": 12,
    }
    all_capped = compute(inputs(world, [plays("t", 1)], made, rule=ShapleyCapped(kappa=200_000), micros=100))
    assert all_capped.allocated_by_party() == {"p-a": 20, "p-b": 20, "p-c": 20}
    assert all_capped.reserve == 40


def test_more_than_66_owners_past_tau_is_suspense_not_a_guess() -> None:
    """If this fails, a split that cannot be computed exactly is paid anyway."""
    names = [f"r{n}" for n in range(67)]
    made = [vector("t", dict.fromkeys(names, 1_000_000 // 67))]
    pool = inputs(sole(*names), [plays("t", 1)], made, rule=ShapleyCapped(tau=500_000), micros=100)
    (line,) = compute(pool).lines
    assert (line.state, line.reason, line.micros) == ("suspense", "too-many-owners", 100)
    assert compute(dataclasses.replace(pool, rule=ShapleyCapped())).suspense == 0


def test_a_period_without_usage_gives_the_pool_back() -> None:
    """If this fails, an empty month is an error, or pays somebody."""
    outcome = compute(inputs(World(), [], micros=100))
    assert (outcome.unattributed, outcome.lines, outcome.pool) == (100, (), 100)
    assert compute(inputs(World(), [], price_micros=5)).pool == 0


def test_pool_terms_choose_the_events() -> None:
    """If this fails, a pool for one platform, product or country pays for the streams of others."""
    made = [vector("t", {"a": 1_000_000})]
    usage = [plays("t", 1), plays("t", 2, source="best"), plays("t", 4, product=None), plays("t", 8, territory="NO")]
    terms: dict[str, Any] = {"sources": ("acme",), "products": ("premium",), "territories": ("SE",), "price_micros": 1}
    assert compute(inputs(sole("a"), usage, made, **terms)).pool == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (plays("t", 1), "no gross"),
        (plays("t", 1, gross=5, currency="SEK"), "SEK"),
        (plays("t", -1, gross=5, currency="EUR"), "below zero"),
        (plays("t", 1, gross=-5, currency="EUR"), "below zero"),
        (plays("t", 1, gross=5, currency="EUR", vector="ab" * 32), "not at hand"),
    ],
)
def test_usage_that_does_not_fit_is_refused(row: object, said: str) -> None:
    """If this fails, money is computed from rows that mean something else."""
    pool = inputs(sole("a"), [row], [vector("t", {"a": 1_000_000})], weight="gross")  # type: ignore[list-item]
    with pytest.raises(UsageError, match=said) as refused:
        compute(pool)
    assert "expected" in str(refused.value) or "expects" in str(refused.value)


def test_a_vector_of_another_track_is_refused() -> None:
    """If this fails, one track's streams pay by another track's influences."""
    pool = inputs(sole("a"), [plays("t", 1)], [vector("t", {"a": 1_000_000})])
    other = {digest: vector("u", {"a": 1_000_000}) for digest in pool.vectors}
    with pytest.raises(UsageError, match="is of track u"):
        compute(dataclasses.replace(pool, vectors=other))


def test_weights_beyond_64_bits_are_exact() -> None:
    """If this fails, a large month wraps or rounds."""
    world = sole("a", "b")
    made = [vector("t", {"a": 333_333, "b": 666_667})]
    outcome = compute(inputs(world, [plays("t", 10**15)], made, micros=10**24))
    assert outcome.weight == 10**24
    assert outcome.allocated_by_party() == {"p-a": 333_333 * 10**18, "p-b": 666_667 * 10**18}


def test_a_party_of_several_groups_has_one_amount() -> None:
    """If this fails, a party that changed hands within the period is shown the last of its lines as the whole."""
    world = sole("a")
    world.groups = {"p-a": "new"}
    usage = [plays("t", 1), plays("t", 2, at="2026-05-31T00:00:00Z")]
    world.groups["p-a@2026-05"] = "old"
    outcome = compute(inputs(world, usage, [vector("t", {"a": 1_000_000})], micros=3))
    assert {line.group: line.micros for line in outcome.lines} == {"new": 1, "old": 2}
    assert outcome.allocated_by_party() == {"p-a": 3}


def test_lines_sort_and_hash_alike_everywhere() -> None:
    """If this fails, an outcome has no canonical order to be committed in."""
    pool = inputs(sole("b", "a"), [plays("t", 1)], [vector("t", {"b": 500_000, "a": 500_000})])
    lines = compute(pool).lines
    assert list(lines) == sorted(lines)
    assert all(isinstance(line, Line) for line in lines)
