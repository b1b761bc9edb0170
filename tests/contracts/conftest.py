"""Fixtures for the chain: a desk with a pool, copied from one that was set up once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.desk import Desk


@pytest.fixture(scope="session")
def _set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("desk")
    desk = Desk(home)
    desk.deployed()
    desk.close()
    return home


@pytest.fixture
def home(_set_up: Path, tmp_path: Path) -> Path:
    """The folder of a desk whose pool is deployed, without a window, and funded."""
    shutil.copytree(_set_up, tmp_path / "desk")
    return tmp_path / "desk"


@pytest.fixture
def desk(home: Path) -> Iterator[Desk]:
    """A desk whose pool is deployed, without a window, and funded."""
    made = Desk(home)
    yield made
    made.close()
