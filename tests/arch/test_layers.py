"""The import rules of the house hold: rooms depend downwards only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import ROOT


def test_rooms_import_downwards_only() -> None:
    """If this fails, a layer reaches around another and the verifier may no longer stand alone."""
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
