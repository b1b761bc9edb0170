"""Hubs: recordings that are near to everybody stand out, and nobody else does."""

from __future__ import annotations

import numpy as np

from attribution.hearing.spectra import Floats, unit
from attribution.index.catalogue import SCREEN_ENCODERS, Catalogue, joined
from attribution.index.hubs import crowds, hubs


def clouds(count: int, width: int = 32) -> dict[str, Floats]:
    """Recordings of six segments each, in twelve styles."""
    rng = np.random.default_rng(0)
    styles = rng.standard_normal((12, width)) * 1.5
    return {
        f"r{k:03d}": unit((styles[k % 12] + rng.standard_normal((6, width))).astype(np.float32)) for k in range(count)
    }


def test_a_medley_of_the_catalogue_is_a_hub_and_honest_recordings_are_not() -> None:
    """If this fails, a compilation is a candidate for every track unnoticed, or honest people are suspected."""
    honest = clouds(96)
    assert hubs(honest) == {}
    medley = np.concatenate([rows[:1] for rows in list(honest.values())[::2]])
    found = hubs(honest | {"medley": medley})
    assert list(found) == ["medley"]
    assert found["medley"] > 0.3


def test_a_crowd_is_a_share_of_the_others_and_silence_has_none() -> None:
    """If this fails, a crowd above one or a recording without segments upsets an index."""
    tables = clouds(12) | {"silent": np.zeros((0, 32), np.float32)}
    found = crowds(tables)
    assert "silent" not in found
    assert all(0 <= crowd <= 1 for crowd in found.values())
    assert crowds({"alone": tables["r000"]}) == {"alone": 0.0}
    assert hubs({}) == {}


def test_an_invented_catalogue_has_no_hubs(catalogue: Catalogue) -> None:
    """If this fails, the threshold suspects ordinary recordings of a few styles."""
    tables = {
        one.id: joined({name: one.features.segments[name][::3] for name in SCREEN_ENCODERS})
        for one in catalogue.recordings
    }
    assert hubs(tables) == {}
