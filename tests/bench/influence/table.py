"""`make bench-influence`: every estimator against a bank of retrained models, on two parts of music21's corpus.

Models are trained into `--dir` and found there again, so that an interrupted run goes on. Nothing here is
tuned: the settings are those of the modules, the weights are fitted on the held-out works.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.influence import combining, ekfac, lds, logra, trak, unlearning
from attribution.influence.adapter import read_checkpoint
from attribution.influence.adapters.symbolic import Symbolic, TokenisedWork
from attribution.influence.contrasts import correlation, from_bank, from_leaving_out, like_style, owner_sums, split_half
from attribution.influence.intervals import cover_of_new_owners
from attribution.influence.retraining import (
    Bench,
    TrainingJob,
    coalition_jobs,
    leave_one_out_jobs,
    likelihoods,
    owners_of,
    subset_jobs,
)
from attribution.influence.shares import distance, divide, owner_sizes, skill
from tests.bench.influence.corpus import PLANS, CorpusPlan, read_corpus
from tests.bench.influence.peer import kronfluence_scores

C: Final = 0.3
TRACKS: Final = 60
CHECKPOINTS: Final = 5
PEER_DAMPING: Final = 0.1
"""Kronfluence's own choice, as a part of the mean eigenvalue; both take it where they are compared."""
Floats = NDArray[np.float64]


class Clock:
    """CPU seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start


class World:
    """The corpus, the producer's tracks, the bank, and what the bank says is true."""

    def __init__(self, folder: Path, plan: CorpusPlan, *, models: int, subsets: int) -> None:
        works, held_out = read_corpus(plan, folder / plan.file)
        self.works: list[TokenisedWork] = works
        self.adapter = Symbolic(works, width=plan.width, epochs=plan.epochs, batch=plan.batch)
        self.bench = Bench(self.adapter, folder / "jobs", producer=0)
        self.items, self.owners = self.bench.items, owners_of(self.bench.items)
        self.full = [TrainingJob(seed=seed) for seed in range(1, CHECKPOINTS + 1)]
        self.bank = coalition_jobs(self.owners, self.items, models, seed=100)
        self.leave_one_out = leave_one_out_jobs(self.owners, self.items, [50])
        self.subsets = subset_jobs(self.items, subsets, seed=200)
        producer = read_checkpoint(self.adapter, self.bench.train(TrainingJob(seed=0))).model
        tracks = self.adapter.generate(producer, TRACKS, 99)
        _, held = self.adapter.queries(held_out)
        self.queries = torch.cat([tracks, held])
        self.track_part, self.held_part = slice(0, TRACKS), slice(TRACKS, len(self.queries))
        nearest = [(np.array([w.tokens for w in works]) == track).mean(1).argmax() for track in tracks.numpy()]
        self.like_tracks = [n for n, at in enumerate(nearest) if works[at].owner in plan.like_style]
        self.like_owners = [self.owners.index(owner) for owner in plan.like_style]

    def train(self, *, quick: bool) -> None:
        jobs = [*self.full, *self.bank, *([] if quick else [*self.leave_one_out, *self.subsets])]
        missing = self.bench.missing(jobs)
        for number, job in enumerate(missing, 1):
            self.bench.train(job)
            if number % 10 == 0 or number == len(missing):
                print(f"trained {number} of {len(missing)}", flush=True)

    def judge(self) -> None:
        """The truth by the bank, and the noise of it."""
        values = self.bench.values(self.bank, self.queries)
        self.truth = from_bank(self.bank, values, self.items, self.owners)
        self.agreement, *halves = split_half(self.bank, values, self.items, self.owners)
        untrained = likelihoods(self.adapter, self.adapter.model(0), self.queries)
        self.gain = self.bench.values(self.full, self.queries).mean(0) - untrained
        self.sizes = owner_sizes(self.items, self.owners)
        self.true_shares = self.shares(self.truth)
        first, second = (self.shares(half) for half in halves)
        # Two halves differ by twice the noise of the whole bank.
        self.floor = distance(first, second) / 2

    def shares(self, beta: Floats) -> Floats:
        part = self.track_part
        divided: Floats = divide(beta[:, part], self.gain[part], self.sizes, C).shares
        return divided

    def month(self, shares: Floats) -> Floats:
        """The L1 distance of 200 months' payouts: tracks drawn again, played by Zipf's law."""
        generator, plays = np.random.default_rng(1), 1 / np.arange(1, TRACKS + 1)
        picks = [generator.integers(0, TRACKS, TRACKS) for _ in range(200)]
        return np.array([np.abs((shares[:, p] - self.true_shares[:, p]) @ (plays / plays.sum())).sum() for p in picks])


