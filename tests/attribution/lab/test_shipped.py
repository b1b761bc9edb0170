"""The fitted files that ship are those that the documents name, made from the worlds that their commands name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from attribution.lab.train_calibration import CALIBRATE_SEED, FIT_SEED, TEST_SEED
from attribution.weights.load import CALIBRATION

DOCUMENT = Path(__file__).parents[3] / "docs" / "methods.md"


def test_the_documented_digests_are_those_of_the_shipped_files() -> None:
    """If this fails, nobody can tell whether the weights that judge tracks are the documented ones."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for path in (CALIBRATION, CALIBRATION.with_name("encoders.safetensors")):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in text


def test_the_calibration_names_the_worlds_of_its_command() -> None:
    """If this fails, thresholds were measured on other worlds than the command and the documents say."""
    worlds = json.loads(CALIBRATION.read_text(encoding="utf-8"))["worlds"]
    assert worlds == {"fit": FIT_SEED, "calibrate": CALIBRATE_SEED, "test": TEST_SEED}
