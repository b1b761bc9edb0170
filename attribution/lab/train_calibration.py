"""Fits odds and gate, then measures thresholds, intervals and errors: each on a world of its own.

    python -m attribution.lab.train_calibration --out attribution/weights/calibration.json

Three splits, three worlds (seeds 11, 12, 13) that share no style, piece or band with each other,
with the style encoder's training or with the benchmark.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np

from attribution.assemble import claim, grouped_by_style
from attribution.hearing.audio import clip_of
from attribution.hearing.features import Features, features_of_clip
from attribution.index.catalogue import Catalogue, CatalogueEntry
from attribution.index.evidence import Evidence
from attribution.lab import synth
from attribution.lab.evaluate import conformal, ranked, top_hits, weight_error
from attribution.methods import channels, posterior
from attribution.methods.byname import NAMES, method
from attribution.methods.calibration import EDGES, SMALLEST, Calibration
from attribution.methods.chance import closest
from attribution.methods.ivd import gate_table, style_shares
from attribution.methods.posterior import Odds
from attribution.methods.protocol import Estimate
from ledger.types import ASPECTS, Aspect

FIT_SEED, CALIBRATE_SEED, TEST_SEED = 11, 12, 13
FALSE_RATE: Final = 0.02
STRANGERS: Final = 3
"""Source-free tracks for one of another kind: half of them are in nobody's style, and a rate of two in a hundred needs
more than fifty of those."""
LEVEL: Final = 0.9
ENOUGH: Final = 40
STEEPNESS: Final = (20.0, 30.0, 40.0, 60.0, 80.0)
STARTS: Final = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
ASPECT_OF: Final[Mapping[str, Aspect]] = {
    "recording": "recording",
    "composition": "composition",
    "style": "style",
    "groups": "style",
}
"""The aspect of each channel that is measured: style by recording, and by group as it is claimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A generated track as methods see it, with its truth."""

    kind: synth.Kind
    truth: synth.Truth
    features: Features


def catalogue_of(world: synth.World) -> Catalogue:
    """The world's catalogue, heard."""
    return Catalogue(
        [
            CatalogueEntry(id=piece.id, style=piece.style, features=features_of_clip(clip_of(synth.perform(piece))))
            for piece in world.pieces
        ]
    )


def samples(world: synth.World, numbers: range, salt: int, kinds: Sequence[synth.Kind] = synth.KINDS) -> list[Sample]:
    """The tracks of each kind with these numbers."""
    tracks = (synth.make_track(world, kind, number, salt=salt) for kind in kinds for number in numbers)
    return [
        Sample(kind=track.kind, truth=track.truth, features=features_of_clip(clip_of(track.pcm))) for track in tracks
    ]


def fit(catalogue: Catalogue, tracks: Sequence[Sample], more: Sequence[Sample]) -> Calibration:
    """Odds of every aspect and the gate, from the fit split; and how near its source-free tracks come."""
    gathered = [(track, channels.gather(catalogue, track.features)) for track in tracks]
    odds: dict[str, Odds] = {}
    for aspect in ("recording", "composition", "style"):
        pairs = [
            (evidence, np.array([getattr(track.truth, aspect).get(catalogue.ids[row], 0.0) for row in evidence.rows]))
            for track, evidence in gathered
            if aspect != "style" or not track.truth.recording
        ]
        odds[aspect] = posterior.fit(pairs, channels.HEARD_IN[aspect])
    odds["bands"] = fit_bands(catalogue, [(track, claims) for track, claims in gathered if track.kind == "style"])
    free = [track for track in (*tracks, *more) if track.kind == "free"]
    looks: list[tuple[float, ...]] = []
    real: list[bool] = []
    for track, evidence in gathered:
        for claims in gate_table(catalogue, track.features, evidence):
            looks.append(claims.looks)
            real.append(claims.source in track.truth.recording)
    return Calibration(odds=odds, gate=logistic(np.array(looks), np.array(real)), near=strangers_reach(catalogue, free))


def strangers_reach(catalogue: Catalogue, free: Sequence[Sample]) -> float:
    """The likeness in style that FALSE_RATE of the tracks in nobody's style reach with some recording."""
    gathered = [channels.gather(catalogue, track.features) for track in free if not track.truth.groups]
    return conformal([closest(evidence) for evidence in gathered], 1 - FALSE_RATE)


