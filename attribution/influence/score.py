"""Tracks scored by a fitted study: one vector for each, and the details kept beside it.

What is not explained stays unattributed: the clipped mass, one minus the skill on held-out works, and the
works of owners that nobody registered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from attribution.assemble import whole_ppm
from attribution.influence.details import METHOD
from attribution.influence.shares import divide, item_sizes, within_owner
from attribution.influence.study import VERSION, Floats, Study, fitted_beta, read_fit
from ledger.proofs import canon
from ledger.types import MILLION, AspectVector, Influence, InfluenceVector


@dataclass(frozen=True, slots=True)
class Scored:
    """A track's vector, and the document whose digest the vector names as its parameters."""

    vector: InfluenceVector
    details: dict[str, Any]


def score(study: Study, path: Path, registered: Collection[str] | None = None) -> list[Scored]:
    """Every track of the file. `registered`: ids of recordings that can be paid; all unless given."""
    document = read_fit(study)
    names, data = study.queries(path)
    features, scores = study.features(data)
    beta, gain = fitted_beta(document, features), study.gain(data)
    c = study.plan.c_ppm / 1e6
    division = divide(beta, gain, study.sizes, c)
    explained = max(document["skill_ppm"], 0) / 1e6 * (1 - division.clipped)
    sizes = item_sizes(study.clusters) / len(set(study.clusters))
    out = []
    for query, name in enumerate(names):
        parts = _recordings(study, division.shares[:, query], beta[:, query], scores[query], c * gain[query] * sizes)
        shares = {
            item.id: float(parts[number] * explained[query])
            for number, item in enumerate(study.items)
            if registered is None or item.id in registered
        }
        width = document["half_width_ppm"] / 1e6
        owners = _owners(study, beta[:, query], division.shares[:, query])
        details = _details(name, document, owners, float(gain[query]))
        details["clipped_ppm"] = round(float(division.clipped[query]) * MILLION)
        details["unregistered"] = len(study.items) - len(shares)
        off = _relative(study, division.shares[:, query], width)
        out.append(Scored(_vector(study, name, shares, off, details), details))
    return out


def compared(scored: Scored, beside: Sequence[Mapping[str, Any]]) -> Scored:
    """Return the same with a comparison of outputs in its details, which the vector names by their digest."""
    details = {**scored.details, "beside": list(beside)}
    return Scored(replace(scored.vector, params_sha256=canon.digest(canon.encode(details))), details)


def _recordings(study: Study, shares: Floats, beta: Floats, scores: Floats, base: Floats) -> Floats:
    """Each item's share: its owner's, divided by base and EK-FAC within the owner."""
    parts = np.zeros(len(study.items))
    for owner_index, owner in enumerate(study.owners):
        owned = np.array([number for number, item in enumerate(study.items) if item.owner == owner])
        parts[owned] = within_owner(float(shares[owner_index]), base[owned], float(beta[owner_index]), scores[owned])
    return parts


def _relative(study: Study, shares: Floats, width: float) -> dict[str, float]:
    """How far an owner's share may be off, as a part of itself: its recordings are off by the same part."""
    return {owner: width / max(float(shares[n]), 1e-9) for n, owner in enumerate(study.owners)}


def _vector(
    study: Study, track: str, shares: dict[str, float], off: dict[str, float], details: dict[str, Any]
) -> InfluenceVector:
    parts, unattributed = whole_ppm(shares)
    owner_of = {item.id: item.owner for item in study.items}
    sources = []
    for name in sorted(parts):
        if parts[name]:
            reach = parts[name] * off[owner_of[name]]
            low, high = max(0, round(parts[name] - reach)), min(MILLION, round(parts[name] + reach))
            sources.append(Influence(id=name, ppm=parts[name], basis="estimated", low=low, high=high))
    nothing = AspectVector(sources=(), unattributed=MILLION)
    return InfluenceVector(
        track=track,
        recording=AspectVector(sources=tuple(sources), unattributed=unattributed),
        composition=nothing,
        style=nothing,
        method=METHOD,
        version=VERSION,
        params_sha256=canon.digest(canon.encode(details)),
        model=study.plan.model,
        model_version=study.plan.model_version,
    )


def _details(track: str, document: dict[str, Any], owners: list[dict[str, Any]], gain: float) -> dict[str, Any]:
    """What is signed through its digest: base and contrast apart, so that any c can be recomputed."""
    return {
        "v": 1,
        "type": "influence-details",
        "track": track,
        "fit": document,
        "fit_sha256": canon.digest(canon.encode(document)),
        "gain_ppm": round(gain * MILLION),
        "interval": "90 % of held-out owner shares lie within half_width_ppm of the bank's; for owners that the width "
        "was not fitted on, see interval_cover_ppm",
        "owners": owners,
    }


def _owners(study: Study, beta: Floats, shares: Floats) -> list[dict[str, Any]]:
    return [
        {
            "owner": owner,
            "size_ppm": round(float(study.sizes[n]) * MILLION),
            "beta_ppm": round(float(beta[n]) * MILLION),
            "share_ppm": round(float(shares[n]) * MILLION),
        }
        for n, owner in enumerate(study.owners)
    ]
