"""Fits odds and gate, then measures thresholds, intervals and errors: each on a world of its own.

    python -m attribution.train_calibration --out attribution/weights/calibration.json

Three splits, three worlds (seeds 11, 12, 13) that share no style, piece or band with each other,
with the style encoder's training or with the benchmark.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from attribution import channels, posterior, synth
from attribution.assemble import claim, grouped_by_style
from attribution.audio import clip_of
from attribution.calibration import EDGES, Calibration
from attribution.catalogue import Catalogue, Listed
from attribution.channels import Evidence
from attribution.evaluate import conformal, ranked, top_hits, weight_error
from attribution.features import Features, features_of_clip
from attribution.methods.byname import NAMES, method
from attribution.methods.ivd import gate_table, style_shares
from attribution.posterior import Odds
from attribution.protocol import Estimate
from ledger.types import Aspect

FIT_SEED, CALIBRATE_SEED, TEST_SEED = 11, 12, 13
FALSE_RATE: Final = 0.02
LEVEL: Final = 0.9
ENOUGH: Final = 40
STEEPNESS: Final = (20.0, 30.0, 40.0, 60.0, 80.0)
STARTS: Final = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
CHANNELS: Final = ("recording", "composition", "style", "groups")


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
            Listed(id=piece.id, style=piece.style, features=features_of_clip(clip_of(synth.perform(piece))))
            for piece in world.pieces
        ]
    )


def samples(world: synth.World, count: int, salt: int, kinds: Sequence[synth.Kind] = synth.KINDS) -> list[Sample]:
    """`count` tracks of each kind."""
    made = (synth.make_track(world, kind, number, salt=salt) for kind in kinds for number in range(count))
    return [Sample(kind=one.kind, truth=one.truth, features=features_of_clip(clip_of(one.pcm))) for one in made]


def fit(catalogue: Catalogue, tracks: Sequence[Sample]) -> Calibration:
    """Odds of every aspect and the gate, from the fit split."""
    gathered = [(track, channels.gather(catalogue, track.features)) for track in tracks]
    odds: dict[str, Odds] = {}
    for aspect in ("recording", "composition", "style"):
        pairs = [
            (evidence, np.array([getattr(track.truth, aspect).get(catalogue.ids[row], 0.0) for row in evidence.rows]))
            for track, evidence in gathered
            if aspect != "style" or not track.truth.recording
        ]
        odds[aspect] = posterior.fit(pairs, channels.HEARD_IN[aspect])
    odds["bands"] = fit_bands(catalogue, [(track, one) for track, one in gathered if track.kind == "style"])
    looks: list[tuple[float, ...]] = []
    real: list[bool] = []
    for track, evidence in gathered:
        for one in gate_table(catalogue, track.features, evidence):
            looks.append(one.looks)
            real.append(one.source in track.truth.recording)
    return Calibration(odds=odds, gate=logistic(np.array(looks), np.array(real)))


def fit_bands(catalogue: Catalogue, tracks: Sequence[tuple[Sample, Evidence]]) -> Odds:
    """How steeply likeness in style counts, and from where on: the best on a small grid."""

    def cost(odds: Odds) -> float:
        found = [style_shares(catalogue, evidence, Calibration(odds={"bands": odds})) for _, evidence in tracks]
        pairs = [(shares, track.truth.style) for shares, (track, _) in zip(found, tracks, strict=True)]
        return sum(weight_error(mine, truth) - top_hits(mine, truth) for mine, truth in pairs)

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
    return Odds(slopes=tuple(round(float(value), 4) for value in slopes), bias=round(float(bias), 4))


def estimates(catalogue: Catalogue, tracks: Sequence[Sample], calibration: Calibration, name: str) -> list[Estimate]:
    """What a method says of each track, before thresholds."""
    chosen = method(name, calibration)
    chosen.fit(catalogue)
    return [chosen.attribute(track.features) for track in tracks]


def shares_of(estimate: Estimate, channel: str, styles: dict[str, str | None]) -> dict[str, float]:
    """A channel's shares: an aspect's recordings, or style groups (without their prefix)."""
    if channel == "groups":
        grouped = grouped_by_style(estimate.shares.get("style", {}), styles)
        return {name.removeprefix("style:"): share for name, share in grouped.items()}
    aspect: Aspect = channel  # type: ignore[assignment]
    return dict(estimate.shares.get(aspect, {}))


def thresholds_and_intervals(
    tracks: Sequence[Sample], found: Sequence[Estimate], styles: dict[str, str | None]
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Per channel: the share that source-free tracks reach two times in a hundred, and conformal half-widths."""
    thresholds: dict[str, float] = {}
    intervals: dict[str, list[float]] = {}
    for channel in CHANNELS:
        pairs = [(track, shares_of(one, channel, styles)) for track, one in zip(tracks, found, strict=True)]
        chance = [
            max(shares.values(), default=0.0)
            for track, shares in pairs
            if track.kind == "free" and not (channel == "groups" and track.truth.groups)
        ]
        thresholds[channel] = round(max(0.02, conformal(chance, 1 - FALSE_RATE) if chance else 0.02), 4)
        if thresholds[channel] >= 1.0:
            thresholds[channel] = round(max(0.02, max(chance) * 1.05), 4)
        misses: list[list[float]] = [[] for _ in range(len(EDGES) + 1)]
        for track, shares in pairs:
            claimed, truth = claim(shares, thresholds[channel]), getattr(track.truth, channel)
            for name in claimed.keys() | truth.keys():
                share = claimed.get(name, 0.0)
                misses[int(np.searchsorted(EDGES, share, side="right"))].append(abs(share - truth.get(name, 0.0)))
        # Too few weights of one size to tell their spread: they are judged with all that were claimed.
        every = [miss for part in misses[1:] for miss in part]
        usable = [part if len(part) >= ENOUGH else every for part in misses]
        intervals[channel] = [round(conformal(part, LEVEL), 4) for part in usable]
    return thresholds, intervals


