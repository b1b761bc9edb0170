"""G1, G3: what another user of the host reads, and what is left of somebody who was erased."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.victim import Victim, prepared


def open_to_others(folder: Path) -> list[str]:
    """What in a folder anybody but its owner may do something with."""
    places = (folder, *folder.rglob("*"))
    return sorted(str(path.relative_to(folder.parent)) for path in places if stat.S_IMODE(path.stat().st_mode) & 0o077)


@pytest.fixture
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_usual_umask")
def test_g1_nobody_else_on_the_host_reads_a_workspace(tmp_path: Path) -> None:
    """If this fails, any user of the host reads accounts, names and the salts of listeners."""
    victim = prepared(tmp_path)
    victim.publish()
    victim.do("pay", "2026-06", "--via", "file")
    victim.do("statements", "--period", "2026-06", "--out", victim.home / "statements")
    assert open_to_others(victim.home) == []


@pytest.mark.usefixtures("_usual_umask")
def test_g1_an_upgrade_shuts_what_release_01_left_open(published: Victim) -> None:
    """If this fails, a workspace stays readable for ever because an older release made it."""
    for path in (published.home, *published.home.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    published.do("status")
    assert not [name for name in open_to_others(published.home) if name.count("/") < 2]
    assert stat.S_IMODE(published.home.stat().st_mode) == 0o700


SECRET = "LISTENER-SECRET-77"


def test_g3_a_listener_is_erased_wherever_a_row_names_them(victim: Victim) -> None:
    """If this fails, an id that was to be forgotten is still in quarantined rows or in the reasons beside them."""
    row = {"source": "acme", "track": "trk-1", "occurred_at": "2026-06-07T11:05:00Z", "territory": "SE", "units": 1}
    rows = [
        row | {"event_id": "L-1", "listener": SECRET},
        row | {"event_id": "L-2", "track": "nope", "listener": SECRET},
        row | {"event_id": "L-3", "listener": f" {SECRET}"},
        row | {"event_id": "L-4", "Listener": SECRET},
        row | {"event_id": f"L-5 {SECRET}", "track": "nope", "listener": SECRET},
        row | {"event_id": "L-6", "source": "acme ", "listener": SECRET},
        row | {"event_id": "L-7", "listener": [SECRET]},
    ]
    victim.settle("ingest", victim.write("listeners.ndjson", *rows))
    victim.settle("ingest", victim.write("other.ndjson", row | {"event_id": "O", "source": "beta", "Listener": SECRET}))
    victim.do("listener", "erase", "acme", SECRET)
    shown = [victim.do("quarantine", "show", str(one["id"])) for one in victim.do("quarantine", "list", "--all")]
    bearing = [one for one in shown if SECRET in json.dumps(one)]
    assert len(bearing) == 1, "only the other platform's row still names its own listener"
    assert "beta" in json.dumps(bearing[0])
