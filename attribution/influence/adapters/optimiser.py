"""The training recipe that both worked adapters share: batches by seed, Adam with decoupled decay, cosine rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from attribution.influence.adapter import TrainingState, finite

BETAS = (0.9, 0.99)
EPSILON = 1e-10
"""Inside the root: updates stay smooth where a gradient is almost nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained: the peak rate falls to nothing along a cosine after `warmup` steps."""

    steps: int
    batch: int
    rate: float
    warmup: int = 10
    decay: float = 0.0

    def rate_at(self, step: int) -> float:
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / max(self.steps - self.warmup, 1)))


def batch_of(seed: int, step: int, batch: int, count: int) -> list[int]:
    """The items of a step: every pass visits all items in an order drawn from the seed.

    A removed item keeps its place, so the others are visited at the same steps without it.
    """
    passes = max(count // batch, 1)
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step // passes)
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    at = (step % passes) * batch
    return order[at : at + batch]


def advance(
    training: TrainingState, recipe: Recipe, count: int, weights: Tensor, losses: Callable[[list[int]], Tensor]
) -> None:
    """One step of Adam on the weighted losses of the step's batch; the denominator is the batch size."""
    chosen = batch_of(training.seed, training.step, recipe.batch, count)
    chosen_weights = weights[chosen]
    nonzero = [number for number, weight in zip(chosen, chosen_weights.tolist(), strict=True) if weight != 0]
    gradients: dict[str, Tensor] = {}
    names = [name for name, _ in training.model.named_parameters()]
    if nonzero:
        loss = (finite(losses(nonzero), f"step {training.step}") * weights[nonzero]).sum() / len(chosen)
        parameters = list(training.model.parameters())
        gradients = dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))
    rate, number = recipe.rate_at(training.step), training.step + 1
    with torch.no_grad():
        for name, value in training.model.named_parameters():
            gradient = gradients.get(name, torch.zeros_like(value))
            first, second = training.first[name], training.second[name]
            first.mul_(BETAS[0]).add_(gradient, alpha=1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            scale = (second / (1 - BETAS[1] ** number) + EPSILON).sqrt()
            value.mul_(1 - rate * recipe.decay).sub_(first / (1 - BETAS[0] ** number) / scale, alpha=rate)
    training.step += 1
