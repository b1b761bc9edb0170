"""A model under study: its adapter, its checkpoints, its bank, the fit of its estimators, and scores.

A study is a folder with `study.json` and what the adapter reads. Everything trained lies in `jobs/`; the
fit lies in `fit.json`, whose digest is named by every vector that was made with it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.influence import combining, ekfac, lds, logra, trak, unlearning
from attribution.influence.adapter import Adapter, read_checkpoint
from attribution.influence.contrasts import correlation, from_bank, like_style, owner_sums, split_half
from attribution.influence.intervals import LEVEL, cover_of_new_owners, half_width
from attribution.influence.retraining import Bench, TrainingJob, coalition_jobs, likelihoods, owners_of, subset_jobs
from attribution.influence.shares import clusters, distance, divide, owner_sizes, skill
from ledger.errors import InputError, StateError
from ledger.proofs import canon
from ledger.types import Digest

VERSION: Final = "1"
Floats = NDArray[np.float64]
Progress = Callable[[int, int | None], None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """`study.json`.

    `adapter` is `package.module:Class`, such as `attribution.influence.adapters.symbolic:Symbolic` or
    `attribution.influence.adapters.latent:Latent`. Seeds of checkpoints, bank and subsets are all
    different, and none is the producer's. `like_style` names owners of one style, among whom the fit is judged too:
    owners that sound alike are the hard part.
    """

    adapter: str
    model: str
    model_version: str
    producer: int
    held_out: str
    checkpoints: int = 5
    bank: int = 30
    subsets: int = 20
    c_ppm: int = 300_000
    like_style: tuple[str, ...] = ()
    items_root: Digest | None = None

    @property
    def full_jobs(self) -> list[TrainingJob]:
        return [TrainingJob(seed=self.producer + 1 + number) for number in range(self.checkpoints)]

    @property
    def bank_seed(self) -> int:
        return self.producer + 100

    @property
    def subset_seed(self) -> int:
        return self.producer + 200

    @property
    def dispute_seed(self) -> int:
        return self.producer + 1000


class Study:
    """Open a study's folder; InputError if it is not a study or its items were changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            plan = json.loads((folder / "study.json").read_text(encoding="utf-8"))
            self.plan = StudyPlan(**{**plan, "like_style": tuple(plan.get("like_style", ()))})
        except (OSError, ValueError, TypeError) as problem:
            raise InputError(f"study {folder}: study.json cannot be read ({problem})") from None
        self.adapter = load_adapter(self.plan.adapter, folder)
        producer, root = self.plan.producer, self.plan.items_root
        self.bench = Bench(self.adapter, folder / "jobs", producer=producer, registered=root)
        self.items, self.owners = self.bench.items, owners_of(self.bench.items)
        self.clusters = clusters(self.items)
        self.sizes = owner_sizes(self.items, self.owners, self.clusters)

    @property
    def bank_jobs(self) -> list[TrainingJob]:
        return coalition_jobs(self.owners, self.items, self.plan.bank, seed=self.plan.bank_seed)

    @property
    def subset_jobs(self) -> list[TrainingJob]:
        return subset_jobs(self.items, self.plan.subsets, seed=self.plan.subset_seed)

    def train(self, jobs: list[TrainingJob], on_progress: Progress = None) -> int:
        """Train the missing jobs; return their number."""
        missing = self.bench.missing(jobs)
        self.bench.train_all(missing, on_progress)
        return len(missing)

    def trained(self, jobs: list[TrainingJob], command: str) -> list[TrainingJob]:
        if missing := self.bench.missing(jobs):
            raise StateError(
                f"study {self.folder}: {len(missing)} of {len(jobs)} models are not trained; run `{command}`"
            )
        return jobs

    def queries(self, path: Path) -> tuple[list[str], Any]:
        names, data = self.adapter.read(path)
        if len(set(names)) != len(names):
            raise InputError(f"{path}: a track is listed twice")
        return names, data

    def features(self, data: Any) -> tuple[dict[str, Floats], Floats]:
        """The default's estimators (owners x queries each), and EK-FAC's scores by item (queries x items)."""
        scores = self.screening(data, "ekfac")
        paths = [self.bench.path(job) for job in self.plan.full_jobs]
        forgotten = [unlearning.scores(self.adapter, path, self.owners, data) for path in paths]
        features = {"ekfac": owner_sums(scores, self.items, self.owners), "unlearning": np.mean(forgotten, axis=0)}
        return features, scores

    def screening(self, data: Any, estimator: str) -> Floats:
        """One screening estimator's scores (queries x items), the mean over the checkpoints."""
        tables = []
        for job in self.trained(self.plan.full_jobs, "settle influence fit"):
            model = read_checkpoint(self.adapter, self.bench.path(job)).model
            if estimator == "ekfac":
                tables.append(ekfac.scores(self.adapter, model, ekfac.fit(self.adapter, model, seed=job.seed), data))
            elif estimator == "trak":
                tables.append(trak.scores(self.adapter, model, data, seed=job.seed))
            elif estimator == "logra":
                folder = self.folder / "stores" / self.bench.digest(job)
                store = logra.GradientStore.build(self.adapter, model, folder, seed=job.seed)
                tables.append(store.scores(store.queries(self.adapter, model, data)))
            else:
                raise InputError(f"estimator {estimator!r}, expected ekfac, logra or trak")
        return np.asarray(np.mean(tables, axis=0))

    def gain(self, data: Any) -> Floats:
        """g: the gain of training on all owners over an untrained model, never below zero."""
        full = self.bench.values(self.plan.full_jobs, data).mean(axis=0)
        untrained = likelihoods(self.adapter, self.adapter.model(self.plan.full_jobs[0].seed), data)
        gain: Floats = np.maximum(full - untrained, 0.0)
        return gain


