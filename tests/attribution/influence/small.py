"""Small models for the tests: a few short works, a few clips, and a linear model whose answers are exact."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attribution.influence.adapter import Item, TrainingState
from attribution.influence.adapters.latent import Latent
from attribution.influence.adapters.symbolic import Symbolic, TokenisedWork
from ledger.types import MILLION


def works(count: int = 36, owners: int = 4, length: int = 12, seed: int = 1) -> list[TokenisedWork]:
    """Every owner walks in steps of its own."""
    generator = np.random.default_rng(seed)
    out = []
    for number in range(count):
        owner = number % owners
        steps = generator.integers(-owner - 1, owner + 2, length)
        tokens = tuple(int(t) for t in np.clip(8 + np.cumsum(steps), 0, 15))
        out.append(TokenisedWork(f"w{number}", f"owner-{owner}", tokens))
    return out


PLAN = {
    "adapter": "attribution.influence.adapters.symbolic:Symbolic",
    "model": "m",
    "model_version": "1",
    "producer": 7,
    "held_out": "held.jsonl",
    "checkpoints": 1,
    "bank": 6,
    "subsets": 3,
    "like_style": ["owner-0", "owner-1"],
}
TRAINED, HELD_OUT = 32, 44
"""Of 48 works the first are trained on, the next held out, the last four stand for what the model made."""


def write_study(folder: Path) -> None:
    """The files of a small study, nothing of it trained."""
    every = works(48)
    parts = {"works": every[:TRAINED], "held": every[TRAINED:HELD_OUT], "tracks": every[HELD_OUT:]}
    for name, part in parts.items():
        rows = [json.dumps({"id": work.id, "owner": work.owner, "tokens": work.tokens}) for work in part]
        (folder / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (folder / "study.json").write_text(json.dumps(PLAN), encoding="utf-8")


def study_registry() -> dict[str, Any]:
    """A registry that says the same as the study: whose works they are, and what the model was trained on."""
    trained = works(48)[:TRAINED]
    return {
        "parties": [{"id": owner, "name": owner, "kind": "person"} for owner in sorted({w.owner for w in trained})],
        "recordings": [{"id": work.id, "title": work.id} for work in trained],
        "shares": [
            {"subject": work.id, "party": work.owner, "right": "master", "ppm": MILLION, "state": "confirmed"}
            for work in trained
        ],
        "grants": [
            {"id": f"g-{work.id}", "grantor": work.owner, "subject": work.id, "uses": ["train"], "decision": "allow"}
            for work in trained
        ],
        "models": [{"id": "m", "version": "1", "operator": "owner-0", "training": [work.id for work in trained]}],
    }


def symbolic(count: int = 36, owners: int = 4) -> Symbolic:
    return Symbolic(works(count, owners), width=8, epochs=6, batch=12)


def latent() -> Latent:
    generator = np.random.default_rng(2)
    clips = {
        f"c{n}": (f"owner-{n % 3}", generator.standard_normal((10, 3)).astype(np.float32) * (1 + n % 3))
        for n in range(9)
    }
    return Latent(clips, width=4, epochs=2, batch=3)


class Linear:
    """Least squares: the model that leaving an item out changes by a formula."""

    name, version, steps, rate = "least-squares", "1", 1, 0.1

    def __init__(self, count: int = 200, width: int = 5, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, width, generator=generator, dtype=torch.float64)
        self.y = self.x @ torch.arange(1.0, width + 1, dtype=torch.float64)
        self.y = self.y + torch.randn(count, generator=generator, dtype=torch.float64)

    def items(self) -> list[Item]:
        return [Item(id=str(n), owner="all", sha256=f"{n:064x}") for n in range(len(self.y))]

    def data(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        return self.x[list(numbers)], self.y[list(numbers)]

    def read(self, path: Path) -> Any:
        raise NotImplementedError(path)

    def model(self, seed: int) -> nn.Module:  # noqa: ARG002  the solution needs no start
        return nn.Linear(self.x.shape[1], 1, bias=False, dtype=torch.float64)

    def solved(self, weights: Tensor) -> nn.Module:
        model = self.model(0)
        root = weights.sqrt()
        solution = torch.linalg.lstsq(self.x * root[:, None], self.y * root).solution
        with torch.no_grad():
            model.weight.copy_(solution[None, :])  # type: ignore[operator]
        return model

    def losses(self, model: nn.Module, data: tuple[Tensor, Tensor], sample: torch.Generator | None = None) -> Tensor:
        predicted = model(data[0])[:, 0]
        target = data[1]
        if sample is not None:
            noise = torch.randn(predicted.shape, generator=sample, dtype=torch.float64)
            target = predicted.detach() + noise
        losses: Tensor = 0.5 * (predicted - target).square()
        return losses

    def batch(self, seed: int, step: int) -> list[int]:  # noqa: ARG002  always everything
        return list(range(len(self.y)))

    def advance(self, training: TrainingState, weights: Tensor) -> None:  # noqa: ARG002  `solved` trains
        training.step += 1
