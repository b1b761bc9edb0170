"""Owner-level unlearning: a few training steps that forget one owner, and the loss of each track.

From a checkpoint, with Adam's second moment frozen, the owner's items count -1 and all others +1. The
reference is the same steps with every item at +1. One short run per owner and model version serves every
track.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from attribution.influence.adapter import Adapter, finite, read_checkpoint
from attribution.influence.adapters.optimiser import BETAS, EPSILON
from attribution.influence.retraining import likelihoods

MOMENTUM: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How much is forgotten: the part of the training's steps, and of its peak learning rate."""

    steps: float = 1 / 4
    rate: float = 0.3


def unlearn(adapter: Adapter, checkpoint: Path, owner: str | None, strength: Strength) -> nn.Module:
    """The model after the run that forgets this owner; None is the reference run, which forgets nobody."""
    training = read_checkpoint(adapter, checkpoint)
    signs = torch.tensor([-1.0 if item.owner == owner else 1.0 for item in adapter.items()])
    names = [name for name, _ in training.model.named_parameters()]
    correction = 1 - BETAS[1] ** max(training.step, 1)
    scale = {name: (training.second[name] / correction + EPSILON).sqrt() for name in names}
    pace = {name: torch.zeros_like(value) for name, value in training.second.items()}
    for step in range(max(1, round(adapter.steps * strength.steps))):
        numbers = list(adapter.batch(training.seed, step))
        losses = finite(adapter.losses(training.model, adapter.data(numbers)), f"unlearning {owner}, step {step}")
        loss = (losses * signs[numbers]).mean()
        gradients = torch.autograd.grad(loss, list(training.model.parameters()))
        with torch.no_grad():
            for (name, value), gradient in zip(training.model.named_parameters(), gradients, strict=True):
                pace[name].mul_(MOMENTUM).add_(gradient, alpha=1 - MOMENTUM)
                value.sub_(pace[name] / scale[name], alpha=adapter.rate * strength.rate)
    return training.model


def scores(
    adapter: Adapter, checkpoint: Path, owners: Sequence[str], queries: Any, strength: Strength | None = None
) -> NDArray[np.float64]:
    """Return the loss of each query's log-likelihood when each owner is forgotten: owners x queries."""
    chosen = strength or Strength()
    reference = likelihoods(adapter, unlearn(adapter, checkpoint, None, chosen), queries)
    rows = [reference - likelihoods(adapter, unlearn(adapter, checkpoint, owner, chosen), queries) for owner in owners]
    return np.stack(rows)
