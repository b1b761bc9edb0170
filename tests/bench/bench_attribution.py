"""The attribution benchmark: every kind of borrowing, every method, worlds that nothing was fitted on.

    python -m tests.bench.bench_attribution [--quick] [--seeds 5] [--tracks 100] [--processes 2] [--keep DIR]

prints the tables of docs/benchmarks.md. Test worlds have seeds 1, 2, ...; odds were fitted on world
11, thresholds and intervals on world 12, the style encoder on worlds from 9,000 on. With `--keep` each
world's scores are written as soon as they are there, and a run that was cut short goes on from them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import pytest

from attribution.assemble import claim, whole_ppm
from attribution.hearing.features import features_of_clip, features_of_line, version
from attribution.judge import parameters
from attribution.lab import evaluate, synth
from attribution.lab.train_calibration import ASPECT_OF, Sample, catalogue_of, shares_of
from attribution.methods.byname import NAMES, method
from attribution.methods.calibration import SMALLEST, shipped
from attribution.methods.protocol import Estimate
from ledger.proofs import canon
from tests.bench.tunes_as_notes import notes_catalogue, track_line

SCORED: Final[dict[str, tuple[str, ...]]] = {
    "verbatim": ("recording",),
    "overlay": ("recording",),
    "riff": ("composition",),
    "style": ("style", "groups"),
    "aspect": ("composition", "style"),
    "chords": ("composition", "groups"),
    "free": (),
}


@dataclass(slots=True)
class Scores:
    """Per (method, kind, channel): one number per query; and what calibration needs."""

    hits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    named: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wholes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    firsts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    false: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    sure: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    right: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    covered: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    stated: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: Scores) -> None:
        for name in self.__slots__:
            for key, values in getattr(other, name).items():
                getattr(self, name)[key].extend(values)


def judge_world(seed: int, tracks: int, pieces: int) -> Scores:
    """Every method on every kind in one world, in sound and (tunes) in notes."""
    import torch

    torch.set_num_threads(1)
    world = synth.make_world(seed, pieces=pieces)
    catalogue = catalogue_of(world)
    styles = dict(zip(catalogue.ids, catalogue.styles, strict=True))
    scores = Scores()
    methods = {name: method(name) for name in NAMES}
    for one in methods.values():
        one.fit(catalogue)
    for kind in synth.KINDS:
        for number in range(tracks):
            made = synth.make_track(world, kind, number, salt=3)
            begun = time.process_time()
            item = features_of_clip(_clip(made.pcm))
            scores.seconds["features"].append(time.process_time() - begun)
            sample = Sample(kind=kind, truth=made.truth, features=item)
            for name, one in methods.items():
                begun = time.process_time()
                estimate = one.attribute(item)
                scores.seconds[name].append(time.process_time() - begun)
                _score(scores, name, sample, estimate, styles)
    scores.add(judge_notes(world, tracks))
    return scores


def judge_notes(world: synth.World, tracks: int) -> Scores:
    """The default on the tunes of one world, in notes; what it believes of them it claims, from `SMALLEST` on."""
    scores, written = Scores(), method("hybrid")
    written.fit(notes_catalogue(world))
    kinds: tuple[synth.Kind, ...] = ("riff", "verbatim", "aspect", "free")
    for kind in kinds:
        for number in range(tracks):
            made = synth.make_track(world, kind, number, salt=3)
            found = written.attribute(features_of_line(track_line(made), synth.SECONDS, made.id)).shares["composition"]
            claimed, truth = claim(found, SMALLEST), made.truth.composition
            if kind == "free":
                scores.false["notes"].append(float(bool(claimed)))
                continue
            scores.hits[f"notes/{kind}"].append(evaluate.top_hits(found, truth))
            scores.errors[f"notes/{kind}"].append(evaluate.weight_error(found, truth))
            scores.named[f"notes/{kind}"].append(evaluate.top_hits(claimed, truth))
            scores.wholes[f"notes/{kind}"].append(evaluate.whole_error(claimed, truth))
    return scores


def _clip(pcm: Any) -> Any:
    from attribution.hearing.audio import clip_of

    return clip_of(pcm)


def _score(scores: Scores, name: str, sample: Sample, estimate: Estimate, styles: dict[str, str | None]) -> None:
    calibration, named, claimed_groups = shipped(), False, dict[str, float]()
    found = {channel: shares_of(estimate, channel, styles) for channel in ASPECT_OF}
    for channel in ASPECT_OF:
        truth = getattr(sample.truth, channel)
        limited = ASPECT_OF[channel] in estimate.above_chance
        threshold = calibration.threshold(name, channel, above_chance=limited)
        claimed = claim(found[channel], max(threshold, estimate.least.get(ASPECT_OF[channel], 0.0)))
        if channel in ("recording", "composition"):
            named = named or bool(claimed)
        if channel == "groups":
            claimed_groups = claimed
        if channel in SCORED[sample.kind] and truth:
            key = f"{name}/{sample.kind}/{channel}"
            scores.hits[key].append(evaluate.top_hits(found[channel], truth))
            scores.errors[key].append(evaluate.weight_error(found[channel], truth))
            scores.named[key].append(evaluate.top_hits(claimed, truth))
            scores.wholes[key].append(evaluate.whole_error(claimed, truth))
            scores.firsts[key].append(float(bool(set(evaluate.ranked(found[channel])[:1]) & set(truth))))
        if channel == "style":
            continue
        parts, _ = whole_ppm(claimed)
        for source in parts.keys() | truth.keys():
            low, high = calibration.interval(name, channel, parts.get(source, 0) / 1e6)
            inside = float(low - 1e-6 <= truth.get(source, 0.0) <= high + 1e-6)
            scores.covered[f"{name}/{channel}"].append(inside)
            if source in parts:
                scores.stated[f"{name}/{channel}"].append(inside)
        if claimed and channel != "groups":
            best = evaluate.ranked(claimed)[0]
            scores.sure[name].append(calibration.confidence(name, channel, claimed[best]))
            scores.right[name].append(float(best in truth))
    if sample.kind == "free":
        scores.false[name].append(float(named))
        if not sample.truth.groups:
            scores.false[f"{name}/groups"].append(float(bool(claimed_groups)))


def kept_scores(seed: int, tracks: int, pieces: int, folder: Path | None) -> Scores:
    """The scores of one world, from `folder` if this very version has judged it before."""
    if folder is None:
        return judge_world(seed, tracks, pieces)
    # What is kept under another version, calibration or other weights is another method's score.
    judged_by = canon.digest(canon.encode({name: parameters(method(name)) for name in NAMES}))
    path = folder / f"world-{seed}-{pieces}-{tracks}-{version()}-{judged_by[:16]}.json"
    if path.is_file():
        scores = Scores()
        for name, table in json.loads(path.read_text(encoding="utf-8")).items():
            getattr(scores, name).update(table)
        return scores
    scores = judge_world(seed, tracks, pieces)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: getattr(scores, name) for name in Scores.__slots__}), encoding="utf-8")
    return scores


def run(seeds: int, tracks: int, pieces: int, processes: int, folder: Path | None) -> Scores:
    total = Scores()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(kept_scores, seed, tracks, pieces, folder) for seed in range(1, seeds + 1)]
        for number, job in enumerate(jobs, 1):
            total.add(job.result())
            sys.stderr.write(f"world {number} of {seeds}\n")
    return total


def mean(values: list[float]) -> str:
    return f"{evaluate.bootstrap(values).mean:.2f}" if values else ""


def by_kind(scores: Scores) -> list[str]:
    """Every method on every kind: as it ranks, and as far as it claims."""
    lines = [
        "| method | kind | scored | top-3 (95 % CI) | claimed | top-1 | L1, scaled to one | L1 of claims, whole | n |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key in sorted(scores.hits, key=lambda key: (key.split("/")[1], key)):
        name, kind, channel = (*key.split("/"), "composition")[:3]
        shown = "hybrid on MIDI" if name == "notes" else name
        hits, errors = evaluate.bootstrap(scores.hits[key]), evaluate.bootstrap(scores.errors[key])
        named, first, whole = (mean(part.get(key, [])) for part in (scores.named, scores.firsts, scores.wholes))
        lines.append(f"| {shown} | {kind} | {channel} | {hits} | {named} | {first} | {errors} | {whole} | {hits.n} |")
    return lines


def by_method(scores: Scores) -> list[str]:
    """False claims, calibration and coverage: of the intervals that are stated, and with what was missed."""
    lines = [
        "| method | false | false group | coverage, stated (n) | with missed (n) | by channel | ECE (n) | CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    tabled = ("recording", "composition", "groups")
    for name in NAMES:
        stated, every = ([part[f"{name}/{channel}"] for channel in tabled] for part in (scores.stated, scores.covered))
        apart = "; ".join(f"{_rate(one)}, {_rate(two)}" for one, two in zip(stated, every, strict=True))
        sure, right = scores.sure[name], [bool(hit) for hit in scores.right[name]]
        row = (
            name,
            evaluate.bootstrap(scores.false[name]),
            evaluate.bootstrap(scores.false[f"{name}/groups"]),
            f"{_rate(list(chain(*stated)))} ({sum(map(len, stated)):,})",
            f"{_rate(list(chain(*every)))} ({sum(map(len, every)):,})",
            apart,
            f"{evaluate.calibration_error(sure, right) if sure else 0:.3f} ({len(sure):,})",
            mean([one + two for one, two in zip(scores.seconds["features"], scores.seconds[name], strict=True)]),
        )
        lines.append(f"| {' | '.join(map(str, row))} |")
    return lines


def _rate(values: list[float]) -> str:
    return f"{evaluate.bootstrap(values).mean:.3f}"


def tables(scores: Scores) -> str:
    """Markdown."""
    notes = f"A tune named for nobody's, `hybrid` on MIDI: {evaluate.bootstrap(scores.false['notes'])}"
    return "\n".join([*by_kind(scores), "", *by_method(scores), "", notes])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small world: does it run?")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tracks", type=int, default=100)
    parser.add_argument("--pieces", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep each world's raw scores here and go on from them"
    )
    options = parser.parse_args(argv)
    if options.quick:
        options.seeds, options.tracks, options.pieces = 1, 3, 40
    print(tables(run(options.seeds, options.tracks, options.pieces, options.processes, options.keep)))


@pytest.mark.bench
def test_the_quick_benchmark_runs() -> None:
    """If this fails, the benchmark's tables can no longer be made."""
    main(["--quick", "--processes", "1"])


if __name__ == "__main__":
    main()
