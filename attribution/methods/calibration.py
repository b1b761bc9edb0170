"""What was fitted and measured, shipped as one JSON file: odds, thresholds, intervals, errors.

Written by `attribution.lab.train_calibration` on worlds of its own (odds on one, thresholds and intervals
on another); read by every method. `Calibration.digest` is part of every vector's parameters.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from attribution.methods.posterior import Odds
from attribution.weights.load import CALIBRATION
from ledger.errors import StateError
from ledger.types import MeasuredError

EDGES: Final = (0.05, 0.2, 0.5)
"""Shares fall into bins of about equal difficulty; each has intervals of its own."""
SMALLEST: Final = 0.02
"""No smaller share is claimed, however sure the method is that it is somebody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """By method and channel (recording, composition, style, groups): thresholds and interval half-widths.

    `near`: the likeness in style that two source-free tracks in a hundred reach with any recording.
    """

    odds: Mapping[str, Odds] = field(default_factory=dict)
    gate: Odds = field(default_factory=lambda: Odds(slopes=(0.0, 0.0, 0.0), bias=0.0))
    near: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)
    right: Mapping[str, Sequence[float]] = field(default_factory=dict)
    errors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    digest: str = ""

    def threshold(self, method: str, channel: str, *, above_chance: bool = False) -> float:
        """Return the smallest share that is claimed; with `above_chance` unrelated recordings have no share."""
        return SMALLEST if above_chance else self.thresholds.get(f"{method}/{channel}", SMALLEST)

    def interval(self, method: str, channel: str, share: float) -> tuple[float, float]:
        """Return the interval that contains the true share nine times in ten (split conformal, by the share's size)."""
        table = self.intervals.get(f"{method}/{channel}")
        if table is None:
            return 0.0, 1.0
        width = table[bisect_right(EDGES, share)]
        return max(0.0, share - width), min(1.0, share + width)

    def confidence(self, method: str, channel: str, share: float) -> float:
        """Return how often an aspect's largest claim of about this size named a true source."""
        table = self.right.get(f"{method}/{channel}")
        return 0.5 if table is None else table[bisect_right(EDGES, share)]

    def error(self, method: str) -> MeasuredError | None:
        """Return the method's error on the named benchmark."""
        measured = self.errors.get(method)
        return (
            None
            if measured is None
            else MeasuredError(
                benchmark=measured["benchmark"],
                metric=measured["metric"],
                value_ppm=measured["value_ppm"],
                n=measured["n"],
            )
        )


def parse(body: bytes) -> Calibration:
    """Parse a calibration file."""
    document = json.loads(body)
    return Calibration(
        odds={
            name: Odds(slopes=tuple(odds_document["slopes"]), bias=odds_document["bias"])
            for name, odds_document in document["odds"].items()
        },
        gate=Odds(slopes=tuple(document["gate"]["slopes"]), bias=document["gate"]["bias"]),
        near=document["near"],
        thresholds=document["thresholds"],
        intervals={name: tuple(row) for name, row in document["intervals"].items()},
        right={name: tuple(row) for name, row in document["right"].items()},
        errors=document["errors"],
        digest=hashlib.sha256(body).hexdigest(),
    )


@cache
def shipped(path: Path = CALIBRATION) -> Calibration:
    """Return the calibration shipped with this version."""
    if not path.is_file():
        raise StateError(f"no calibration at {path}; this installation is incomplete: install the wheel again")
    return parse(path.read_bytes())
