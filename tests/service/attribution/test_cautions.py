"""What a report warns of."""

from __future__ import annotations

from ledger.types import AspectVector, InfluenceVector
from service.attribution.cautions import cautions

NOBODY = AspectVector(sources=(), unattributed=1_000_000)
FOUND = InfluenceVector(
    track="t", recording=NOBODY, composition=NOBODY, style=NOBODY, method="hybrid", version="3", catalogue_size=9
)


def test_nobody_is_named_for_a_manner() -> None:
    """If this fails, a report names an artist for a likeness whose error rate on real music nobody has measured."""
    style = [{"id": "rec-1", "ppm": 900_000}]
    details = {"before_thresholds": {"style": style}, "above_chance": ["recording", "composition", "style"]}
    assert not any("rec-1" in caution for caution in cautions(FOUND, details, {}))
