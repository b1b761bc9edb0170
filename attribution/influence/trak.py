"""TRAK: the same screening with one random projection of the whole gradient and the margin as output."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from attribution.influence.adapter import Adapter
from attribution.influence.gradients import batches, flows

WIDTH: Final = 1024
DAMPING: Final = 0.1
Floats = NDArray[np.float64]


def features(adapter: Adapter, model: nn.Module, data: Any, *, width: int, seed: int) -> tuple[Floats, Floats]:
    """Each item's projected gradient of log(p / (1 - p)), p being exp(-loss), and 1 - p."""
    batch, losses = flows(adapter, model, data)
    generator = torch.Generator().manual_seed(seed)
    total = np.zeros((len(losses), width))
    for flow in batch.values():
        gradients = flow.gradients.flatten(1)
        basis = torch.randn(gradients.shape[1], width, generator=generator) / width**0.5
        total += (gradients @ basis).double().numpy()
    missed = 1 - torch.exp(-losses).double().numpy()
    # The margin's gradient is the loss's, divided by -(1 - p).
    return -total / np.maximum(missed, 1e-6)[:, None], missed


def scores(
    adapter: Adapter, model: nn.Module, queries: Any, *, width: int = WIDTH, damping: float = DAMPING, seed: int = 0
) -> Floats:
    """Queries x items, for one checkpoint; an ensemble's score is the mean."""
    parts = [features(adapter, model, adapter.data(n), width=width, seed=seed) for n in batches(len(adapter.items()))]
    stored, missed = np.vstack([rows for rows, _ in parts]), np.concatenate([chance for _, chance in parts])
    gram = stored.T @ stored
    gram += damping * np.trace(gram) / width * np.eye(width)
    asked, _ = features(adapter, model, queries, width=width, seed=seed)
    table: Floats = np.linalg.solve(gram, asked.T).T @ stored.T
    weighted: Floats = table * missed[None, :]
    return weighted
