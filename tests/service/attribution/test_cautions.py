"""What a report warns of."""

from __future__ import annotations

from ledger.types import AspectVector, InfluenceVector
from service.attribution.cautions import cautions

NOBODY = AspectVector(sources=(), unattributed=1_000_000)
FOUND = InfluenceVector(
    track="t", recording=NOBODY, composition=NOBODY, style=NOBODY, method="hybrid", version="3", catalogue_size=9
)
STYLE = {"style": [{"id": "rec-1", "ppm": 400_000}, {"id": "rec-2", "ppm": 50_000}]}


def told(above_chance: list[str]) -> bool:
    details = {"before_thresholds": STYLE, "above_chance": above_chance}
    return any("In the manner of Ann" in one for one in cautions(FOUND, details, {}, {"rec-1": "Ann"}))


def test_whose_manner_it_is_is_told_only_where_the_track_comes_near() -> None:
    """If this fails, an artist is told of an imitation that is only the nearest of many strangers."""
    assert told(["recording", "composition", "style"])
    assert not told(["recording", "composition"])
