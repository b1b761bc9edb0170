"""The whole computation, on small pools with known answers."""

from __future__ import annotations

from payouts.compute import compute
from tests.payouts.worlds import inputs, plays, sole, vector


def test_pro_rata_pays_for_influence_stream_by_stream() -> None:
    """If this fails, the plainest pool is paid wrongly."""
    world = sole("a", "b")
    made = [vector("t1", {"a": 600_000, "b": 200_000}), vector("t2", {"b": 1_000_000})]
    outcome = compute(inputs(world, [plays("t1", 30), plays("t2", 10)], made, micros=400))
    assert outcome.allocated_by_party() == {"p-a": 180, "p-b": 160}
    assert outcome.unattributed == 60
    assert (outcome.held, outcome.suspense, outcome.reserve) == (0, 0, 0)