def load_adapter(name: str, folder: Path) -> Adapter:
    """The adapter of a study, `package.module:Class`, made from the study's folder."""
    module, _, kind = name.partition(":")
    try:
        adapter = getattr(importlib.import_module(module), kind).from_folder(folder)
    except (ImportError, AttributeError, ValueError) as problem:
        raise InputError(
            f"adapter {name!r}: {problem}; expected package.module:Class with from_folder, of an installed package "
            "or of a folder in PYTHONPATH"
        ) from None
    return cast("Adapter", adapter)


def fit(study: Study) -> dict[str, Any]:
    """Fit the estimators' weights on held-out works against the bank, and measure how good they are there."""
    jobs = study.trained(study.bank_jobs, "settle influence bank")
    names, data = study.queries(study.folder / study.plan.held_out)
    values = study.bench.values(jobs, data)
    truth = from_bank(jobs, values, study.items, study.owners)
    features, _ = study.features(data)
    weights = combining.fit(features, truth)
    predicted = combining.held_out_prediction(features, truth)
    agreement, first, second = split_half(jobs, values, study.items, study.owners)
    gain, c = study.gain(data), study.plan.c_ppm / 1e6
    shares, true = (divide(beta, gain, study.sizes, c).shares for beta in (predicted, truth))
    # Two halves differ by twice the noise of the whole bank: each has twice its variance, and both count.
    halves = [divide(half, gain, study.sizes, c).shares for half in (first, second)]
    floor = distance(halves[0], halves[1]) / 2
    document = {
        "v": 1,
        "type": "influence-fit",
        "weights_ppm": _ppm(weights.weight),
        "spread_ppb": {name: round(value * 1e9) for name, value in weights.spread.items()},
        "works": names,
        "held_out_r_ppm": round(correlation(predicted, truth) * 1e6),
        "skill_ppm": round(skill(shares, true, study.sizes, floor) * 1e6),
        "distance_ppm": round(distance(shares, true) * 1e6),
        "floor_ppm": round(floor * 1e6),
        "half_width_ppm": round(half_width(shares - true) * 1e6),
        "interval_level_ppm": round(LEVEL * 1e6),
        "interval_fitted_on": {"works": len(names), "owners": len(study.owners)},
        "interval_cover_ppm": _ppm(asdict(cover_of_new_owners(shares - true))),
        "split_half_ppm": round(agreement * 1e6),
        "agreement_ppm": round(correlation(features["ekfac"], features["unlearning"]) * 1e6),
        **_like_style(study, predicted, truth),
        **_lds(study, data),
        **_made_with(study, jobs),
    }
    (study.folder / "fit.json").write_bytes(canon.encode(document) + b"\n")
    return document


def read_fit(study: Study) -> dict[str, Any]:
    """The fit; StateError when there is none, or when it was made from other items, models or settings."""
    try:
        content = (study.folder / "fit.json").read_bytes()
    except OSError:
        raise StateError(f"study {study.folder} has no fit; run `settle influence fit {study.folder}`") from None
    document = canon.decode_object(content.rstrip(b"\n"), "influence fit")
    expected = _made_with(study, study.bank_jobs)
    if changed := [name for name, value in expected.items() if document.get(name) != value]:
        raise StateError(f"study {study.folder}: the fit has another {changed[0]}; run `settle influence fit` again")
    return document


