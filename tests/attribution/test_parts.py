"""How a track divides among bands: the parts, not the wins."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attribution.methods.posterior import Odds, parts

ODDS = Odds(slopes=(40.0,), bias=-32.0)


def test_a_brother_that_wins_by_chance_loses_to_the_band_that_explains_the_rest() -> None:
    """If this fails, the brothers of a band share its part: each is nearest in a segment now and then."""
    likeness = np.full((20, 2), 0.6, np.float32)
    likeness[:, 0] = 0.90
    likeness[::5, 1] = 0.91
    band, brother = parts(likeness, ODDS, np.ones(20, np.bool_))
    assert band > 0.95
    assert brother < 0.05


def test_two_bands_one_after_the_other_keep_their_parts() -> None:
    """If this fails, the larger source of a track takes what the smaller one gave."""
    likeness = np.full((20, 3), 0.5, np.float32)
    likeness[:14, 0] = likeness[14:, 1] = 0.95
    first, second, nobody = parts(likeness, ODDS, np.ones(20, np.bool_))
    assert abs(first - 0.7) < 0.01
    assert abs(second - 0.3) < 0.01
    assert nobody < 0.001


@given(
    rows=st.lists(st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=12),
    silent=st.integers(0, 12),
)
def test_parts_are_shares_of_the_whole_track(rows: list[list[float]], silent: int) -> None:
    """If this fails, a vector's shares can exceed the track, or silence is somebody's."""
    loud = np.arange(len(rows)) >= silent
    found = parts(np.array(rows, np.float32), ODDS, loud)
    assert (found >= 0).all()
    assert found.sum() <= loud.mean() + 1e-9
