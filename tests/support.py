"""What tests share: conformance files where they are present."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared(path: str) -> Path:
    """A file or folder of the conformance material; skips the test where it is absent."""
    found = ROOT.parent / "shared" / path
    if not found.exists():
        pytest.skip(f"needs {path} of the conformance material beside the checkout")
    return found
