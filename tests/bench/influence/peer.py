"""Kronfluence's EK-FAC on a model of ours: a peer to compare with, in benches only."""

from __future__ import annotations

import logging
import tempfile
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from attribution.influence.adapter import Adapter


class Rows(Dataset[Tensor]):
    """Works as a data set."""

    def __init__(self, tokens: Tensor) -> None:
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, number: int) -> Tensor:
        return self.tokens[number]


def kronfluence_scores(adapter: Adapter, model: nn.Module, queries: Tensor) -> NDArray[np.float64]:
    """What each query's log-likelihood loses without each item, by kronfluence: queries x items."""
    from kronfluence.analyzer import Analyzer, prepare_model
    from kronfluence.arguments import FactorArguments, ScoreArguments
    from kronfluence.task import Task

    class Likelihood(Task):  # type: ignore[misc]  # kronfluence has no types
        def compute_train_loss(self, batch: Tensor, model: nn.Module, sample: bool = False) -> Tensor:
            generator = torch.Generator().manual_seed(0) if sample else None
            return adapter.losses(model, batch, generator).sum()

        def compute_measurement(self, batch: Tensor, model: nn.Module) -> Tensor:
            return adapter.losses(model, batch).sum()

    logging.disable(logging.WARNING)
    items = Rows(adapter.data(range(len(adapter.items()))))
    prepared = prepare_model(deepcopy(model), Likelihood())
    with tempfile.TemporaryDirectory() as folder:
        analyzer: Any = Analyzer("bench", prepared, Likelihood(), output_dir=folder, cpu=True, disable_tqdm=True)
        analyzer.fit_all_factors(
            "f",
            items,
            per_device_batch_size=64,
            factor_args=FactorArguments(strategy="ekfac"),
            overwrite_output_dir=True,
        )
        analyzer.compute_pairwise_scores(
            "s",
            "f",
            Rows(queries),
            items,
            per_device_query_batch_size=64,
            per_device_train_batch_size=64,
            score_args=ScoreArguments(damping_factor=None),
            overwrite_output_dir=True,
        )
        table: NDArray[np.float64] = analyzer.load_pairwise_scores("s")["all_modules"].double().numpy()
    logging.disable(logging.NOTSET)
    return table / len(items)
