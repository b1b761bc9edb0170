"""Decomposition of supplied latents: the generator's own space, where mixing is linear or nearly so."""

from __future__ import annotations

import numpy as np

from attribution.hearing.features import Features
from attribution.index.catalogue import Catalogue
from attribution.methods.decompose import Decomposition, decompose
from attribution.methods.protocol import Estimate
from ledger.errors import InputError

RATIO = 0.06
"""The penalty, as a part of the largest correlation: what makes the decomposition bear noise."""
LEAST = 0.01
"""Smaller parts of the sum are noise on any benchmark so far, and are left unattributed."""


def attribute_latents(catalogue: Catalogue, item: Features) -> Estimate:
    """Shares of each recording's latents in an item's; the unexplained energy stays unattributed."""
    nearest, owners = catalogue.latents
    if not len(nearest):
        raise InputError("the index holds no latents to compare these with; index latents of the same model first")
    if nearest.rows.shape[1] != item.latents.shape[1]:
        raise InputError(
            f"latents are {item.latents.shape[1]} wide, the indexed ones {nearest.rows.shape[1]}: another model's?"
        )
    shares: dict[str, float] = {}
    found: list[Decomposition] = []
    for row in item.latents.astype(np.float64):
        length = float(np.linalg.norm(row))
        one = decompose(row / length if length > 0 else row, nearest.largest, nearest.fetch, ratio=RATIO)
        found.append(one)
        whole = float(one.weights.sum())
        kept = {
            int(place): weight / whole
            for place, weight in zip(one.rows, one.weights, strict=True)
            if weight >= LEAST * whole
        }
        scale = one.explained / (sum(kept.values()) or 1.0) / len(item.latents)
        for place, part in kept.items():
            name = catalogue.ids[owners[place]]
            shares[name] = shares.get(name, 0.0) + part * scale
    details = {
        "optimal": all(one.optimal for one in found),
        "largest_outside": max(one.largest_outside for one in found),
        "penalty": min(one.penalty for one in found),
        "searched": sum(one.searched for one in found),
        "explained": float(np.mean([one.explained for one in found])),
    }
    return Estimate(shares={"recording": shares}, details=details)
