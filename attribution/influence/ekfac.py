"""EK-FAC: how far an item's gradient moves a query's likelihood, by a curvature that factors layer by layer.

A layer's curvature is taken as a Kronecker product of input and output covariances; its eigenvalues are
then measured anew from the items' own gradients in that basis (George et al., 2018). Scores are signed:
above zero, the item makes the query likelier. In nats: what the query loses without the item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attribution.influence.adapter import Adapter
from attribution.influence.gradients import Flow, batches, flows

DAMPING: Final = 1e-3
"""Added to the eigenvalues, as a part of their mean in the layer; below 1e-5 single precision shows as noise."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One layer's basis on either side (no input basis for an embedding) and the eigenvalues in it."""

    inputs: Tensor | None
    outputs: Tensor
    eigenvalues: Tensor

    def rotate(self, flow: Flow) -> Tensor:
        """Each item's gradient in the basis: (items, out, in)."""
        turned = Flow(
            flow.inputs if self.inputs is None else flow.inputs @ self.inputs, flow.outputs @ self.outputs, flow.rows
        )
        return turned.gradients


def fit(adapter: Adapter, model: nn.Module, *, seed: int = 0) -> dict[str, Factor]:
    """The factors of every layer from all training items, with targets drawn from the model (true Fisher)."""
    count = len(adapter.items())
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    for layer, flow in _passes(adapter, model, count, seed):
        if not flow.rows:
            inputs[layer] = inputs.get(layer, torch.zeros(())) + _covariance(flow.inputs)
        outputs[layer] = outputs.get(layer, torch.zeros(())) + _covariance(flow.outputs)
    bases = {
        layer: (_eigenvectors(inputs[layer]) if layer in inputs else None, _eigenvectors(covariance))
        for layer, covariance in outputs.items()
    }
    squares: dict[str, Tensor] = {}
    for layer, flow in _passes(adapter, model, count, seed):
        rotated = Factor(*bases[layer], torch.zeros(())).rotate(flow)
        squares[layer] = squares.get(layer, torch.zeros(())) + rotated.square().sum(0)
    return {layer: Factor(*bases[layer], total / count) for layer, total in squares.items()}


def _passes(adapter: Adapter, model: nn.Module, count: int, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    for numbers in batches(count):
        batch, _ = flows(adapter, model, adapter.data(numbers), generator)
        yield from batch.items()


def _covariance(values: Tensor) -> Tensor:
    flat = values.flatten(0, 1)
    return flat.T @ flat


def _eigenvectors(covariance: Tensor) -> Tensor:
    # In double precision, so that near-equal eigenvalues do not turn the basis from run to run.
    vectors: Tensor = torch.linalg.eigh(covariance.double())[1]
    return vectors.to(covariance.dtype)


def scores(
    adapter: Adapter, model: nn.Module, factors: Mapping[str, Factor], queries: Any, damping: float = DAMPING
) -> NDArray[np.float64]:
    """Return the loss of each query's log-likelihood without each item, over layers with factors: queries x items."""
    count = len(adapter.items())
    asked, losses = flows(adapter, model, queries)
    prepared = {
        layer: factors[layer].rotate(flow) / (factors[layer].eigenvalues + damping * factors[layer].eigenvalues.mean())
        for layer, flow in asked.items()
        if layer in factors
    }
    table = np.zeros((len(losses), count))
    for numbers in batches(count):
        parts = flows(adapter, model, adapter.data(numbers))[0]
        for layer, query in prepared.items():
            rotated = factors[layer].rotate(parts[layer])
            product = query.flatten(1) @ rotated.flatten(1).T
            table[:, np.asarray(numbers)] += product.double().numpy()
    return table / count
