"""The month that most tests of the service begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.month import Month, month


@pytest.fixture
def june(tmp_path: Path) -> Month:
    """A fresh workspace with June in its log, nothing closed."""
    return month(tmp_path / "home")