def fit_bands(catalogue: Catalogue, tracks: Sequence[tuple[Sample, Evidence]]) -> Odds:
    """How steeply likeness in style counts, and from where on: the best on a small grid."""

    def cost(odds: Odds) -> float:
        estimated = [style_shares(catalogue, evidence, Calibration(odds={"bands": odds})) for _, evidence in tracks]
        pairs = [(shares, track.truth.style) for shares, (track, _) in zip(estimated, tracks, strict=True)]
        return sum(
            weight_error(estimate_shares, truth) - top_hits(estimate_shares, truth) for estimate_shares, truth in pairs
        )

    grid = [Odds(slopes=(slope,), bias=-slope * start) for slope in STEEPNESS for start in STARTS]
    return min(grid, key=cost)


def logistic(looks: Any, real: Any, steps: int = 2_000) -> Odds:
    """Plain logistic regression; the gate opens where being real is the likelier."""
    import torch

    table, target = torch.from_numpy(looks.astype(np.float64)), torch.from_numpy(real.astype(np.float64))
    slopes = torch.zeros(table.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([slopes, bias], lr=0.05)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (
            torch.nn.functional.binary_cross_entropy_with_logits(table @ slopes + bias, target)
            + 1e-4 * (slopes**2).sum()
        )
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return Odds(slopes=tuple(round(float(value), 4) for value in slopes.detach()), bias=round(float(bias.detach()), 4))


def estimates(
    catalogue: Catalogue, tracks: Sequence[Sample], calibration: Calibration
) -> dict[str, list[tuple[Sample, Estimate]]]:
    """What each method says of each track, before thresholds; track by track, as methods share its evidence."""
    chosen = {name: method(name, calibration) for name in NAMES}
    for chosen_method in chosen.values():
        chosen_method.fit(catalogue)
    by_method: dict[str, list[tuple[Sample, Estimate]]] = {name: [] for name in NAMES}
    for track in tracks:
        for name, chosen_method in chosen.items():
            by_method[name].append((track, chosen_method.attribute(track.features)))
    return by_method


def shares_of(estimate: Estimate, channel: str, styles: dict[str, str | None]) -> dict[str, float]:
    """A channel's shares: an aspect's recordings, or style groups (without their prefix)."""
    if channel == "groups":
        grouped = grouped_by_style(estimate.shares.get("style", {}), styles)
        return {name.removeprefix("style:"): share for name, share in grouped.items()}
    return dict(estimate.shares.get(ASPECT_OF[channel], {}))


def thresholds_of(found: Sequence[tuple[Sample, Estimate]], styles: dict[str, str | None]) -> dict[str, float]:
    """Per channel, the share that FALSE_RATE of source-free tracks reach where no limit keeps it from them."""
    thresholds: dict[str, float] = {}
    for channel in ASPECT_OF:
        chance = [
            max(shares_of(estimate, channel, styles).values(), default=0.0)
            for track, estimate in found
            if ASPECT_OF[channel] not in estimate.above_chance and not (channel == "groups" and track.truth.groups)
        ]
        thresholds[channel] = round(max(SMALLEST, conformal(chance, 1 - FALSE_RATE) if chance else SMALLEST), 4)
    return thresholds


def claimed_of(
    one: Estimate, channel: str, styles: dict[str, str | None], thresholds: Mapping[str, float]
) -> dict[str, float]:
    """What is claimed in a channel."""
    limited = ASPECT_OF[channel] in one.above_chance
    return claim(shares_of(one, channel, styles), SMALLEST if limited else thresholds[channel])


def intervals_of(
    found: Sequence[tuple[Sample, Estimate]], styles: dict[str, str | None], thresholds: Mapping[str, float]
) -> dict[str, list[float]]:
    """Per channel and size of share, conformal half-widths."""
    intervals: dict[str, list[float]] = {}
    for channel in ASPECT_OF:
        misses: list[list[float]] = [[] for _ in range(len(EDGES) + 1)]
        for track, estimate in found:
            claimed, truth = claimed_of(estimate, channel, styles, thresholds), getattr(track.truth, channel)
            for name in claimed.keys() | truth.keys():
                share = claimed.get(name, 0.0)
                misses[int(np.searchsorted(EDGES, share, side="right"))].append(abs(share - truth.get(name, 0.0)))
        # Too few weights of one size to tell their spread: they are judged with all that were claimed.
        every = [miss for part in misses[1:] for miss in part]
        usable = [part if len(part) >= ENOUGH else every for part in misses]
        intervals[channel] = [round(conformal(part, LEVEL), 4) for part in usable]
    return intervals


def confidences(found: Sequence[tuple[Sample, Estimate]], thresholds: Mapping[str, float]) -> dict[str, list[float]]:
    """Per aspect and size of the largest claim: how often it named a true source (one hit and one miss added)."""
    table: dict[str, list[float]] = {}
    for channel in ASPECTS:
        hits, count = np.ones(len(EDGES) + 1), np.full(len(EDGES) + 1, 2.0)
        for track, estimate in found:
            claimed = claimed_of(estimate, channel, {}, thresholds)
            if claimed:
                best = ranked(claimed)[0]
                bin_index = int(np.searchsorted(EDGES, claimed[best], side="right"))
                hits[bin_index] += best in getattr(track.truth, channel)
                count[bin_index] += 1
        table[channel] = [round(float(value), 3) for value in hits / count]
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSplit:
    """A world's recordings, as many tracks of every kind, and more without sources."""

    recordings: tuple[CatalogueEntry, ...]
    tracks: list[Sample]
    more: list[Sample]


def heard(seed: int, pieces: int, tracks: int, free: int, salt: int) -> WorldSplit:
    """A world made and listened to, with `tracks` of each kind, and `free` without sources in all."""
    import torch

    torch.set_num_threads(1)
    world = synth.make_world(seed, pieces=pieces)
    return WorldSplit(
        recordings=catalogue_of(world).recordings,
        tracks=samples(world, range(tracks), salt),
        more=samples(world, range(tracks, free), salt, ("free",)),
    )


def judged(split: WorldSplit, calibration: Calibration) -> dict[str, list[tuple[Sample, Estimate]]]:
    """What each method says of a split's tracks, those without sources last."""
    import torch

    torch.set_num_threads(1)
    return estimates(Catalogue(split.recordings), [*split.tracks, *split.more], calibration)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=500)
    parser.add_argument("--tracks", type=int, default=40, help="of each kind, in each split")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(argv)
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        many = STRANGERS * options.tracks
        worlds = ((FIT_SEED, many, 1), (CALIBRATE_SEED, many, 2), (TEST_SEED, options.tracks, 2))
        jobs = [pool.submit(heard, seed, options.pieces, options.tracks, free, salt) for seed, free, salt in worlds]
        fitted = jobs[0].result()
        calibration = fit(Catalogue(fitted.recordings), fitted.tracks, fitted.more)
        splits = [job.result() for job in jobs[1:]]
        answers = [pool.submit(judged, split, calibration) for split in splits]
        document = measure(calibration, splits[0], *(answer.result() for answer in answers))
    options.out.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