def estimate(world: World, folder: Path, clock: Clock, *, quick: bool) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Owner contrasts by estimator (owners x queries), and the scores by item (queries x items)."""
    screening = ("ekfac",) if quick else ("ekfac", "logra", "trak")
    tables: dict[str, list[Floats]] = {name: [] for name in (*screening, "unlearning")}
    for job in world.full:
        path = world.bench.path(job)
        model = read_checkpoint(world.adapter, path).model
        with clock.of("ekfac"):
            factors = ekfac.fit(world.adapter, model, seed=job.seed)
            tables["ekfac"].append(ekfac.scores(world.adapter, model, factors, world.queries))
        if quick:
            continue
        with clock.of("logra"):
            store = logra.GradientStore.build(world.adapter, model, folder / f"store{job.seed}", seed=job.seed)
            tables["logra"].append(store.scores(store.queries(world.adapter, model, world.queries)))
        with clock.of("trak"):
            tables["trak"].append(trak.scores(world.adapter, model, world.queries, seed=job.seed))
    # Unlearning takes one checkpoint: its noise lies in the owners' works, not in the seed.
    with clock.of("unlearning"):
        tables["unlearning"].append(
            unlearning.scores(world.adapter, world.bench.path(world.full[0]), world.owners, world.queries)
        )
    scores = {name: np.mean(tables[name], axis=0) for name in screening}
    contrasts = {name: owner_sums(table, world.items, world.owners) for name, table in scores.items()}
    contrasts["unlearning"] = tables["unlearning"][0]
    if not quick:
        values = world.bench.values(world.leave_one_out, world.queries)
        contrasts["leave-one-out"] = from_leaving_out(world.leave_one_out, values, world.items, world.owners)
    contrasts["random"] = np.random.default_rng(0).normal(size=world.truth.shape)
    return contrasts, scores


def fitted(world: World, features: Mapping[str, Floats]) -> Floats:
    """The contrasts that weights fitted on the held-out works give for every query."""
    held = world.held_part
    weights = combining.fit({name: table[:, held] for name, table in features.items()}, world.truth[:, held])
    return combining.apply(weights, features)


def report(world: World, name: str, beta: Floats) -> None:
    part = world.track_part
    shares = world.shares(beta)
    alike = (like_style(table, world.like_owners, world.like_tracks) for table in (beta, world.truth))
    print(
        f"{name:28} {correlation(beta[:, part], world.truth[:, part]):6.2f} {correlation(*alike):10.2f} "
        f"{distance(shares, world.true_shares):9.3f} "
        f"{skill(shares, world.true_shares, world.sizes, world.floor):6.2f} {world.month(shares).mean():9.3f}"
    )


def report_cover(world: World, beta: Floats) -> None:
    """How often 90 % intervals fitted on half of the owners cover the other half, over resampled months."""
    shares, plays = world.shares(beta), 1 / np.arange(1, TRACKS + 1)
    plays /= plays.sum()
    generator = np.random.default_rng(2)
    months = [generator.integers(0, TRACKS, TRACKS) for _ in range(200)]
    errors = np.stack([(shares[:, m] - world.true_shares[:, m]) @ plays for m in months], axis=1)
    cover = cover_of_new_owners(errors)
    print(
        f"90 % intervals of a month, owners not used to fit them: cover {cover.mean:.2f} "
        f"({cover.low:.2f}-{cover.high:.2f})"
    )


def report_lds(world: World, scores: Mapping[str, Floats], halves: Floats) -> None:
    """Whether item scores predict models of random halves of the works; `halves`: their likelihoods."""
    for name, table in scores.items():
        for kind, part in (("generated", world.track_part), ("held out", world.held_part)):
            m = lds.measure(table[part], world.subsets, halves[:, part])
            print(f"LDS {name} {kind}: {m.score:.3f} ({m.low:.3f}-{m.high:.3f}), ceiling {m.ceiling:.3f}")


def report_peer(world: World, halves: Floats) -> None:
    """Our EK-FAC beside kronfluence: one checkpoint, the linear layers that both know, kronfluence's damping."""
    model = read_checkpoint(world.adapter, world.bench.path(world.full[0])).model
    start = time.process_time()
    factors = {
        layer: factor
        for layer, factor in ekfac.fit(world.adapter, model, seed=world.full[0].seed).items()
        if factor.inputs is not None
    }
    ours = ekfac.scores(world.adapter, model, factors, world.queries, PEER_DAMPING)
    spent = time.process_time() - start
    start = time.process_time()
    theirs = kronfluence_scores(world.adapter, model, world.queries)
    peer_spent = time.process_time() - start
    for name, table, seconds in (("EK-FAC here", ours, spent), ("kronfluence", theirs, peer_spent)):
        beta = fitted(world, {name: owner_sums(table, world.items, world.owners)})
        part = world.track_part
        measured = lds.measure(table[part], world.subsets, halves[:, part])
        print(
            f"{name:28} r {correlation(beta[:, part], world.truth[:, part]):.3f}, LDS {measured.score:.3f}, "
            f"{seconds:.1f} CPU s"
        )


