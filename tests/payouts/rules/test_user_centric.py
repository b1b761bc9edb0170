"""Weighing by listener: exact, refused where it cannot be done."""

from __future__ import annotations

import pytest

from payouts.compute import compute
from payouts.errors import UsageError
from payouts.rules.artist_centric import ArtistCentric
from payouts.rules.listeners import QUANTUM
from payouts.rules.user_centric import UserCentric
from tests.payouts.worlds import inputs, plays, sole, vector


def test_events_without_a_listener_are_refused_unless_the_terms_say_otherwise() -> None:
    """If this fails, anonymous streams are weighed by a rule nobody chose."""
    pool = inputs(sole("a"), [plays("t", 3)], [vector("t", {"a": 1_000_000})], rule=UserCentric(), micros=10)
    with pytest.raises(UsageError, match="3 of 3 units have no listener"):
        compute(pool)


def test_anonymous_streams_together_are_one_listener_of_their_platform() -> None:
    """If this fails, leaving the listener out multiplies a stream's weight."""
    usage = [plays("t", 98), plays("t", 1, source="best"), plays("u", 1, listener="l")]
    weights = UserCentric(anonymous="together").weigh(usage, "units")
    assert list(weights) == [QUANTUM, QUANTUM, QUANTUM]


def test_quanta_of_a_listener_sum_exactly() -> None:
    """If this fails, a listener's money is rounded away stream by stream."""
    usage = [plays(f"t{n}", 1, listener="l", gross=1, currency="EUR") for n in range(7)]
    weights = UserCentric().weigh(usage, "gross")
    assert sum(weights) == 7 * QUANTUM
    assert max(weights) - min(weights) <= 1


def test_a_listener_who_paid_but_played_nothing_countable_still_counts() -> None:
    """If this fails, money of events with zero units vanishes from the divisor."""
    usage = [plays("t", 0, listener="l", gross=6, currency="EUR"), plays("u", 0, listener="l", gross=0, currency="EUR")]
    assert list(UserCentric().weigh(usage, "gross")) == [3 * QUANTUM, 3 * QUANTUM]


def test_one_listener_on_two_platforms_is_two() -> None:
    """If this fails, platforms' own listener names are mixed up."""
    usage = [plays("t", 1, listener="l"), plays("t", 9, listener="l", source="best")]
    assert list(UserCentric().weigh(usage, "units")) == [QUANTUM, QUANTUM]


def test_a_listeners_streams_past_the_most_that_count_are_scaled_down() -> None:
    """If this fails, a stream farm with one account earns without limit."""
    usage = [plays("t", 1500, listener="l"), plays("u", 500, listener="l"), plays("u", 3000)]
    weights = ArtistCentric(listener_max=1000, min_streams=10**6).weigh(usage, "units")
    assert list(weights) == [750 * QUANTUM, 250 * QUANTUM, 3000 * QUANTUM]


@pytest.mark.parametrize(("min_listeners", "boosted"), [(2, True), (3, False)])
def test_a_boost_needs_streams_and_different_listeners(min_listeners: int, boosted: bool) -> None:
    """If this fails, plays of one listener look like an audience."""
    usage = [plays("t", 5, listener="l"), plays("t", 5, listener="m"), plays("t", 5)]
    weights = ArtistCentric(min_streams=15, min_listeners=min_listeners, boost=3).weigh(usage, "units")
    assert list(weights) == [5 * QUANTUM * (3 if boosted else 1)] * 3
