"""The laws every pool obeys, whatever the rule, the rights, the holds and the usage."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from payouts.compute import Inputs, Outcome, compute
from payouts.division.breakdown import break_down
from payouts.protocols import HoldMatch
from payouts.rules.pro_rata import ProRata
from payouts.rules.shapley_capped import ShapleyCapped
from tests.payouts.strategies import PARTIES, RECORDINGS, TRACKS, pools
from tests.payouts.worlds import Owned, World
from tests.support import examples

LAW = settings(max_examples=examples(200), deadline=None)


def by_group(outcome: Outcome) -> dict[str, int]:
    return {total.group: total.micros for total in outcome.groups}


def check_same_groups(pool: Inputs, changed: Inputs) -> None:
    """Check that both pools give every group the same, but for ties in training sets and style groups.

    Those are divided among parties at once: where remainders tie, the parties' names decide which of them, and so which
    group, gets a unit of weight, a billionth of a stream. docs/rules.md says so. Each such division moves one at most.
    """
    outcomes = compute(pool), compute(changed)
    divisions = sum(bool(piece.via) for _, pieces in break_down(pool, outcomes[0]) for piece in pieces)
    if not divisions:
        assert by_group(outcomes[0]) == by_group(outcomes[1])
    before, after = ({total.group: total.weight for total in outcome.groups} for outcome in outcomes)
    assert all(abs(before.get(group, 0) - after.get(group, 0)) <= divisions for group in before.keys() | after.keys())


def by_party(outcome: Outcome) -> dict[tuple[str, str], int]:
    """What each party's line comes to, whatever becomes of it."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for line in outcome.lines:
        sums[line.group, line.party] += line.micros
    return dict(sums)


@LAW
@given(pools())
def test_the_five_parts_sum_to_the_pool(pool: Inputs) -> None:
    """If this fails, a micro-unit was made or lost."""
    outcome = compute(pool)
    parts = (outcome.allocated, outcome.unattributed, outcome.held, outcome.suspense, outcome.reserve)
    assert min(parts) >= 0
    assert sum(parts) == outcome.pool
    assert sum(line.micros for line in outcome.lines) == sum(parts[:1]) + outcome.held + outcome.suspense
    assert sum(line.micros for line in outcome.lines) == sum(by_group(outcome).values())
    assert sum(line.weight for line in outcome.lines) + outcome.weight_unattributed == outcome.weight


@LAW
@given(pools(), st.randoms())
def test_order_sharding_and_batches_leave_no_trace(pool: Inputs, random: object) -> None:
    """If this fails, two honest engines could publish different payouts for one period."""
    shards = []
    for row in pool.usage:
        first = random.randint(0, row.units)  # type: ignore[attr-defined]
        gross = random.randint(0, row.gross or 0)  # type: ignore[attr-defined]
        some = {"units": first, "gross": gross, "count": first}
        rest = {"units": row.units - first, "gross": (row.gross or 0) - gross, "count": row.count - first}
        shards += [msgspec.structs.replace(row, **part) for part in (some, rest)]
    random.shuffle(shards)  # type: ignore[attr-defined]
    assert compute(dataclasses.replace(pool, usage=shards)) == compute(pool)


@LAW
@given(pools())
def test_quota_holds_group_by_group(pool: Inputs) -> None:
    """If this fails, somebody got more or less than the exact amount rounded down or up."""
    outcome = compute(pool)
    for total in outcome.groups:
        floor, remainder = divmod(outcome.level.owed(total.weight), outcome.level.denominator)
        admitted = outcome.cutoff is not None and outcome.cutoff.admits(remainder, pool.period_root, total.group)
        assert total.micros == floor + (admitted and remainder > 0)


@LAW
@given(pools(st.builds(ShapleyCapped, tau=st.integers(1, 1_000_000), kappa=st.integers(1, 400_000))))
def test_the_cap_holds_after_rounding(pool: Inputs) -> None:
    """If this fails, an owner group passes the cap that the pool's terms promise."""
    outcome = compute(pool)
    shared = outcome.pool - outcome.pool * pool.terms.reserve_ppm // 1_000_000
    cap = shared * pool.rule.kappa // 1_000_000  # type: ignore[attr-defined]
    assert max(by_group(outcome).values(), default=0) <= cap


@LAW
@given(pools(st.just(ProRata())))
def test_shapley_without_saturation_or_cap_is_pro_rata(pool: Inputs) -> None:
    """If this fails, the game does more than its two parameters say."""
    shapley = dataclasses.replace(pool, rule=ShapleyCapped(tau=1_000_000, kappa=1_000_000))
    assert compute(shapley) == compute(pool)


def hold_of(data: st.DataObject) -> HoldMatch:
    return HoldMatch(
        id="h-new",
        reason="fraud",
        party=data.draw(st.none() | st.sampled_from(PARTIES)),
        subject=data.draw(st.none() | st.sampled_from(RECORDINGS)),
        track=data.draw(st.none() | st.sampled_from(TRACKS)),
    )


@LAW
@given(pools(), st.data())
def test_a_hold_changes_what_becomes_of_money_not_whose_it_is(pool: Inputs, data: st.DataObject) -> None:
    """If this fails, one person's hold moves another person's money."""
    before = compute(pool)
    after = compute(dataclasses.replace(pool, holds=(*pool.holds, hold_of(data))))
    assert by_party(after) == by_party(before)
    assert (after.unattributed, after.suspense, after.reserve) == (before.unattributed, before.suspense, before.reserve)
    assert after.held >= before.held


