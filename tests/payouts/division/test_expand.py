"""Training sets and style groups: whose sets, whose owners, as of when, and where nobody stands behind them."""

from __future__ import annotations

from payouts.compute import Inputs, compute
from payouts.division.breakdown import break_down
from payouts.protocols import HoldMatch
from payouts.rules.training import Training
from tests.payouts.worlds import World, inputs, plays, sole, vector

MILLION = 1_000_000


def spread(world: World, *tracks: str, aspects: tuple[tuple[str, int], ...] = (("recording", MILLION),)) -> Inputs:
    """Twelve micros for a stream a track, of whose influence nothing is known, shared by the training sets."""
    usage, made = [plays(track, 1) for track in tracks], [vector(track) for track in tracks]
    return inputs(world, usage, made, unattributed="training", micros=12, aspects=aspects)


def test_each_model_shares_with_its_own_training_set() -> None:
    """If this fails, what one model learned from is paid by the streams of another, or of another version."""
    world = sole("a", "b", "c")
    world.models = {"t": ("mdl", "1"), "u": ("mdl", "2"), "v": ("other", "1")}
    world.training = {("mdl", "1"): ("a",), ("mdl", "2"): ("b",), ("other", "1"): ("c",)}
    pool = spread(world, "t", "t", "t", "u", "u", "v")
    assert compute(pool).allocated_by_party() == {"p-a": 6, "p-b": 4, "p-c": 2}
    ways = {line.party: {piece.via for piece in pieces} for line, pieces in break_down(pool, compute(pool))}
    assert ways == {"p-a": {"training:mdl@1"}, "p-b": {"training:mdl@2"}, "p-c": {"training:other@1"}}


def test_a_model_without_a_training_set_shares_with_nobody() -> None:
    """If this fails, unattributed money of an undeclared model is in suspense for an owner who cannot exist."""
    world = sole("a")
    world.models = {"t": ("mdl", "1")}
    outcome = compute(spread(world, "t"))
    assert (outcome.unattributed, outcome.lines) == (12, ())


def test_owners_are_those_of_the_place_streamed_from() -> None:
    """If this fails, a training set's streams in Sweden pay the owners for the rest of the world."""
    world = sole("a").own("a", ("p-nordic", MILLION), territory="SE")
    world.models, world.training = {"t": ("mdl", "1")}, {("mdl", "1"): ("a",)}
    assert compute(spread(world, "t")).allocated_by_party() == {"p-nordic": 12}
    written = sole("a").own("w", ("p-all", MILLION), right="publishing")
    written.own("w", ("p-nordic", MILLION), right="publishing", territory="SE").works = {"a": (("w", MILLION),)}
    written.models, written.training = world.models, world.training
    composed = spread(written, "t", aspects=(("composition", MILLION),))
    assert compute(composed).allocated_by_party() == {"p-nordic": 12}
    styled = sole("a").own("a", ("p-nordic", MILLION), territory="SE")
    styled.styles = {"style:x": ("a",)}
    made = [vector("t", None, None, {"style:x": MILLION}, basis="estimated")]
    style = (("style", MILLION),)
    assert compute(inputs(styled, [plays("t", 1)], made, micros=3, aspects=style)).allocated_by_party() == {
        "p-nordic": 3
    }


def test_a_partly_disputed_member_is_paid_once() -> None:
    """If this fails, a party of whose share a part is disputed is paid that share twice from a style group."""
    world = World().own("a", ("p-1", 600_000), ("p-2", 400_000), state="disputed", claimed=(("p-1", 200_000),))
    world.models, world.training = {"t": ("mdl", "1")}, {("mdl", "1"): ("a",)}
    world.styles = {"style:x": ("a",)}
    styled = [vector("t", None, None, {"style:x": MILLION}, basis="estimated")]
    for pool in (
        spread(world, "t"),
        inputs(world, [plays("t", 1)], styled, micros=12, aspects=(("style", MILLION),)),
    ):
        lines = {(line.party, line.state): line.weight for line in compute(pool).lines}
        assert lines == {
            ("p-1", "allocated"): 400_000_000,
            ("p-1", "held"): 200_000_000,
            ("p-2", "allocated"): 400_000_000,
        }


