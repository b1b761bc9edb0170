"""The exact tier for one owner: train the model again without it, over several seeds, and compare with a placebo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attribution.influence.retraining import TrainingJob, placebo_group, seeds_needed, without
from attribution.influence.study import Progress, Study
from ledger.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a dispute before it starts."""

    seeds: int
    trainings: int
    trained: int


def jobs_of(study: Study, owner: str, seeds: int) -> list[tuple[TrainingJob, TrainingJob, TrainingJob]]:
    """For every seed: with everybody, without the owner, and without as many random works of others."""
    if owner not in study.owners:
        raise InputError(f"owner {owner!r} has no training item; owners are {', '.join(study.owners)}")
    owned = without(study.items, {owner})
    foreign = [number for number in range(len(study.items)) if number not in set(owned)]
    jobs = []
    for number in range(seeds):
        seed = study.plan.dispute_seed + number
        drawn = placebo_group([study.items[n] for n in foreign], len(owned), seed=seed)
        placebo = tuple(foreign[n] for n in drawn)
        jobs.append(
            (TrainingJob(seed=seed), TrainingJob(seed=seed, left_out=owned), TrainingJob(seed=seed, left_out=placebo))
        )
    return jobs


def cost(study: Study, owner: str, seeds: int) -> Cost:
    """Return the number of trainings that these seeds need, and how many are done already."""
    flat = [job for row in jobs_of(study, owner, seeds) for job in row]
    return Cost(seeds=seeds, trainings=len(flat), trained=len(flat) - len(study.bench.missing(flat)))


def settle(study: Study, owner: str, path: Path, *, seeds: int, on_progress: Progress = None) -> dict[str, Any]:
    """Return the tracks' losses without the owner and without the placebo, in nats x 10^6, with standard errors.

    `seeds_for` answers how many seeds a standard error of a tenth of the effect, at 95 %, would take.
    """
    if seeds < 2:
        raise InputError(f"{seeds} seeds: at least 2 are needed to tell an effect from the seed's own noise")
    rows = jobs_of(study, owner, seeds)
    study.train([job for row in rows for job in row], on_progress)
    names, data = study.queries(path)
    full, absent, placebo = (study.bench.values([row[n] for row in rows], data) for n in range(3))
    effect, control = full - absent, full - placebo
    contrast = (effect - control).mean(axis=1)
    deviation = float(contrast.std(ddof=1))
    return {
        "v": 1,
        "type": "influence-dispute",
        "owner": owner,
        "tracks": names,
        "seeds": [row[0].seed for row in rows],
        "producer_seed": study.plan.producer,
        "items_root": study.bench.root,
        "effect_ppm": _mean(effect),
        "placebo_ppm": _mean(control),
        "contrast_ppm": _mean(effect - control),
        "error_ppm": round(deviation / len(contrast) ** 0.5 * 1e6),
        "tracks_ppm": [round(float(value) * 1e6) for value in (effect - control).mean(axis=0)],
        "seeds_for": seeds_needed(max(deviation, 1e-12), max(abs(float(contrast.mean())) / 10, 1e-9)),
        "jobs": [study.bench.digest(job) for row in rows for job in row],
    }


def _mean(values: np.ndarray[Any, Any]) -> int:
    return round(float(values.mean()) * 1e6)
