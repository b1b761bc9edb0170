"""The cautions of a report: facts that a reader should know before acting on it, each in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attribution.index.store import IndexRow
from ledger.shown import percent
from ledger.types import ASPECTS, MILLION, InfluenceVector

WIDE: Final = MILLION // 2
"""An interval wider than this leaves open whether a source matters at all."""


def cautions(found: InfluenceVector, details: Mapping[str, Any], rows: Mapping[str, IndexRow]) -> list[str]:
    """Return the remarks of the method, then those that follow from the vector and the index."""
    remarks = list(details.get("remarks", []))
    if all(not found.aspect(name).sources for name in ASPECTS):
        remarks.append(
            "Nothing is attributed: no source is likely enough to be named, or the aspects were not measured."
        )
    if found.method == "declared":
        remarks.append("Declared by the generator and signed; Settle did not listen to the track for this vector.")
    unsure = [source.id for source in found.recording.sources if source.high - source.low > WIDE]
    if unsure:
        remarks.append(f"Very unsure shares: {', '.join(unsure)}; compare with a second method before acting on them.")
    return [*remarks, *_hubs(found, rows)]


def _hubs(found: InfluenceVector, rows: Mapping[str, IndexRow]) -> list[str]:
    """Return a remark on hubs: sources that are similar to much of the catalogue, and so to any track."""
    named = dict.fromkeys(source.id for source in (*found.recording.sources, *found.composition.sources))
    return [
        f"{name} is a hub: among the nearest of {percent(crowd)} of the catalogue, as medleys and compilations are. "
        "Look at the matching segments before acting on its share."
        for name in named
        if name in rows and (crowd := rows[name].crowd_ppm) is not None
    ]
