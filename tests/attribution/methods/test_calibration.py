"""What was measured of a method, as every vector quotes it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from attribution.methods.byname import NAMES
from attribution.methods.calibration import SMALLEST, Calibration, parse, shipped
from attribution.methods.posterior import Odds
from attribution.weights.load import CALIBRATION
from ledger.errors import StateError
from ledger.types import MeasuredError

MEASURED = Calibration(
    thresholds={"m/recording": 0.07},
    intervals={"m/recording": (0.01, 0.02, 0.3, 0.4)},
    right={"m/recording": (0.1, 0.2, 0.3, 0.4)},
    errors={"m": {"benchmark": "b", "metric": "l1", "value_ppm": 5, "n": 7}},
)


def test_a_threshold_is_waived_above_chance_only() -> None:
    """If this fails, shares that chance gives are claimed, or shares above chance are not."""
    assert MEASURED.threshold("m", "recording") == 0.07
    assert MEASURED.threshold("m", "recording", above_chance=True) == SMALLEST
    assert MEASURED.threshold("other", "recording") == SMALLEST


@pytest.mark.parametrize(
    ("share", "interval", "confidence"),
    [
        (0.04, (0.03, 0.05), 0.1),
        (0.05, (0.03, 0.07), 0.2),
        (0.2, (0.0, 0.5), 0.3),
        (0.5, (0.1, 0.9), 0.4),
        (0.9, (0.5, 1.0), 0.4),
    ],
)
def test_an_interval_is_that_of_shares_of_its_size(
    share: float, interval: tuple[float, float], confidence: float
) -> None:
    """If this fails, a share is printed with the interval, or the confidence, of smaller or larger ones."""
    assert MEASURED.interval("m", "recording", share) == pytest.approx(interval)
    assert MEASURED.confidence("m", "recording", share) == confidence


def test_what_was_not_measured_is_not_promised() -> None:
    """If this fails, a method without measured errors looks exact."""
    assert MEASURED.interval("other", "recording", 0.3) == (0.0, 1.0)
    assert MEASURED.confidence("other", "recording", 0.3) == 0.5
    assert MEASURED.error("other") is None
    assert MEASURED.error("m") == MeasuredError(benchmark="b", metric="l1", value_ppm=5, n=7)


def test_the_shipped_calibration_is_the_file_that_its_digest_names() -> None:
    """If this fails, a vector's parameters do not say by which measurements it was made."""
    body = CALIBRATION.read_bytes()
    calibration, document = shipped(), json.loads(body)
    assert calibration == parse(body)
    assert calibration.digest == hashlib.sha256(body).hexdigest()
    assert parse(body + b"\n").digest != calibration.digest
    for name, odds in document["odds"].items():
        assert calibration.odds[name] == Odds(slopes=tuple(odds["slopes"]), bias=odds["bias"])
    assert calibration.gate.slopes == tuple(document["gate"]["slopes"])
    assert calibration.gate.bias == document["gate"]["bias"]
    assert calibration.near == document["near"]
    assert all(len(row) == 4 for row in (*calibration.intervals.values(), *calibration.right.values()))
    assert all(calibration.error(name) is not None for name in NAMES)


def test_an_installation_without_its_calibration_says_so(tmp_path: Path) -> None:
    """If this fails, a broken installation attributes by odds that nobody measured."""
    with pytest.raises(StateError, match="install the wheel again"):
        shipped(tmp_path / "calibration.json")
