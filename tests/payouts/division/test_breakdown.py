"""Explanations: what each piece of a line says, and whose lines are taken apart."""

from __future__ import annotations

from payouts.compute import Inputs, compute
from payouts.division.breakdown import Piece, break_down
from payouts.rules.training import Training
from tests.payouts.worlds import inputs, plays, sole, vector

MIX = (("recording", 500_000), ("style", 500_000))


def explained(pool: Inputs, parties: set[str] | None = None) -> dict[str, tuple[Piece, ...]]:
    return {line.party: pieces for line, pieces in break_down(pool, compute(pool), parties)}


def pool_of_two_tracks() -> Inputs:
    """Track 1: half a's recording, half of nobody. Track 2: all b's recording. Both in the style that b made."""
    world = sole("a", "b")
    world.styles = {"style:x": ("b",)}
    style = {"style:x": 1_000_000}
    made = [
        vector("t1", {"a": 500_000}, None, style, basis="estimated"),
        vector("t2", {"b": 1_000_000}, None, style, basis="declared"),
    ]
    return inputs(world, [plays("t1", 1), plays("t2", 1)], made, aspects=MIX, micros=16)


def test_a_piece_names_track_source_aspect_basis_and_way() -> None:
    """If this fails, a statement sends its reader to another track, recording or style than the money came from."""
    pieces = explained(pool_of_two_tracks())
    seen = {
        party: [(one.track, one.source, one.aspect, one.basis, one.via, one.micros) for one in found]
        for party, found in pieces.items()
    }
    assert seen == {
        "p-a": [("t1", "a", "recording", "estimated", "", 2)],
        "p-b": [
            ("", "b", "style", "declared", "style:x", 4),
            ("", "b", "style", "estimated", "style:x", 4),
            ("t2", "b", "recording", "declared", "", 4),
        ],
    }


def test_only_the_parties_named_are_explained() -> None:
    """If this fails, one holder's statement shows the lines of another."""
    pool = pool_of_two_tracks()
    assert explained(pool, {"p-b"}) == {"p-b": explained(pool)["p-b"]}
    assert explained(pool, set()) == {}


def test_money_without_a_vector_is_explained_by_its_track() -> None:
    """If this fails, a line in suspense does not say which track waits for its vector."""
    pool = inputs(sole("a"), [plays("t", 1, vector=None)], micros=4)
    ((line, pieces),) = break_down(pool, compute(pool))
    assert (line.group, line.reason) == ("?track:t", "no-vector")
    assert pieces == (
        Piece(track="t", source="", aspect="recording", basis="estimated", via="", weight=line.weight, micros=4),
    )


def test_a_training_sets_part_is_in_equal_parts_and_says_so() -> None:
    """If this fails, money that was never attributed is shown as if a measurement stood behind it."""
    world = sole("a")
    world.models, world.training = {"t": ("mdl", "1")}, {("mdl", "1"): ("a",)}
    for fallback in (
        inputs(world, [plays("t", 1)], [vector("t")], unattributed="training"),
        inputs(world, [plays("t", 1, vector=None)], fallback="training"),
        inputs(world, [], rule=Training(model="mdl")),
    ):
        (piece,) = explained(fallback)["p-a"]
        assert (piece.track, piece.source, piece.aspect, piece.basis) == ("", "a", "recording", "equal")
        assert piece.via == "training:mdl@1"
