"""The interface that an operator implements for a model: its training items, a loss for each, one training step.

Everything in this package reaches a model through `Adapter` alone. A training is deterministic: the
same seed and the same weights give the same parameters, bit for bit, on the same machine with the
same number of threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ledger.errors import InputError
from ledger.types import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One training item: its recording's id, the owner who is paid for it, and the digest of its content."""

    id: str
    owner: str
    sha256: Digest


@dataclass(slots=True)
class TrainingState:
    """A training under way: the model, the optimiser's two moments by parameter name, and the next step.

    `average` sums the parameters over the last third of the steps; `averaged` counts them.
    """

    model: nn.Module
    seed: int
    step: int
    first: dict[str, Tensor]
    second: dict[str, Tensor]
    average: dict[str, Tensor]
    averaged: int = 0


class Adapter(Protocol):
    """A model as the estimators see it. `steps` is the length of a whole training.

    An adapter may also have `attention`, the kernel of attention in words: it is signed with every score.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def steps(self) -> int: ...

    @property
    def rate(self) -> float:
        """The peak learning rate; unlearning uses a part of it."""
        ...

    def batch(self, seed: int, step: int) -> Sequence[int]:
        """The numbers of the items of one training step."""
        ...

    def items(self) -> Sequence[Item]:
        """The training items, always in the same order."""
        ...

    def data(self, numbers: Sequence[int]) -> Any:
        """The content of these training items, as `losses` takes it."""
        ...

    def read(self, path: Path) -> Any:
        """Return the content of files that are not training items: generated tracks or held-out works."""
        ...

    def model(self, seed: int) -> nn.Module:
        """An untrained model."""
        ...

    def losses(self, model: nn.Module, data: Any, sample: torch.Generator | None = None) -> Tensor:
        """One loss for each item, higher being worse. With `sample`, the targets are drawn from the model."""
        ...

    def advance(self, training: TrainingState, weights: Tensor) -> None:
        """One training step, each item's loss multiplied by its weight; the denominator never changes."""
        ...


def begin(adapter: Adapter, seed: int) -> TrainingState:
    """A training before its first step."""
    model = adapter.model(seed)
    zeros = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    return TrainingState(
        model=model,
        seed=seed,
        step=0,
        first=zeros,
        second={name: value.clone() for name, value in zeros.items()},
        average={name: value.clone() for name, value in zeros.items()},
    )


def train(adapter: Adapter, seed: int, weights: Tensor) -> TrainingState:
    """A whole training; InputError where the loss stops being a number."""
    training = begin(adapter, seed)
    late = adapter.steps - adapter.steps // 3
    while training.step < adapter.steps:
        adapter.advance(training, weights)
        if training.step > late:
            training.averaged += 1
            with torch.no_grad():
                for name, value in training.model.named_parameters():
                    training.average[name] += value
    return training


def averaged_model(training: TrainingState) -> nn.Module:
    """The model with its parameters averaged over the last third of training: less noise from the seed."""
    with torch.no_grad():
        for name, value in training.model.named_parameters():
            value.copy_(training.average[name] / max(training.averaged, 1))
    return training.model


def finite(losses: Tensor, where: str) -> Tensor:
    """Return the losses; InputError if one of them is not a number."""
    if not bool(torch.isfinite(losses).all()):
        raise InputError(f"{where}: a loss is not a finite number; lower the learning rate or leave the item out")
    return losses


def encode_checkpoint(training: TrainingState) -> bytes:
    """A finished training: averaged parameters, and the second moment that unlearning starts from."""
    averages = {f"model.{name}": value / max(training.averaged, 1) for name, value in training.average.items()}
    moments = {f"second.{name}": value for name, value in training.second.items()}
    counts = {"step": torch.tensor([training.step]), "seed": torch.tensor([training.seed])}
    # Without metadata safetensors writes tensors in a fixed order: the same training has the same bytes.
    return save_tensors({**averages, **moments, **counts})


def read_checkpoint(adapter: Adapter, path: Path, expected: Digest | None = None) -> TrainingState:
    """The training in a checkpoint file, for this adapter's model; InputError for any other file."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise InputError(f"checkpoint {path}: cannot be read ({problem.strerror})") from None
    digest = hashlib.sha256(content).hexdigest()
    if expected is not None and digest != expected:
        raise InputError(f"checkpoint {path}: SHA-256 {digest[:16]}, expected {expected[:16]}; restore the file")
    try:
        tensors = load_tensors(content)
        seed, step = int(tensors["seed"][0]), int(tensors["step"][0])
        training = begin(adapter, seed)
        with torch.no_grad():
            for name, value in training.model.named_parameters():
                if tensors[f"model.{name}"].shape != value.shape:
                    raise InputError(
                        f"checkpoint {path}: {name} has shape {tuple(tensors[f'model.{name}'].shape)}, "
                        f"expected {tuple(value.shape)}; is it a checkpoint of {adapter.name} {adapter.version}?"
                    )
                value.copy_(tensors[f"model.{name}"])
                training.second[name] = tensors[f"second.{name}"]
    except InputError:
        raise
    except Exception as problem:  # noqa: BLE001  safetensors raises its own and plain errors for damaged files
        raise InputError(f"checkpoint {path}: not a checkpoint of {adapter.name} ({problem!r})") from None
    training.step = step
    return training
