"""What tests share: conformance files where they are present, and how many examples a law is tried with."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent


def shared(path: str) -> Path:
    """A file or folder of the conformance material; skips the test where it is absent."""
    found = ROOT.parent / "shared" / path
    if not found.exists():
        pytest.skip(f"needs {path} of the conformance material beside the checkout")
    return found


def examples(wanted: int) -> int:
    """So many examples of a property; under the `quick` profile, no more than it allows."""
    return min(wanted, settings().max_examples) if settings.get_current_profile_name() == "quick" else wanted
