"""The demo's month on PostgreSQL: one setting changed, nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.demo.played import Played, assert_same_month, play
from tests.postgres import database, server_url

pytestmark = pytest.mark.postgres


def test_the_same_month_on_postgresql(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, who is paid what depends on the database, or the demo works on SQLite alone."""
    with database(server_url()) as url:
        monkeypatch.setenv("SETTLE_STORE", url)
        other = play(tmp_path)
        assert not (other.home / "settle.db").exists()
    assert_same_month(other.told, played.told)