def test_each_member_is_asked_for_training_where_the_stream_was() -> None:
    """If this fails, a training set is paid under a permission for another country, or for one recording for all."""

    class Local(World):
        def permitted(self, recording: str, use: str, territory: str, track: str | None) -> bool:
            return (recording, use, territory, track) == ("a", "train", "SE", None)

    world = Local().own("a", ("p-a", MILLION)).own("b", ("p-b", MILLION))
    world.models, world.training = {"t": ("mdl", "1")}, {("mdl", "1"): ("a", "b")}
    lines = compute(spread(world, "t")).lines
    assert {(line.party, line.state, line.reason, line.micros) for line in lines} == {
        ("p-a", "allocated", "", 6),
        ("p-b", "held", "permission", 6),
    }


def test_owners_are_those_of_the_periods_last_day() -> None:
    """If this fails, a training set is paid to somebody who buys into it after the period, or had sold before."""
    world = (
        sole("a").own("a", ("p-june", MILLION), start="2026-06-30").own("a", ("p-july", MILLION), start="2026-07-01")
    )
    world.training = {("mdl", "1"): ("a",)}
    pool = inputs(world, [], rule=Training(model="mdl"), micros=5)
    assert compute(pool).allocated_by_party() == {"p-june": 5}


def test_style_is_no_aspect_of_a_training_set() -> None:
    """If this fails, part of a training pool asks for owners of a kind that no recording has."""
    world = sole("a")
    world.models, world.training = {"t": ("mdl", "1")}, {("mdl", "1"): ("a",)}
    mixed = spread(world, "t", aspects=(("recording", 500_000), ("style", 500_000)))
    assert compute(mixed).allocated_by_party() == {"p-a": 12}
    only_style = spread(world, "t", aspects=(("style", MILLION),))
    assert compute(only_style).allocated_by_party() == {"p-a": 12}


def test_a_training_set_without_works_leaves_its_composition_part_in_suspense() -> None:
    """If this fails, money for writers nobody has named is paid to the owners of the recordings, or has no reason."""
    world = sole("a", "b")
    world.training = {("mdl", "1"): ("b", "a")}
    mix = (("recording", 500_000), ("composition", 500_000))
    outcome = compute(inputs(world, [], rule=Training(model="mdl"), aspects=mix, micros=8))
    assert [(line.group, line.state, line.reason, line.micros) for line in outcome.lines] == [
        ("?publishing:a", "suspense", "work-unknown", 4),
        ("p-a", "allocated", "", 2),
        ("p-b", "allocated", "", 2),
    ]


def test_a_hold_on_a_stream_follows_its_money_into_the_training_set() -> None:
    """If this fails, money of a track under review for fraud is paid out through the model's training set."""
    world = sole("a").own("b", ("p-b", 500_000), state="short")
    world.models, world.training = {"t": ("mdl", "1")}, {("mdl", "1"): ("a", "b")}
    hold = HoldMatch(id="h", reason="fraud", track="t")
    pool = inputs(world, [plays("t", 1, vector=None)], fallback="training", micros=4, holds=[hold])
    assert [(line.group, line.state, line.reason, line.ref, line.micros) for line in compute(pool).lines] == [
        ("?master:b", "suspense", "shares-short", "", 2),
        ("p-a", "held", "fraud", "h", 2),
    ]


def test_a_style_that_nobody_made_is_named_in_its_suspense() -> None:
    """If this fails, money of an empty style group cannot be traced to the style it came through."""
    made = [vector("t", None, None, {"style:polka": MILLION})]
    pool = inputs(World(), [plays("t", 1)], made, aspects=(("style", MILLION),), micros=4)
    ((line, (piece,)),) = break_down(pool, compute(pool))
    assert (line.group, piece.via, piece.micros) == ("?style:polka", "style:polka", 4)