@LAW
@given(pools(), st.data())
def test_a_dispute_changes_nobody_elses_line(pool: Inputs, data: st.DataObject) -> None:
    """If this fails, opening a dispute is a way to move other people's money."""
    world = pool.view
    assert isinstance(world, World)
    confirmed = [key for key, (owned,) in world.owned.items() if owned.state == "confirmed"]
    if not confirmed:
        return
    key = data.draw(st.sampled_from(confirmed))
    (owned,) = world.owned[key]
    party = data.draw(st.sampled_from([party for party, _ in owned.parts]))
    disputed = {**world.owned, key: [dataclasses.replace(owned, state="disputed", disputed=(party,))]}
    before = compute(pool)
    after = compute(dataclasses.replace(pool, view=dataclasses.replace(world, owned=disputed)))
    assert by_party(after) == by_party(before)
    others = {line for line in before.lines if line.party != party}
    assert {line for line in after.lines if line.party != party} == others


@LAW
@given(pools(), st.sampled_from(RECORDINGS), st.sampled_from(("train", "condition")))
def test_a_missing_grant_changes_nobody_elses_line(pool: Inputs, recording: str, use: str) -> None:
    """If this fails, withdrawing a permission moves other people's money."""
    world = pool.view
    assert isinstance(world, World)
    denied = dataclasses.replace(world, denied=world.denied | {(recording, use)})
    before, after = compute(pool), compute(dataclasses.replace(pool, view=denied))
    assert by_party(after) == by_party(before)
    owners = {party for key, (owned,) in world.owned.items() for party, _ in owned.parts if key[0] == recording}
    owners |= {
        party for work, _ in world.works[recording] for party, _ in world.owned[work, "publishing", "WORLD"][0].parts
    }
    assert {line for line in after.lines if line.party not in owners} == {
        line for line in before.lines if line.party not in owners
    }


@LAW
@given(pools(st.sampled_from((ProRata(), ShapleyCapped(tau=400_000, kappa=300_000)))), st.sampled_from(RECORDINGS))
def test_bringing_days_and_places_together_changes_nothing(pool: Inputs, recording: str) -> None:
    """If this fails, summing what the registry does not tell apart pays other people than asking day by day."""
    world = pool.view
    assert isinstance(world, World)
    later = Owned((("p-later", 1_000_000),), start="2026-06-02")
    dated = {**world.owned, (recording, "master", "NO"): [Owned(()), later]}
    terms = dataclasses.replace(
        pool.terms,
        aspects=(("recording", 600_000), ("composition", 400_000)),
        fallback="suspense",
        unattributed="return",
    )
    apart = dataclasses.replace(pool, terms=terms, view=dataclasses.replace(world, owned=dated))
    together = dataclasses.replace(apart, view=dataclasses.replace(world, owned=dated, merging=True))
    assert compute(together) == compute(apart)


@LAW
@given(pools())
def test_relabelling_inside_a_group_changes_no_group(pool: Inputs) -> None:
    """If this fails, a group can earn more by moving rights between its own companies."""
    world = pool.view
    assert isinstance(world, World)
    groups = {party: world.groups[party] for party in PARTIES}
    renamed = {party: f"renamed-{party}" for party in PARTIES}
    relabelled = dataclasses.replace(
        world,
        owned={
            key: [
                dataclasses.replace(
                    owned,
                    parts=tuple((renamed[party], ppm) for party, ppm in owned.parts),
                    disputed=tuple(renamed[party] for party in owned.disputed),
                    claimed=tuple((renamed[party], ppm) for party, ppm in owned.claimed),
                    suspended=tuple((renamed[party], ppm) for party, ppm in owned.suspended),
                )
                for owned in dated
            ]
            for key, dated in world.owned.items()
        },
        groups={renamed[party]: group for party, group in groups.items()},
    )
    holds = tuple(dataclasses.replace(hold, party=hold.party and renamed[hold.party]) for hold in pool.holds)
    check_same_groups(pool, dataclasses.replace(pool, view=relabelled, holds=holds))


@LAW
@given(pools(), st.data())
def test_moving_a_share_inside_a_group_changes_no_group(pool: Inputs, data: st.DataObject) -> None:
    """If this fails, splitting a catalogue over one's own companies pays."""
    world = pool.view
    assert isinstance(world, World)
    key = data.draw(st.sampled_from(sorted(world.owned)))
    (owned,) = world.owned[key]
    party, ppm = owned.parts[0]
    moved = data.draw(st.integers(0, ppm))
    split = ((party, ppm - moved), ("p-own-company", moved), *owned.parts[1:])
    changed = dataclasses.replace(
        world,
        owned={**world.owned, key: [dataclasses.replace(owned, parts=split)]},
        groups={**world.groups, "p-own-company": world.groups[party]},
    )
    check_same_groups(pool, dataclasses.replace(pool, view=changed))


@LAW
@given(pools())
def test_every_line_is_explained_to_the_micro_unit(pool: Inputs) -> None:
    """If this fails, a statement does not add up to what is paid."""
    outcome = compute(pool)
    explained = list(break_down(pool, outcome))
    assert [line for line, _ in explained] == list(outcome.lines)
    for line, pieces in explained:
        assert sum(piece.micros for piece in pieces) == line.micros
        assert sum(piece.weight for piece in pieces) == line.weight
