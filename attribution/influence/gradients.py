"""Gradients of each item's loss, layer by layer, from hooks on a layer's input and output gradient.

A layer's gradient for an item is a sum over positions of (gradient of the output) x (input). Linear,
Conv1d, Conv2d and Embedding layers are read so; norms are left out; any other layer with parameters is
refused, since its influence would be missing without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from attribution.influence.adapter import Adapter, finite
from ledger.errors import InputError

BATCH: Final = 64
"""Items at once; a fixed number, since sums in another order end in other last digits."""
LEFT_OUT: Final = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True, slots=True)
class Flow:
    """One layer, one batch: inputs (items, positions, in) and output gradients (items, positions, out).

    An embedding's inputs are token numbers (items, positions), with `rows` its number of tokens.
    """

    inputs: Tensor
    outputs: Tensor
    rows: int = 0

    @property
    def gradients(self) -> Tensor:
        """Each item's gradient: (items, out, in)."""
        if not self.rows:
            return self.outputs.transpose(1, 2) @ self.inputs
        items, _, out = self.outputs.shape
        total = self.outputs.new_zeros(items, self.rows, out)
        total.scatter_add_(1, self.inputs.unsqueeze(-1).expand(self.outputs.shape), self.outputs)
        return total.transpose(1, 2)


def layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers whose gradients are read, by name; InputError for parameters that no rule covers."""
    chosen: dict[str, nn.Module] = {}
    owner: dict[int, str] = {}
    for name, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if not own or isinstance(module, LEFT_OUT):
            continue
        plain = isinstance(module, nn.Linear | nn.Embedding | nn.Conv1d | nn.Conv2d)
        if not plain or getattr(module, "groups", 1) != 1 or getattr(module, "padding_mode", "zeros") != "zeros":
            raise InputError(
                f"layer {name} ({type(module).__name__}) is not supported; expected Linear, Embedding, or Conv1d "
                "or Conv2d without groups, padded with zeros"
            )
        for parameter in own.values():
            if id(parameter) in owner:
                raise InputError(f"layers {owner[id(parameter)]} and {name} share a parameter; give each its own")
            owner[id(parameter)] = name
        chosen[name] = module
    if not chosen:
        raise InputError(f"{type(model).__name__} has no layer whose gradient can be read")
    return chosen


@contextmanager
def _recorded(chosen: dict[str, nn.Module]) -> Iterator[list[tuple[str, Tensor, Tensor]]]:
    """What went through each layer while the block ran."""
    calls: list[tuple[str, Tensor, Tensor]] = []

    def hook(name: str) -> Any:
        def record(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls.append((name, inputs[0].detach(), output))

        return record

    handles = [module.register_forward_hook(hook(name)) for name, module in chosen.items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def flows(
    adapter: Adapter, model: nn.Module, data: Any, sample: torch.Generator | None = None
) -> tuple[dict[str, Flow], Tensor]:
    """Every layer's flow for these items, and their losses."""
    chosen = layers(model)
    with _recorded(chosen) as calls, torch.enable_grad():
        losses = finite(adapter.losses(model, data, sample), adapter.name)
        outputs = [output for _, _, output in calls]
        backward: tuple[Tensor | None, ...] = torch.autograd.grad(losses.sum(), outputs, allow_unused=True)
    parts: dict[str, list[Flow]] = {}
    for (name, inputs, output), gradient in zip(calls, backward, strict=True):
        if output.shape[0] != len(losses):
            raise InputError(f"layer {name}: {output.shape[0]} rows for {len(losses)} items; items come first")
        reached = torch.zeros_like(output) if gradient is None else gradient.detach()
        parts.setdefault(name, []).append(_flow(chosen[name], inputs, reached))
    joined = {
        name: Flow(
            torch.cat([step.inputs for step in flow], 1), torch.cat([step.outputs for step in flow], 1), flow[0].rows
        )
        for name, flow in parts.items()
    }
    return joined, losses.detach()


def _flow(module: Any, inputs: Tensor, outputs: Tensor) -> Flow:
    items = outputs.shape[0]
    if isinstance(module, nn.Embedding):
        return Flow(inputs.reshape(items, -1), outputs.reshape(items, -1, outputs.shape[-1]), module.num_embeddings)
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        inputs, outputs = _unfolded(module, inputs), outputs.reshape(items, outputs.shape[1], -1).transpose(1, 2)
    else:
        inputs, outputs = inputs.reshape(items, -1, inputs.shape[-1]), outputs.reshape(items, -1, outputs.shape[-1])
    if getattr(module, "bias", None) is not None:
        inputs = functional.pad(inputs, (0, 1), value=1.0)
    return Flow(inputs, outputs)


def _unfolded(module: nn.Conv1d | nn.Conv2d, inputs: Tensor) -> Tensor:
    """A convolution's input as the patches that it multiplies: (items, positions, in x kernel)."""
    if isinstance(module.padding, str):
        raise InputError(f"convolution padded {module.padding!r}; state the padding as numbers")
    kernel, padding, dilation, stride = (
        tuple(value) if len(value) == 2 else (neutral, value[0])
        for value, neutral in ((module.kernel_size, 1), (module.padding, 0), (module.dilation, 1), (module.stride, 1))
    )
    image = inputs if isinstance(module, nn.Conv2d) else inputs.unsqueeze(2)
    return functional.unfold(image, kernel, dilation=dilation, padding=padding, stride=stride).transpose(1, 2)


def batches(count: int) -> Iterator[Sequence[int]]:
    """The numbers of all items, a batch at a time."""
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))
