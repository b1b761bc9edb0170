"""What tests share: conformance files where they are present, and how many examples a law is tried with."""

from __future__ import annotations

import json
import subprocess
import sys
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


_TELL = """
import json, sys
before = set(sys.modules)
try:
    exec(sys.argv[1])
except SystemExit:
    pass
print()
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)))
"""


def packages_after(code: str) -> set[str]:
    """The packages outside the standard library that a fresh interpreter has imported when it has run this."""
    done = subprocess.run([sys.executable, "-c", _TELL, code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def until(true: Callable[[], bool]) -> None:
    """Wait for something that other threads or processes do; half a minute, and the test has failed."""
    turn = threading.Event()
    for _ in range(6000):
        if true():
            return
        turn.wait(0.005)
    pytest.fail("it never came")