Answers = Mapping[str, Sequence[tuple[Sample, Estimate]]]


def measure(calibration: Calibration, split: WorldSplit, said: Answers, other: Answers) -> dict[str, Any]:
    """The calibration file: thresholds and intervals from what was said of one split, errors from another."""
    styles = {recording.id: recording.style for recording in split.recordings}
    document: dict[str, Any] = {
        "v": 1,
        "worlds": {"fit": FIT_SEED, "calibrate": CALIBRATE_SEED, "test": TEST_SEED},
        "near": calibration.near,
        "thresholds": {},
        "intervals": {},
        "odds": {
            name: {"slopes": recording.slopes, "bias": recording.bias} for name, recording in calibration.odds.items()
        },
        "gate": {"slopes": calibration.gate.slopes, "bias": calibration.gate.bias},
        "right": {},
        "errors": {},
    }
    for name in NAMES:
        thresholds = thresholds_of([pair for pair in said[name] if pair[0].kind == "free"], styles)
        # Intervals are those of all kinds in equal numbers: without the further tracks that have no source.
        mixed = said[name][: len(split.tracks)]
        tables: dict[str, Mapping[str, Any]] = {
            "thresholds": thresholds,
            "right": confidences(mixed, thresholds),
            "intervals": intervals_of(mixed, styles, thresholds),
        }
        for table, values in tables.items():
            document[table] |= {f"{name}/{channel}": value for channel, value in values.items()}
        errors = [
            weight_error(recording.shares.get("recording", {}), track.truth.recording)
            for track, recording in other[name]
            if track.truth.recording
        ]
        document["errors"][name] = {
            "benchmark": "settle-synth-1",
            "metric": "weight-error-recording",
            "value_ppm": round(1e6 * float(np.mean(errors))),
            "n": len(errors),
        }
    return document


if __name__ == "__main__":
    main()