def confidences(
    tracks: Sequence[Sample], found: Sequence[Estimate], thresholds: dict[str, float]
) -> dict[str, list[float]]:
    """Per aspect and size of the largest claim: how often it named a true source (one hit and one miss added)."""
    table: dict[str, list[float]] = {}
    for channel in CHANNELS[:3]:
        hits, count = np.ones(len(EDGES) + 1), np.full(len(EDGES) + 1, 2.0)
        for track, one in zip(tracks, found, strict=True):
            claimed = claim(shares_of(one, channel, {}), thresholds[channel])
            if claimed:
                best = ranked(claimed)[0]
                place = int(np.searchsorted(EDGES, claimed[best], side="right"))
                hits[place] += best in getattr(track.truth, channel)
                count[place] += 1
        table[channel] = [round(float(value), 3) for value in hits / count]
    return table


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=500)
    parser.add_argument("--tracks", type=int, default=40, help="of each kind, in each split")
    options = parser.parse_args(argv)
    worlds = [synth.make_world(seed, pieces=options.pieces) for seed in (FIT_SEED, CALIBRATE_SEED, TEST_SEED)]
    calibration = fit(catalogue_of(worlds[0]), samples(worlds[0], options.tracks, 1))
    document = measure(calibration, [(catalogue_of(world), samples(world, options.tracks, 2)) for world in worlds[1:]])
    options.out.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def measure(calibration: Calibration, splits: Sequence[tuple[Catalogue, Sequence[Sample]]]) -> dict[str, Any]:
    """The calibration file: thresholds and intervals from the first split, errors from the second."""
    document: dict[str, Any] = {
        "v": 1,
        "worlds": {"fit": FIT_SEED, "calibrate": CALIBRATE_SEED, "test": TEST_SEED},
        "thresholds": {},
        "intervals": {},
        "odds": {name: {"slopes": one.slopes, "bias": one.bias} for name, one in calibration.odds.items()},
        "gate": {"slopes": calibration.gate.slopes, "bias": calibration.gate.bias},
        "right": {},
        "errors": {},
    }
    (catalogue, tracks), (other, judged) = splits
    for name in NAMES:
        found = estimates(catalogue, tracks, calibration, name)
        thresholds, intervals = thresholds_and_intervals(
            tracks, found, dict(zip(catalogue.ids, catalogue.styles, strict=True))
        )
        document["thresholds"] |= {f"{name}/{channel}": value for channel, value in thresholds.items()}
        sure = confidences(tracks, found, thresholds)
        document["right"] |= {f"{name}/{channel}": value for channel, value in sure.items()}
        document["intervals"] |= {f"{name}/{channel}": value for channel, value in intervals.items()}
        errors = [
            weight_error(one.shares.get("recording", {}), track.truth.recording)
            for track, one in zip(judged, estimates(other, judged, calibration, name), strict=True)
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
