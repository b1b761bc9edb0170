"""LoGra: each item's gradient projected small, kept in a file, and searched by inner product.

For models and catalogues too large for EK-FAC: a layer keeps rank x rank numbers for an item. Queries are
preconditioned, stored gradients are raw, so a score is a plain inner product, and an owner's score is one
inner product with the sum of the owner's rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attribution.influence.adapter import Adapter, Item
from attribution.influence.gradients import Flow, batches, flows
from attribution.influence.retraining import items_root
from ledger.errors import InputError

RANK: Final = 16
DAMPING: Final = 0.1
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Projection:
    """A layer's random bases; both are drawn from the seed and the layer's name."""

    inputs: Tensor
    outputs: Tensor

    def apply(self, flow: Flow) -> Tensor:
        small = Flow(flow.inputs @ self.inputs, flow.outputs @ self.outputs)
        return small.gradients.flatten(1)


def projection(layer: str, flow: Flow, rank: int, seed: int) -> Projection:
    digest = hashlib.sha256(f"{seed}/{layer}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def basis(width: int) -> Tensor:
        columns = min(rank, width)
        drawn: Tensor = torch.randn(width, columns, generator=generator) / columns**0.5
        return drawn

    return Projection(basis(flow.inputs.shape[-1]), basis(flow.outputs.shape[-1]))


def project(adapter: Adapter, model: nn.Module, data: Any, *, rank: int, seed: int) -> dict[str, Floats]:
    """Each item's projected gradient by layer; embeddings are left out."""
    batch, _ = flows(adapter, model, data)
    return {
        layer: projection(layer, flow, rank, seed).apply(flow).double().numpy()
        for layer, flow in batch.items()
        if not flow.rows
    }


class GradientStore:
    """Projected gradients of all training items in one memory-mapped file of half precision."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.about = json.loads((folder / "store.json").read_text(encoding="utf-8"))
            shape = (self.about["items"], sum(self.about["layers"].values()))
            self.rows: NDArray[np.float16] = np.memmap(folder / "rows.f16", np.float16, "r", shape=shape)
        except (OSError, ValueError, KeyError) as problem:
            raise InputError(f"gradient store {folder}: cannot be read ({problem}); build it again") from None

    @classmethod
    def build(
        cls,
        adapter: Adapter,
        model: nn.Module,
        folder: Path,
        *,
        rank: int = RANK,
        damping: float = DAMPING,
        seed: int = 0,
    ) -> GradientStore:
        """Write the store; rows are scaled to fit half precision, and the scale is kept."""
        folder.mkdir(parents=True, exist_ok=True)
        items = list(adapter.items())
        layers: dict[str, int] = {}
        gram: dict[str, Floats] = {}
        scale = 0.0
        for numbers in batches(len(items)):
            parts = project(adapter, model, adapter.data(numbers), rank=rank, seed=seed)
            for layer, rows in parts.items():
                layers[layer] = rows.shape[1]
                gram[layer] = gram.get(layer, np.zeros(())) + rows.T @ rows
                scale = max(scale, float(np.abs(rows).max()))
        scale = scale or 1.0
        rows_file = np.memmap(folder / "rows.f16", np.float16, "w+", shape=(len(items), sum(layers.values())))
        for numbers in batches(len(items)):
            parts = project(adapter, model, adapter.data(numbers), rank=rank, seed=seed)
            joined = np.hstack([parts[layer] for layer in layers]) / scale
            rows_file[list(numbers)] = joined.astype(np.float16)
        rows_file.flush()
        np.savez(folder / "curvature.npz", **{layer: table / len(items) for layer, table in gram.items()})  # type: ignore[arg-type]
        about = {
            "v": 1,
            "type": "gradient-store",
            "items": len(items),
            "items_root": items_root(items),
            "layers": layers,
            "rank": rank,
            "damping": damping,
            "seed": seed,
            "scale": scale,
        }
        (folder / "store.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        return cls(folder)

    def queries(self, adapter: Adapter, model: nn.Module, data: Any) -> NDArray[np.float32]:
        """Preconditioned queries: their inner product with a stored row is the score."""
        parts = project(adapter, model, data, rank=self.about["rank"], seed=self.about["seed"])
        curvature = np.load(self.folder / "curvature.npz")
        solved = []
        for layer in self.about["layers"]:
            table = curvature[layer]
            table = table + self.about["damping"] * np.trace(table) / len(table) * np.eye(len(table))
            solved.append(np.linalg.solve(table, parts[layer].T).T)
        rows: NDArray[np.float32] = (np.hstack(solved) * self.about["scale"] / self.about["items"]).astype(np.float32)
        return rows

    def scores(self, queries: NDArray[np.float32]) -> Floats:
        """Every score: queries x items."""
        parts = [queries @ np.asarray(self.rows[list(part)], np.float32).T for part in batches(len(self.rows))]
        return np.hstack(parts).astype(np.float64)

    def owner_rows(self, items: Sequence[Item], owners: Sequence[str]) -> NDArray[np.float32]:
        """One row for each owner: payouts need no search, since scores add up."""
        if items_root(items) != self.about["items_root"]:
            raise InputError(f"gradient store {self.folder}: of other training items; build it again")
        total = np.zeros((len(owners), self.rows.shape[1]), np.float64)
        row_of_owner = {owner: number for number, owner in enumerate(owners)}
        for number, item in enumerate(items):
            total[row_of_owner[item.owner]] += self.rows[number]
        return total.astype(np.float32)


class RowSearch:
    """The highest scores among very many rows: exact below `EXACT` numbers held, else by an inverted file."""

    EXACT: Final = 100_000_000

    def __init__(self, rows: NDArray[Any], *, cells: int = 0, probes: int = 0) -> None:
        import faiss

        width = rows.shape[1]
        if rows.size <= self.EXACT and not cells:
            self.index: Any = faiss.IndexFlatIP(width)
        else:
            cells = cells or max(1, round(4 * len(rows) ** 0.5))
            coarse = faiss.IndexFlatIP(width)
            self.index = faiss.IndexIVFScalarQuantizer(
                coarse, width, cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
            )
            step = max(1, len(rows) // (40 * cells))
            self.index.train(np.ascontiguousarray(rows[::step], np.float32))
            self.index.nprobe = probes or max(1, cells // 16)
        for start in range(0, len(rows), 65_536):
            self.index.add(np.ascontiguousarray(rows[start : start + 65_536], np.float32))

    def top(self, queries: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The highest scores of each query and the items they belong to; ask with -queries for the lowest."""
        hits: tuple[NDArray[np.float32], NDArray[np.int64]] = self.index.search(
            np.ascontiguousarray(queries, np.float32), count
        )
        return hits


def hubs(numbers: NDArray[np.int64], share: float = 0.5) -> Mapping[int, float]:
    """Items that stand among the highest of more than this part of the queries: near to everything."""
    items, counts = np.unique(numbers, return_counts=True)
    parts = counts / len(numbers)
    return {int(item): float(part) for item, part in zip(items, parts, strict=True) if part > share}
