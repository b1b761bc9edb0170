"""Retrain without an owner: one job at a time, resumable from the jobs' own files.

A job is one seed and one set of training items. Its name is the digest of both and of the adapter, so
that the same job is never trained twice and a changed manifest never reuses an old result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.influence.adapter import Adapter, Item, encode_checkpoint, read_checkpoint, train
from ledger.errors import InputError
from ledger.proofs import canon
from ledger.types import Digest

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One training: the seed, and the numbers of the items that are left out."""

    seed: int
    left_out: tuple[int, ...] = ()

    def digest(self, adapter: Adapter, root: Digest) -> Digest:
        document = {"adapter": adapter.name, "version": adapter.version, "items": root, "steps": adapter.steps}
        return canon.digest(canon.encode({**document, "seed": self.seed, "left_out": list(self.left_out)}))


def items_root(items: Sequence[Item]) -> Digest:
    """One digest over every training item, its owner and its content, in order."""
    return canon.digest(canon.encode([[item.id, item.owner, item.sha256] for item in items]))


def owners_of(items: Sequence[Item]) -> list[str]:
    """The owners, sorted."""
    return sorted({item.owner for item in items})


def checked_items(adapter: Adapter, registered: Digest | None) -> list[Item]:
    """The adapter's items; InputError when they are not those of the registered manifest."""
    items = list(adapter.items())
    if len({item.id for item in items}) != len(items):
        raise InputError(f"training items of {adapter.name}: an id is listed twice")
    root = items_root(items)
    if registered is not None and root != registered:
        raise InputError(
            f"training items of {adapter.name}: root {root[:16]}, the registered manifest has {registered[:16]}; "
            "an item was added, removed or changed"
        )
    return items


def coalition_jobs(owners: Sequence[str], items: Sequence[Item], models: int, *, seed: int) -> list[TrainingJob]:
    """Jobs that leave out a third of the owners each.

    A block of three jobs shares a seed and leaves every owner out exactly once, so that a seed's own
    level cancels between owners.
    """
    generator = np.random.default_rng([seed, 3])
    jobs = []
    for block in range(math.ceil(models / 3)):
        order = generator.permutation(len(owners))
        for part in np.array_split(order, 3):
            absent = {owners[number] for number in part}
            jobs.append(TrainingJob(seed=seed + block, left_out=without(items, absent)))
    return jobs[:models]


def leave_one_out_jobs(owners: Sequence[str], items: Sequence[Item], seeds: Iterable[int]) -> list[TrainingJob]:
    """For every seed one job without each owner."""
    return [TrainingJob(seed=seed, left_out=without(items, {owner})) for seed in seeds for owner in owners]


def subset_jobs(items: Sequence[Item], subsets: int, *, seed: int, repeats: int = 2) -> list[TrainingJob]:
    """Random halves of the items, each trained with `repeats` seeds, for measuring LDS."""
    generator = np.random.default_rng([seed, 2])
    halves = [tuple(sorted(generator.permutation(len(items))[: len(items) // 2].tolist())) for _ in range(subsets)]
    return [TrainingJob(seed=seed + repeat, left_out=half) for half in halves for repeat in range(repeats)]


def placebo_group(items: Sequence[Item], size: int, *, seed: int) -> tuple[int, ...]:
    """The placebo: random items, as many as an owner has."""
    chosen = np.random.default_rng([seed, 5]).permutation(len(items))[:size]
    return tuple(sorted(int(number) for number in chosen))


def without(items: Sequence[Item], absent: set[str]) -> tuple[int, ...]:
    return tuple(number for number, item in enumerate(items) if item.owner in absent)


def seeds_needed(deviation: float, precision: float) -> int:
    """How many seeds bring a mean to this precision at 95 %, given its deviation from seed to seed."""
    if deviation <= 0 or precision <= 0:
        raise InputError(f"deviation {deviation} and precision {precision}: both are above 0")
    return max(2, math.ceil((1.96 * deviation / precision) ** 2))


class Bench:
    """Runs jobs and stores the trained models in a folder; models that exist are not trained again."""

    def __init__(self, adapter: Adapter, folder: Path, *, producer: int, registered: Digest | None = None) -> None:
        self.adapter, self.folder, self.producer = adapter, folder, producer
        self.items = checked_items(adapter, registered)
        self.root = items_root(self.items)

    def digest(self, job: TrainingJob) -> Digest:
        return job.digest(self.adapter, self.root)

    def path(self, job: TrainingJob) -> Path:
        return self.folder / f"{self.digest(job)}.safetensors"

    def missing(self, jobs: Iterable[TrainingJob]) -> list[TrainingJob]:
        return [job for job in jobs if not self.path(job).is_file()]

    def train(self, job: TrainingJob) -> Path:
        """The checkpoint of a job, trained if need be."""
        folder = self.path(job)
        if not folder.is_file():
            weights = torch.ones(len(self.items))
            weights[list(job.left_out)] = 0
            content = encode_checkpoint(train(self.adapter, job.seed, weights))
            folder.parent.mkdir(parents=True, exist_ok=True)
            # Written whole or not at all: an interrupted job is trained again, never half read.
            draft = folder.with_suffix(f".{job.seed}.part")
            draft.write_bytes(content)
            draft.replace(folder)
        return folder

    def train_all(
        self, jobs: Sequence[TrainingJob], on_progress: Callable[[int, int | None], None] | None = None
    ) -> None:
        self.judges(jobs)
        for number, job in enumerate(jobs, start=1):
            self.train(job)
            if on_progress is not None:
                on_progress(number, len(jobs))

    def judges(self, jobs: Iterable[TrainingJob]) -> None:
        """InputError when a job has the producer's seed: its models favour the tracks they made."""
        if any(job.seed == self.producer for job in jobs):
            raise InputError(
                f"seed {self.producer} produced the tracks and cannot evaluate them: its own tracks are always "
                "more likely under it; choose other seeds"
            )

    def values(self, jobs: Sequence[TrainingJob], data: object) -> Floats:
        """The mean log-likelihood of each query under each job's model: jobs x queries."""
        self.judges(jobs)
        rows = []
        for job in jobs:
            model = read_checkpoint(self.adapter, self.train(job)).model
            rows.append(likelihoods(self.adapter, model, data))
        return np.stack(rows)


def likelihoods(adapter: Adapter, model: torch.nn.Module, data: object) -> Floats:
    """The log-likelihood of each query, as the negative of its loss."""
    with torch.no_grad():
        losses = adapter.losses(model, data)
    values: Floats = -losses.double().numpy()
    if not np.isfinite(values).all():
        raise InputError(f"{adapter.name}: a query's loss is not a finite number")
    return values