def report_scale(items: int, width: int) -> None:
    """Search among very many stored gradients: time a query, and recall of the 100 highest."""
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(2000, width)).astype(np.float32)
    rows = centres[generator.integers(0, len(centres), items)]
    rows += 0.5 * generator.standard_normal(rows.shape, dtype=np.float32)
    queries = rows[generator.integers(0, items, 50)] + 0.3 * generator.standard_normal((50, width), dtype=np.float32)
    start = time.process_time()
    # Cells are asked for, so that the inverted file is measured even where the rows would fit an exact index.
    search = logra.RowSearch(rows, cells=round(4 * items**0.5))
    built = time.process_time() - start
    start = time.perf_counter()
    found = np.vstack([search.top(query[None], 100)[1] for query in queries])
    each = (time.perf_counter() - start) / len(queries)
    exact = np.argpartition(-(queries @ rows.T), 100, axis=1)[:, :100]
    recall = np.mean([len(set(a) & set(b)) / 100 for a, b in zip(found, exact, strict=True)])
    print(
        f"{items:,} rows of {width}: {built:.0f} CPU s to build, {each * 1e3:.1f} ms a query, recall@100 {recall:.3f}, "
        f"{2 * width + 8} bytes a row"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--corpus", choices=sorted(PLANS), default="tunes")
    parser.add_argument("--models", type=int, default=60)
    parser.add_argument("--subsets", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="bank, EK-FAC and unlearning only")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options: Any = parser.parse_args(arguments)
    torch.set_num_threads(1)
    clock, world = Clock(), World(options.dir, PLANS[options.corpus], models=options.models, subsets=options.subsets)
    with clock.of("training"):
        world.train(quick=options.quick)
    world.judge()
    contrasts, scores = estimate(world, options.dir, clock, quick=options.quick)
    print(
        f"{len(world.items)} works of {len(world.owners)} owners; bank of {len(world.bank)}, halves agree at "
        f"r {world.agreement:.2f}; noise floor {world.floor:.3f}; {len(world.like_tracks)} tracks of like style"
    )
    print(f"{'estimator':28} {'r, all':>6} {'like style':>10} {'L1 track':>9} {'skill':>6} {'L1 month':>9}")
    by_size = np.broadcast_to(world.sizes[:, None], world.true_shares.shape)
    away, month = distance(by_size, world.true_shares), world.month(by_size).mean()
    print(f"{'by size':28} {'':6} {'':10} {away:9.3f} {0:6.2f} {month:9.3f}")
    for name in ("random", "trak", "logra", "ekfac", "unlearning", "leave-one-out"):
        if name not in contrasts:
            continue
        report(world, name, fitted(world, {name: contrasts[name]}))
    default = {name: contrasts[name] for name in ("ekfac", "unlearning")}
    beta = fitted(world, default)
    report(world, "default", beta)
    report_cover(world, beta)
    if not options.quick:
        both = {**default, "leave-one-out": contrasts["leave-one-out"]}
        report(world, "default and one LOO seed", fitted(world, both))
        halves = world.bench.values(world.subsets, world.queries)
        report_lds(world, scores, halves)
        report_peer(world, halves)
        report_scale(options.rows, 64)
    print("CPU s: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in clock.seconds.items()))


if __name__ == "__main__":
    main()
