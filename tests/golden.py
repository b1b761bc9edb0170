"""Golden files: bytes that users hold and that must never change unnoticed.

`SETTLE_WRITE_GOLDEN=1 pytest ...` writes them anew; the change then shows in review.
"""

from __future__ import annotations

import os

from tests.support import ROOT

FOLDER = ROOT / "tests" / "golden"


def check_golden(name: str, data: bytes) -> None:
    """The bytes are those of the golden file of this name."""
    path = FOLDER / name
    if os.environ.get("SETTLE_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    assert path.read_bytes() == data, f"{name} is no longer written as it was; users hold such files"