def fitted_beta(document: Mapping[str, Any], features: Mapping[str, Floats]) -> Floats:
    """The owners' contrasts by a recorded fit."""
    weight = {name: value / 1e6 for name, value in document["weights_ppm"].items()}
    spread = {name: value / 1e9 for name, value in document["spread_ppb"].items()}
    return combining.apply(combining.Weights(spread, weight), features)


def measure_lds(study: Study, path: Path, estimator: str = "ekfac") -> dict[str, Any]:
    """The linear datamodelling score of an estimator on these tracks, with its interval and ceiling."""
    jobs = study.trained(study.subset_jobs, "settle truth --subsets")
    _, data = study.queries(path)
    scores = study.screening(data, estimator)
    measured = asdict(lds.measure(scores, jobs, study.bench.values(jobs, data)))
    return {"estimator": estimator, "version": VERSION, **measured}


def _made_with(study: Study, jobs: list[TrainingJob]) -> dict[str, Any]:
    """The inputs of a fit; a change of any input makes the fit invalid."""
    return {
        "estimator": "ekfac+unlearning",
        "estimator_version": VERSION,
        "adapter": f"{study.adapter.name} {study.adapter.version}",
        "items_root": study.bench.root,
        "fit_set": _digest_of(study.folder / study.plan.held_out),
        "producer_seed": study.plan.producer,
        "checkpoints": [study.bench.digest(job) for job in study.plan.full_jobs],
        "bank": canon.digest(canon.encode([study.bench.digest(job) for job in jobs])),
        "bank_models": len(jobs),
        "bank_seeds": sorted({job.seed for job in jobs}),
        "c_ppm": study.plan.c_ppm,
        "base": "untrained model",
        "cluster_version": "content-sha256/1",
        "damping_ppm": round(ekfac.DAMPING * 1e6),
        "torch": str(torch.__version__),
        **_placed(study.adapter),
        "threads": torch.get_num_threads(),
    }


def _placed(adapter: Adapter) -> dict[str, str]:
    """Where and how precisely the model is computed; another kernel of attention is noise in every score."""
    parameter = next(adapter.model(0).parameters())
    return {
        "device": str(parameter.device),
        "dtype": str(parameter.dtype).removeprefix("torch."),
        "attention": str(getattr(adapter, "attention", "not stated by the adapter")),
    }


def _digest_of(path: Path) -> Digest:
    """One digest of a file, or of a folder's files by name."""
    if not path.exists():
        raise InputError(f"held-out works {path}: there is no such file")
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    listed = [[str(entry.relative_to(path)), hashlib.sha256(entry.read_bytes()).hexdigest()] for entry in files]
    return canon.digest(canon.encode(listed))


def _like_style(study: Study, predicted: Floats, truth: Floats) -> dict[str, int]:
    """The held-out correlation among owners of one style, where the study names such."""
    if unknown := sorted(set(study.plan.like_style) - set(study.owners)):
        raise InputError(f"study {study.folder}: like_style names {unknown[0]}, who owns no training item")
    members = [study.owners.index(owner) for owner in study.plan.like_style]
    if len(members) < 2:
        return {}
    alike = (like_style(table, members, range(table.shape[1])) for table in (predicted, truth))
    return {"held_out_r_like_style_ppm": round(correlation(*alike) * 1e6)}


def _lds(study: Study, data: Any) -> dict[str, Any]:
    """EK-FAC's LDS on the held-out works with its ceiling, where the subsets' models are trained."""
    jobs = study.subset_jobs
    if study.bench.missing(jobs):
        return {"lds": "not measured: the subsets are not trained (settle truth --subsets)"}
    measured = lds.measure(study.screening(data, "ekfac"), jobs, study.bench.values(jobs, data))
    figures = {name: round(getattr(measured, name) * 1e6) for name in ("score", "low", "high")}
    ceiling = {} if np.isnan(measured.ceiling) else {"ceiling": round(measured.ceiling * 1e6)}
    return {"lds": {"ppm": {**figures, **ceiling}, "subsets": measured.subsets, "seeds": measured.seeds}}


def _ppm(values: Mapping[str, float]) -> dict[str, int]:
    return {name: round(value * 1e6) for name, value in values.items()}
