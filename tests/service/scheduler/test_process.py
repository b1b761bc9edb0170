"""The process itself: started twice, told to end, left without a passphrase."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.scheduler import claims
from service.scheduler.jobs import JOBS
from service.workspace import Workspace
from tests.cli.support import settle, settle_json
from tests.support import ROOT

SECONDS = 120
SETTLE = str(Path(sys.executable).with_name("settle"))


@contextmanager
def running(home: Path) -> Iterator[tuple[subprocess.Popen[str], list[str], threading.Event]]:
    """A scheduler, what it says, and whether every job has had its first turn."""
    process = subprocess.Popen(
        [SETTLE, "--home", str(home), "scheduler"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    all_had_a_turn = threading.Event()

    def listen() -> None:
        for line in process.stderr or ():
            said.append(line)
            if {one.split()[0] for one in said} >= {job.name for job in JOBS}:
                all_had_a_turn.set()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield process, said, all_had_a_turn
    finally:
        process.kill()
        process.wait()
        listener.join()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_two_processes_share_the_work_and_end_when_told(tmp_path: Path, end: signal.Signals) -> None:
    """If this fails, `settle scheduler` twice does things twice, or a service manager has to kill it."""
    home = tmp_path / "w"
    settle_json("init", "--no-passphrase", home=home)
    with running(home) as (one, said, ready), running(home) as (other, also, ready_too):
        assert ready.wait(SECONDS), said
        assert ready_too.wait(SECONDS), also
        for process in (one, other):
            process.send_signal(end)
        assert (one.wait(SECONDS), other.wait(SECONDS)) == (0, 0)
    log = Workspace.open(home).log
    with log.store.reading() as connection:
        rows = connection.execute(claims.CLAIM.select()).all()
    assert {row.job for row in rows} == {job.name for job in JOBS}
    assert {(row.attempt, row.state) for row in rows} <= {(1, "done"), (1, "nothing")}
    assert len(list(log.entries(types={"seal"}))) == 1
    assert not [line for line in said + also if "failed" in line]


def test_once_for_cron(tmp_path: Path) -> None:
    """If this fails, a crontab that fires twice seals twice, or cannot tell that the work is done."""
    home = tmp_path / "w"
    settle_json("init", "--no-passphrase", home=home)
    first = settle_json("scheduler", "--once", "segments", home=home)
    second = settle_json("scheduler", "--once", "segments", home=home)
    assert (first["already"], first["state"]) == (False, "nothing")
    if first["turn"] == second["turn"]:  # unless the hour turned between them
        assert second == {**first, "already": True}
    jobs = {one["job"]: one for one in settle_json("status", home=home)["jobs"]}
    assert (jobs["segments"]["state"], jobs["segments"]["last"]) == ("nothing", second["turn"])
    assert (jobs["close"]["state"], jobs["close"]["last"]) == ("never", None)
    assert settle("scheduler", "--once", "close", home=home).out.startswith("close ")
    assert settle("scheduler", "--once", "tidy", home=home).code == 2


def test_a_job_that_is_off_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, what an operator switched off is done all the same."""
    home = tmp_path / "w"
    settle_json("init", "--no-passphrase", home=home)
    monkeypatch.setenv("SETTLE_SCHEDULER_CLOSE", "off")
    assert settle_json("scheduler", "--once", "close", home=home, code=4)["error"]["kind"] == "state"
    for job in JOBS:
        monkeypatch.setenv(f"SETTLE_SCHEDULER_{job.name.upper()}", "off")
    assert "every job is off" in settle("scheduler", home=home).err


def test_a_missing_passphrase_shows_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a scheduler runs for an hour before it finds out that it cannot sign."""
    home = tmp_path / "w"
    monkeypatch.setenv("SETTLE_PASSPHRASE", "only for this test")
    settle_json("init", home=home)
    monkeypatch.delenv("SETTLE_PASSPHRASE")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    refused = settle("scheduler", home=home)
    assert (refused.code, refused.out) == (4, "")
    assert "SETTLE_PASSPHRASE_FILE" in refused.err
