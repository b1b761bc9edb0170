"""Estimators joined by weights fitted on held-out works against a small bank; generated tracks are never used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attribution.influence.contrasts import centred
from ledger.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """By estimator: its spread on the works of the fit, and its weight in nats."""

    spread: Mapping[str, float]
    weight: Mapping[str, float]


def fit(features: Mapping[str, Floats], truth: Floats) -> Weights:
    """Least squares of the truth's contrasts on the estimators' (owners x works each)."""
    names = sorted(features)
    spread = {name: float(centred(features[name]).std()) for name in names}
    if flat := [name for name in names if not spread[name] > 0]:
        raise InputError(f"estimator {flat[0]} gives every owner the same; it cannot be fitted")
    columns = [(centred(features[name]) / spread[name]).ravel() for name in names]
    solution = np.linalg.lstsq(np.stack(columns, axis=1), centred(truth).ravel(), rcond=None)[0]
    return Weights(spread, dict(zip(names, map(float, solution), strict=True)))


def apply(weights: Weights, features: Mapping[str, Floats]) -> Floats:
    """beta: the combined contrast, owners x queries, every column summing to zero."""
    if set(weights.weight) != set(features):
        raise InputError(f"estimators {sorted(features)}, the fit has {sorted(weights.weight)}")
    parts = [weights.weight[name] * centred(features[name]) / weights.spread[name] for name in sorted(features)]
    return centred(np.sum(parts, axis=0))


def held_out_prediction(features: Mapping[str, Floats], truth: Floats, folds: int = 5) -> Floats:
    """What the fit predicts for works that it has not seen: each fold by a fit on the others."""
    out = np.zeros_like(truth)
    for fold in range(folds):
        test = np.arange(truth.shape[1]) % folds == fold
        weights = fit({name: table[:, ~test] for name, table in features.items()}, truth[:, ~test])
        out[:, test] = apply(weights, {name: table[:, test] for name, table in features.items()})
    return out
