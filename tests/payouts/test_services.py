"""How real services pay, as they describe it: fixtures with answers worked out by hand."""

from __future__ import annotations

from typing import Any

from ledger.types import InfluenceVector
from payouts.compute import compute
from payouts.rules.artist_centric import ArtistCentric
from payouts.rules.thresholded import Thresholded
from payouts.rules.training import Training
from payouts.rules.user_centric import UserCentric
from tests.payouts.worlds import World, inputs, plays, sole, vector

EUROS = 1_000_000


def one_artist_each(*tracks: str) -> tuple[World, list[InfluenceVector]]:
    """Track trk-x is wholly influenced by recording x, owned by p-x."""
    return sole(*tracks), [vector(f"trk-{name}", {name: 1_000_000}) for name in tracks]


def test_a_thousand_stream_threshold_pays_the_rest_more() -> None:
    """If this fails, ineligible tracks shrink the pool, or go on earning.

    Spotify since April 2024: tracks below 1,000 streams earn nothing, the pool stays as large, and the money
    goes to eligible tracks (musicbusinessworldwide.com, "Spotify confirms new royalty policy").
    """
    world, vectors = one_artist_each("big", "mid", "tiny")
    usage = [plays("trk-big", 600_000), plays("trk-mid", 399_001), plays("trk-tiny", 999)]
    rule = Thresholded(min_streams=1000, below="redistribute")
    outcome = compute(inputs(world, usage, vectors, rule=rule, micros=999_001 * 4000))
    assert outcome.allocated_by_party() == {"p-big": 600_000 * 4000, "p-mid": 399_001 * 4000}
    assert outcome.unattributed == 0

    kept = compute(inputs(world, usage, vectors, rule=Thresholded(min_streams=1000), micros=1_000_000 * 4000))
    assert kept.allocated_by_party() == {"p-big": 600_000 * 4000, "p-mid": 399_001 * 4000}
    assert kept.unattributed == 999 * 4000


def test_user_centric_examples_as_published() -> None:
    """If this fails, one listener's money reaches an artist that listener never played.

    A listener's fee of 200 with 25 of 100 streams on one artist pays that artist 50 (beatcurry.com on
    SoundCloud's fan-powered royalties); a customer who plays two artists 10 % and 90 % of the time has the fee
    split so between them (docs.ampled.com/gftw, "Payout models").
    """
    world, vectors = one_artist_each("a", "b", "c")
    usage = [
        plays("trk-a", 25, listener="u1", gross=50 * EUROS, currency="EUR"),
        plays("trk-b", 75, listener="u1", gross=150 * EUROS, currency="EUR"),
        plays("trk-a", 1, listener="u2", gross=EUROS, currency="EUR"),
        plays("trk-c", 9, listener="u2", gross=9 * EUROS, currency="EUR"),
    ]
    paid = compute(inputs(world, usage, vectors, rule=UserCentric(), weight="gross", micros=210 * EUROS))
    assert paid.allocated_by_party() == {"p-a": 51 * EUROS, "p-b": 150 * EUROS, "p-c": 9 * EUROS}


def test_user_centric_is_blind_to_how_much_others_play() -> None:
    """If this fails, a heavy listener takes a light listener's money, as in pro-rata.

    Two subscribers who bring the same; one plays a once, the other plays b 99 times. Pro-rata would pay 1 and 99.
    """
    world, vectors = one_artist_each("a", "b")
    usage = [plays("trk-a", 1, listener="light"), plays("trk-b", 99, listener="heavy")]
    assert compute(inputs(world, usage, vectors, rule=UserCentric(), micros=100)).allocated_by_party() == {
        "p-a": 50,
        "p-b": 50,
    }
    assert compute(inputs(world, usage, vectors, micros=100)).allocated_by_party() == {"p-a": 1, "p-b": 99}


