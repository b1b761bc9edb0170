"""Evidence against an attribution: other methods, the result without a source, the shares of strangers."""

from __future__ import annotations

from typing import Any, Final

from attribution.hearing.features import Features
from attribution.index.catalogue import Catalogue
from attribution.judge import judge
from attribution.lab import canary
from attribution.methods.byname import NAMES
from attribution.methods.byname import method as method_of
from ledger.types import ASPECTS, MILLION, AspectVector, InfluenceVector
from service.attribution.vectors import shape

STRANGERS: Final = 20
LEFT_OUT: Final = 3


def second_opinions(catalogue: Catalogue, item: Features, signed: InfluenceVector) -> dict[str, Any]:
    """Return every method's vector of the item, with its agreement with the signed one by aspect."""
    opinions: dict[str, Any] = {}
    for name in NAMES:
        opinion = _judged(name, catalogue, item, signed)
        shared = {aspect: agreement(signed.aspect(aspect), opinion.aspect(aspect)) for aspect in ASPECTS}
        opinions[name] = {"vector": shape(opinion), "agreement_ppm": shared}
    return opinions


def agreement(one: AspectVector, other: AspectVector) -> int:
    """Return the part of the whole that two vectors give to the same entries.

    The unattributed part counts as an entry.
    """
    left, right = ({source.id: source.ppm for source in each.sources} for each in (one, other))
    common = sum(min(ppm, right[name]) for name, ppm in left.items() if name in right)
    return common + min(one.unattributed, other.unattributed)


def counterfactuals(catalogue: Catalogue, item: Features, signed: InfluenceVector) -> list[dict[str, Any]]:
    """Return the result without each of the largest named sources: the sources that would get its share."""
    return [
        {"without": name, "vector": shape(without), "agreement_ppm": agreement(signed.recording, without.recording)}
        for name in _largest(signed)
        for without in [_judged(signed.method, _without(catalogue, name), item, signed)]
    ]


def unrelated(catalogue: Catalogue, item: Features, signed: InfluenceVector) -> dict[str, Any]:
    """Return the shares, before thresholds, of recordings that are unrelated to the item.

    A claimed share of at most `largest_ppm` could be chance: the likeliest of that many unrelated recordings gets as
    much.
    """
    chosen = method_of(signed.method)
    strangers = canary.plant(Catalogue([]), canary.invent(catalogue, item.form, STRANGERS))
    chosen.fit(strangers)
    estimate = chosen.attribute(item)
    return {
        "strangers": STRANGERS,
        "largest_ppm": {
            aspect: round(MILLION * max(estimate.shares.get(aspect, {}).values(), default=0.0)) for aspect in ASPECTS
        },
        "claimed_ppm": {
            aspect: max((source.ppm for source in signed.aspect(aspect).sources), default=0) for aspect in ASPECTS
        },
    }


def _judged(name: str, catalogue: Catalogue, item: Features, signed: InfluenceVector) -> InfluenceVector:
    chosen = method_of(name)
    chosen.fit(catalogue)
    return judge(chosen, catalogue, item, track=signed.track, model=(signed.model, signed.model_version))[0]


def _without(catalogue: Catalogue, name: str) -> Catalogue:
    return Catalogue([recording for recording in catalogue.recordings if recording.id != name], chance=catalogue.chance)


def _largest(signed: InfluenceVector) -> list[str]:
    """Return the sources with the largest share in any aspect that names recordings."""
    parts: dict[str, int] = {}
    for source in (*signed.recording.sources, *signed.composition.sources):
        parts[source.id] = max(parts.get(source.id, 0), source.ppm)
    return sorted(parts, key=lambda name: (-parts[name], name))[:LEFT_OUT]
