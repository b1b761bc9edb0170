"""Checks of a study before anything is scored: no retraining on subsets, no truth, at most three trainings.

They say whether scores can be trusted at all, not how near they are to the truth: `settle lds` and the fit say that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.influence import ekfac
from attribution.influence.adapter import Adapter, averaged_model, encode_checkpoint, read_checkpoint, train
from attribution.influence.contrasts import centred, correlation
from attribution.influence.logra import hubs
from attribution.influence.retraining import TrainingJob
from attribution.influence.study import Study
from ledger.types import MILLION

TOP: Final = 10
STEP: Final = 0.1
"""How far the weights of half of the items are raised, twice, to see whether training answers in proportion."""
AGREEMENT_LOW: Final = 0.3
RANK_LOW: Final = 2.0
TRACKS_LEAST: Final = 10
"""Below this, items that two tracks share look like hubs."""
SMOOTH_LOW: Final = 0.5
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubItem:
    """A training item among the highest of more than half of the tracks: near to everything."""

    item: str
    tracks_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The figures, and a sentence for each that a person should look at.

    `agreement_ppm`: correlation of EK-FAC's and unlearning's contrasts. `effective_rank`: of the scores of tracks by
    items, 1 where all tracks score the items alike. `smoothness_ppm`: a million where a second small change of weights
    moves every parameter as the first did, 0 where it moves them at random, below 0 where it moves them back.
    """

    tracks: int
    agreement_ppm: int
    hubs: tuple[HubItem, ...]
    effective_rank: float
    scores_repeat: bool
    training_repeats: bool
    smoothness_ppm: int
    remarks: tuple[str, ...]


def examine(study: Study, path: Path) -> Health:
    """Examine a study with its trained checkpoints on these tracks."""
    names, data = study.queries(path)
    features, scores = study.features(data)
    agreement = correlation(centred(features["ekfac"]), centred(features["unlearning"]))
    enough = len(names) >= TRACKS_LEAST
    top = np.argsort(-scores, axis=1, kind="stable")[:, : min(TOP, scores.shape[1] // 4 or 1)]
    rank = effective_rank(scores)
    job = study.plan.full_jobs[0]
    checkpoint = study.bench.path(job)

    def once() -> bytes:
        model = read_checkpoint(study.adapter, checkpoint).model
        return ekfac.scores(study.adapter, model, ekfac.fit(study.adapter, model, seed=job.seed), data).tobytes()

    repeated = encode_checkpoint(train(study.adapter, job.seed, torch.ones(len(study.items))))
    health = Health(
        tracks=len(names),
        agreement_ppm=round(agreement * MILLION),
        hubs=tuple(
            HubItem(item=study.items[item].id, tracks_ppm=round(part * MILLION))
            for item, part in hubs(top).items()
            if enough
        ),
        effective_rank=round(rank, 3),
        scores_repeat=once() == once(),
        training_repeats=repeated == checkpoint.read_bytes(),
        smoothness_ppm=round(smoothness(study.adapter, job) * MILLION),
        remarks=(),
    )
    return replace(health, remarks=tuple(_remarks(health)))


def effective_rank(scores: Floats) -> float:
    """Return the exponential of the entropy of the squared singular values: 1 where all tracks score items alike."""
    squares = np.linalg.svd(scores, compute_uv=False) ** 2
    if squares.sum() <= 0:
        return 0.0
    parts = squares[squares > 0] / squares.sum()
    return float(np.exp(-(parts * np.log(parts)).sum()))


def smoothness(adapter: Adapter, job: TrainingJob) -> float:
    """Return how far two equal changes of the items' weights move the parameters alike, weighted by movement.

    Whoever differentiates through training needs it near 1; retraining, EK-FAC and unlearning do not differentiate.
    """
    raised = torch.zeros(len(adapter.items()))
    raised[np.random.default_rng(job.seed).permutation(len(raised))[: len(raised) // 2].tolist()] = STEP
    points = []
    for count in range(3):
        model = averaged_model(train(adapter, job.seed, 1 + count * raised))
        points.append(torch.cat([value.detach().flatten().double() for value in model.parameters()]))
    first, second = points[1] - points[0], points[2] - points[1]
    movement = (first.abs() + second.abs()).sum()
    if not float(movement) > 0:
        return 1.0
    return float(((first.abs() + second.abs()) * (first.sign() * second.sign())).sum() / movement)


def _remarks(health: Health) -> Iterator[str]:
    if health.agreement_ppm < AGREEMENT_LOW * MILLION:
        yield "EK-FAC and unlearning hardly agree: look at the fit's held-out correlation before paying by either"
    if health.hubs:
        yield f"{len(health.hubs)} items are near to most tracks: their scores say little about any one of them"
    if health.tracks < TRACKS_LEAST:
        yield f"{health.tracks} tracks: too few to tell hubs and rank; give {TRACKS_LEAST} or more"
    elif health.effective_rank < RANK_LOW:
        yield "all tracks score the items alike: shares hardly depend on the track"
    if not health.scores_repeat:
        yield "the same scores twice gave other bytes: fix the number of threads and the device"
    if not health.training_repeats:
        yield "training again gave another checkpoint: banks and disputes cannot be repeated on this machine"
    if health.smoothness_ppm < SMOOTH_LOW * MILLION:
        yield "training is not smooth: methods that differentiate through it are not usable here; none of ours does"