def test_a_training_fee_is_shared_equally_per_work() -> None:
    """If this fails, a training fee is paid by popularity, or a work recorded twice is paid twice.

    STIM's AI licence (stim.se, September 2025): a fixed training fee, split equally per work.
    """
    world = sole("rec-1", "rec-2", "rec-3")
    world.works = {"rec-1": (("w-1", 1_000_000),), "rec-2": (("w-1", 1_000_000),), "rec-3": (("w-2", 1_000_000),)}
    world.own("w-1", ("p-pub", 500_000), ("p-writer", 500_000), right="publishing")
    world.own("w-2", ("p-other", 1_000_000), right="publishing")
    world.training = {("mdl", "1"): ("rec-1", "rec-2", "rec-3")}
    fee = inputs(
        world,
        [plays("t", 5, vector=None)],
        rule=Training(model="mdl"),
        aspects=(("composition", 1_000_000),),
        micros=1000 * EUROS,
    )
    assert compute(fee).allocated_by_party() == {
        "p-other": 500 * EUROS,
        "p-pub": 250 * EUROS,
        "p-writer": 250 * EUROS,
    }


def test_a_training_pool_is_shared_by_tracks_contributed() -> None:
    """If this fails, contributors are not paid by how many tracks they gave.

    LANDR's Fair Trade AI programme: a fifth of the revenue of the resulting tools, by number of tracks
    contributed (soundonsound.com).
    """
    world = World()
    for n in range(4):
        world.own(f"rec-{n}", ("p-prolific" if n else "p-once", 1_000_000))
    world.training = {("mdl", "1"): tuple(f"rec-{n}" for n in range(4))}
    paid = compute(inputs(world, [], rule=Training(model="mdl"), micros=200 * EUROS))
    assert paid.allocated_by_party() == {"p-once": 50 * EUROS, "p-prolific": 150 * EUROS}


def test_artist_centric_doubles_an_audience_and_limits_a_listener() -> None:
    """If this fails, a loop of one listener earns without end, or a real audience no more than a loop.

    Deezer's artist-centric model (deezer.com): a double boost from 1,000 streams a month by 500 unique
    listeners; each user counts for at most 1,000 streams a month.
    """
    world, vectors = one_artist_each("loved", "looped", "small")
    usage = [plays("trk-loved", 2, listener=f"u{n}") for n in range(500)]
    usage += [plays("trk-looped", 4000, listener="bot"), plays("trk-small", 1000, listener="fan")]
    paid = compute(inputs(world, usage, vectors, rule=ArtistCentric(), micros=4000)).allocated_by_party()
    assert paid == {"p-loved": 2000, "p-looped": 1000, "p-small": 1000}


def test_micro_royalty_pays_a_price_per_stream() -> None:
    """If this fails, a price per stream is not the sum of its streams."""
    world, vectors = one_artist_each("a", "b")
    usage = [plays("trk-a", 3), plays("trk-b", 4, vector=None)]
    outcome = compute(inputs(world, usage, vectors, price_micros=4000))
    assert outcome.pool == 7 * 4000
    assert outcome.allocated_by_party() == {"p-a": 12_000}
    assert outcome.suspense == 16_000


def test_unreliable_attribution_falls_back_to_the_training_set() -> None:
    """If this fails, a vector that its own method calls noise is paid out as if it were known.

    STIM's AI licence (stim.se): by attribution where it is reliable, else by analogy, through the training data.
    """
    world = sole("a", "x", "y")
    world.models = {"trk-good": ("mdl", "1"), "trk-poor": ("mdl", "1"), "trk-none": ("mdl", "1")}
    world.training = {("mdl", "1"): ("x", "y")}
    vectors = [
        vector("trk-good", {"a": 1_000_000}, basis="estimated", error_ppm=100_000),
        vector("trk-poor", {"a": 1_000_000}, basis="estimated", error_ppm=400_000),
    ]
    usage = [plays("trk-good", 10), plays("trk-poor", 10), plays("trk-none", 20, vector=None)]
    terms: dict[str, Any] = {"fallback": "training", "error_max_ppm": 250_000, "micros": 40}
    assert compute(inputs(world, usage, vectors, **terms)).allocated_by_party() == {"p-a": 10, "p-x": 15, "p-y": 15}
    suspended = compute(inputs(world, usage, vectors, error_max_ppm=250_000, micros=40))
    assert {(line.group, line.reason) for line in suspended.lines if line.state == "suspense"} == {
        ("?track:trk-none", "no-vector"),
        ("?track:trk-poor", "vector-unreliable"),
    }
