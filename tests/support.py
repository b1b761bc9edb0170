"""What tests share: conformance files where they are present, and how many examples a law is tried with."""

from __future__ import annotations

import threading
from collections.abc import Callable
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


def until(true: Callable[[], bool]) -> None:
    """Wait for something that other threads or processes do; half a minute, and the test has failed."""
    turn = threading.Event()
    for _ in range(6000):
        if true():
            return
        turn.wait(0.005)
    pytest.fail("it never came")
