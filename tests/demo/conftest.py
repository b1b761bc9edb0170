"""The demo's month, played once."""

from __future__ import annotations

import pytest

from tests.demo.played import Played, play


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("demo"))
