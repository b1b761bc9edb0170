"""June for tests of the chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.chain.on_chain import published_june
from tests.service.month import Month


@pytest.fixture
def june(tmp_path: Path) -> Month:
    """June, published, with everybody paid on the chain."""
    return published_june(tmp_path)
