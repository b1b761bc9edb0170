"""Turn a method's estimates into a vector of whole ppm, with intervals, style groups and abstention.

This module does no search and reads no sound. Shares below an aspect's threshold are not claimed: they fall to
unattributed, as does everything a method did not explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from attribution.methods.calibration import Calibration
from attribution.methods.protocol import Estimate
from ledger.types import ASPECTS, MILLION, STYLE_PREFIX, Aspect, AspectVector, Influence, InfluenceVector

CHANNELS: Final[Mapping[Aspect, str]] = {"recording": "recording", "composition": "composition", "style": "groups"}
"""What is calibrated of an aspect: style is claimed by group."""


def whole_ppm(shares: Mapping[str, float]) -> tuple[dict[str, int], int]:
    """Round shares to ppm by largest remainder, with the unattributed part as one of the entries.

    Ties go by id; the unattributed part, named "", comes before every id.
    """
    remainder = max(0.0, 1.0 - sum(shares[name] for name in sorted(shares)))
    scale = MILLION / max(1.0, sum(shares[name] for name in sorted(shares)))
    exact = {"": remainder * MILLION} | {name: share * scale for name, share in shares.items()}
    floors = {name: int(value) for name, value in exact.items()}
    short = MILLION - sum(floors.values())
    for name in sorted(exact, key=lambda name: (floors[name] - exact[name], name))[:short]:
        floors[name] += 1
    unattributed = floors.pop("")
    if sum(floors.values()) + unattributed != MILLION:
        raise AssertionError(f"largest remainder gave {sum(floors.values()) + unattributed} ppm")
    return floors, unattributed


def assemble(
    estimate: Estimate, styles: Mapping[str, str | None], calibration: Calibration, method: str
) -> dict[Aspect, AspectVector]:
    """Return the three aspects of a vector, each summing to a million."""
    shares = {aspect: estimate.shares.get(aspect, {}) for aspect in ASPECTS}
    shares["style"] = grouped_by_style(shares["style"], styles)
    claimed = {
        aspect: claim(
            shares[aspect],
            max(
                calibration.threshold(method, CHANNELS[aspect], above_chance=aspect in estimate.above_chance),
                estimate.least.get(aspect, 0.0),
            ),
        )
        for aspect in ASPECTS
    }
    return {aspect: _vector(claimed[aspect], calibration, method, CHANNELS[aspect]) for aspect in ASPECTS}


def claim(shares: Mapping[str, float], threshold: float) -> dict[str, float]:
    """Return the shares that are large enough to be claimed."""
    return {name: share for name, share in shares.items() if share >= threshold}


def grouped_by_style(shares: Mapping[str, float], styles: Mapping[str, str | None]) -> dict[str, float]:
    """Diffuse influence goes to style groups, which pay their members without naming one of them.

    A recording without a style belongs to no group; its part stays unattributed.
    """
    groups: dict[str, float] = {}
    for name in sorted(shares):
        style = styles.get(name)
        if style:
            group = f"{STYLE_PREFIX}{style}"
            groups[group] = groups.get(group, 0.0) + shares[name]
    return groups


def _vector(shares: Mapping[str, float], calibration: Calibration, method: str, channel: str) -> AspectVector:
    parts, unattributed = whole_ppm(shares)
    sources = []
    for name in sorted(parts):
        if parts[name] == 0:
            continue
        below, above = calibration.interval(method, channel, parts[name] / MILLION)
        low = min(parts[name], max(0, round(below * MILLION)))
        high = max(parts[name], min(MILLION, round(above * MILLION)))
        sources.append(Influence(id=name, ppm=parts[name], basis="estimated", low=low, high=high))
    return AspectVector(sources=tuple(sources), unattributed=unattributed)


JOINED: Final = "declared+"
"""Before the method of an estimate that fills what a declaration left."""


def fill(declaration: InfluenceVector, estimated: InfluenceVector) -> InfluenceVector:
    """Return what was declared as it stands, and beside it the estimate, scaled to what the declaration left.

    A part of a source that was declared for the same use is not estimated again; it falls to unattributed.
    """
    aspects = {name: _filled(declaration.aspect(name), estimated.aspect(name)) for name in ASPECTS}
    return replace(
        estimated,
        recording=aspects["recording"],
        composition=aspects["composition"],
        style=aspects["style"],
        method=f"{JOINED}{estimated.method}",
        decisions=declaration.decisions,
        model=declaration.model or estimated.model,
        model_version=declaration.model_version or estimated.model_version,
    )


def _filled(declared: AspectVector, estimated: AspectVector) -> AspectVector:
    certain = [source for source in declared.sources if source.basis == "declared"]
    open_ppm = MILLION - sum(source.ppm for source in certain)
    uses = {(source.id, source.use) for source in certain}
    parts = [
        replace(
            source,
            ppm=source.ppm * open_ppm // MILLION,
            low=source.low * open_ppm // MILLION,
            high=source.high * open_ppm // MILLION,
            use=source.use or "train",
        )
        for source in estimated.sources
    ]
    added = [part for part in parts if part.ppm and (part.id, part.use) not in uses]
    total = sum(source.ppm for source in (*certain, *added))
    return AspectVector(sources=(*certain, *added), unattributed=MILLION - total)
