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
    """Return the share of each recording's latents in an item's; unexplained energy stays unattributed."""
    nearest, owners = catalogue.latents
    if not len(nearest):
        raise InputError("the index contains no latents to compare with; index latents of the same model first")
    if nearest.rows.shape[1] != item.latents.shape[1]:
        raise InputError(
            f"latents are {item.latents.shape[1]} wide, the indexed ones {nearest.rows.shape[1]}: another model's?"
        )
    shares: dict[str, float] = {}
    decompositions: list[Decomposition] = []
    for row in item.latents.astype(np.float64):
        length = float(np.linalg.norm(row))
        decomposition = decompose(row / length if length > 0 else row, nearest.largest, nearest.fetch, ratio=RATIO)
        decompositions.append(decomposition)
        whole = float(decomposition.weights.sum())
        shares_by_row = {
            int(position): weight / whole
            for position, weight in zip(decomposition.rows, decomposition.weights, strict=True)
            if weight >= LEAST * whole
        }
        scale = decomposition.explained / (sum(shares_by_row.values()) or 1.0) / len(item.latents)
        for position, part in shares_by_row.items():
            name = catalogue.ids[owners[position]]
            shares[name] = shares.get(name, 0.0) + part * scale
    details = {
        "optimal": all(decomposition.optimal for decomposition in decompositions),
        "largest_outside": max(decomposition.largest_outside for decomposition in decompositions),
        "penalty": min(decomposition.penalty for decomposition in decompositions),
        "searched": sum(decomposition.searched for decomposition in decompositions),
        "explained": float(np.mean([decomposition.explained for decomposition in decompositions])),
    }
    return Estimate(shares={"recording": shares}, details=details)
