"""A key that is handed over while the scheduler runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from service import operating
from service.log.keys import rotate
from service.scheduler.jobs import JOBS
from service.scheduler.process import planned, take_turn
from service.workspace import Workspace
from tests.service.month import month


def test_a_turn_after_a_rotation_signs_with_the_successor(tmp_path: Path) -> None:
    """If this fails, a scheduler that was running goes on signing with the old key, and nobody can open the log."""
    june = month(tmp_path / "home")
    seal = next(job for job in JOBS if job.name == "seal")
    schedule, said = planned(june.ws)[seal], list[str]()
    sizes = []
    for name in (None, "log", "operator"):
        if name is not None:
            other = Workspace.open(june.home, clock=june.ws.clock)
            rotate(other, name)
            other.close()
        june.now += timedelta(hours=1)
        take_turn(june.ws, seal, schedule, "test", said.append)
        sizes.append(june.ws.log.head().size)
    assert sizes == sorted(set(sizes)), said
    june.ws.close()
    opened = Workspace.open(june.home, clock=lambda: june.now)
    assert len(list(opened.log.entries(types=["seal"]))) == 3, said
    assert operating.fsck(opened).ok
    opened.close()
