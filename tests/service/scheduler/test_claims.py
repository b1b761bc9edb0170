"""Several schedulers, and one that dies: whatever they do, each job's effect is there once."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from ledger.errors import StateError, TransientError
from ledger.segments.check import verify_segments
from ledger.segments.manifest import manifests
from service.scheduler import claims
from service.scheduler.jobs import Did, Job, job_named
from service.scheduler.standing import standing, troubles
from service.scheduler.work import JobOutcome, do
from service.settlement.usage import folder_of
from service.workspace import Workspace
from tests.ledger.log.store.both import STORES
from tests.service.month import Month
from tests.service.scheduler.office import JOBS, LEAVES, count, elsewhere, office, turn
from tests.support import ROOT, until

BOTH_TIMES = [pytest.param("before", id="before-its-work"), pytest.param("after", id="after-its-work")]


def job(work: Callable[[Workspace, datetime], Did]) -> Job:
    return replace(job_named("seal"), work=work)


def stopped(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def once_each(june: Month) -> None:
    """Every job's leaf is there once, and the segments hold every entry once."""
    log = june.ws.log
    assert count(log) == dict.fromkeys(LEAVES, 1)
    verify_segments(log, folder_of(june.ws), manifests(log), None)
    assert sum(manifest.events for manifest in manifests(log)) == june.events


@pytest.mark.parametrize("kind", STORES)
def test_many_schedulers_at_once_do_each_job_once(tmp_path: Path, kind: str) -> None:
    """If this fails, a second scheduler seals, closes or lets money go a second time."""
    with office(kind, tmp_path) as june:
        together = Barrier(4)

        def scheduler(name: str) -> list[JobOutcome]:
            with elsewhere(june) as ws:
                found = []
                for wanted in JOBS:
                    together.wait()
                    found.append(do(ws, job_named(wanted), holder=name))
                return found

        with ThreadPoolExecutor(4) as pool:
            told = [one for outcomes in pool.map(scheduler, "abcd") for one in outcomes]
        assert sorted(one.job for one in told if not one.already) == sorted(JOBS)
        again = [turn(june, job_named(wanted), "e") for wanted in JOBS]
        assert {(one.already, one.state) for one in again} == {(True, "done")}
        once_each(june)


@pytest.mark.slow
@pytest.mark.parametrize("when", BOTH_TIMES)
@pytest.mark.parametrize("kind", STORES)
def test_a_crash_between_claim_and_completion(tmp_path: Path, kind: str, when: str) -> None:
    """If this fails, a scheduler killed in the middle of a job leaves it undone for ever, or has it done twice."""
    with office(kind, tmp_path) as june:
        for name in JOBS:
            words = (sys.executable, "-m", "tests.service.scheduler.office", str(june.home), name, when)
            died = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
            assert died.returncode == -9, died.stderr
        june.now += claims.LEASE - timedelta(seconds=1)
        waiting = [turn(june, job_named(name), "next") for name in JOBS]
        assert {(one.already, one.state, one.holder) for one in waiting} == {(True, "running", "mortal")}
        june.now += timedelta(seconds=1)
        undone = [line for line in troubles(standing(june.ws)) if "left undone" in line]
        assert len(undone) == len(JOBS)
        taken = [turn(june, job_named(name), "next") for name in JOBS]
        assert {(one.already, one.attempt) for one in taken} == {(False, 2)}
        assert {one.state for one in taken} == ({"nothing"} if when == "after" else {"done"})
        once_each(june)


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
def test_one_that_wakes_after_its_lease_writes_nothing_twice(tmp_path: Path, kind: str) -> None:
    """If this fails, a scheduler that slept between deciding and writing closes or lets money go a second time."""
    with office(kind, tmp_path) as june:
        words = (sys.executable, "-m", "tests.service.scheduler.office", str(june.home))
        jobs = [name for name in JOBS if name != "segments"]  # whose sealer locks the folder, asleep or not
        asleep = [
            subprocess.Popen([*words, name, "asleep"], cwd=ROOT, stderr=subprocess.PIPE, text=True) for name in jobs
        ]
        try:
            for one in asleep:
                until(partial(stopped, one.pid))
            june.now += claims.LEASE
            taken = [turn(june, job_named(name), "next") for name in jobs]
            assert {(one.state, one.attempt) for one in taken} == {("done", 2)}
            for name, one in zip(jobs, asleep, strict=True):
                one.send_signal(signal.SIGCONT)
                _, said = one.communicate(timeout=60)
                assert (one.returncode, f"job {name}" in said, "took it over" in said) == (1, True, True), said
            assert {one.holder for one in claims.last(june.ws.log).values()} == {"next"}
        finally:
            for one in asleep:
                one.kill()
        turn(june, job_named("segments"), "next")
        once_each(june)


def test_a_failure_is_kept_and_tried_again(tmp_path: Path) -> None:
    """If this fails, a job that failed counts as done, or its reason cannot be read in the morning."""
    with office("sqlite", tmp_path) as june:

        def fails(*_: object) -> Did:
            raise TransientError("the disk is full")

        with pytest.raises(TransientError):
            do(june.ws, job(fails), holder="a")
        now = standing(june.ws)
        assert list(troubles(now)) == ["job seal failed at 2026-07-03T09:00:00Z: the disk is full"]
        assert (now[0].state, now[0].next) == ("failed", "2026-07-03T10:00:00Z")
        second = do(june.ws, job_named("seal"), holder="a")
        assert (second.state, second.attempt, second.already) == ("done", 2, False)
        assert not list(troubles(standing(june.ws)))


def test_one_that_was_silent_too_long_learns_that_it_was_replaced(tmp_path: Path) -> None:
    """If this fails, a scheduler that hung overwrites what the one that replaced it has written."""
    with office("sqlite", tmp_path) as june:

        def hangs(*_: object) -> Did:
            june.now += claims.LEASE
            other = turn(june, job(lambda *_: Did("by the other")), "b")
            assert (other.turn, other.attempt) == ("2026-07-03T09:00:00Z", 2)
            return Did("by the first")

        june.now = datetime.fromisoformat("2026-07-03T09:10:00Z")
        with pytest.raises(StateError, match="took it over"):
            do(june.ws, job(hangs), holder="a")
        assert claims.last(june.ws.log)["seal"].detail == "by the other"


def test_a_lease_is_renewed_while_the_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a job that takes longer than the lease is done by two schedulers at the same time."""
    with office("sqlite", tmp_path) as june:
        monkeypatch.setattr(claims, "RENEWALS", 600 * 50)  # every 20 ms

        def takes_long(ws: Workspace, _: datetime) -> Did:
            began = claims.last(ws.log)["seal"].leased_until
            june.now += timedelta(minutes=8)
            while claims.last(ws.log)["seal"].leased_until == began:
                pass
            june.now += timedelta(minutes=8)
            assert turn(june, job_named("seal"), "b").already
            return Did("at last")

        june.now = datetime.fromisoformat("2026-07-03T09:10:00Z")
        assert do(june.ws, job(takes_long), holder="a").detail == "at last"


def test_a_scheduler_that_is_gone_is_missed(tmp_path: Path) -> None:
    """If this fails, a scheduler that ended at night is not noticed in the morning."""
    with office("sqlite", tmp_path) as june:
        assert not list(troubles(standing(june.ws)))  # where nobody ever ran one, nobody misses it
        do(june.ws, job_named("seal"), holder="a")
        june.now += timedelta(minutes=25)  # 10:05: the turn of ten has come, and may still be about to be taken
        assert not list(troubles(standing(june.ws)))
        june.now += timedelta(minutes=5)
        assert [line.split(" for ")[0] for line in troubles(standing(june.ws))] == ["nobody has looked after seal"]
        do(june.ws, job_named("seal"), holder="a")
        assert not list(troubles(standing(june.ws)))


def test_old_turns_are_forgotten(tmp_path: Path) -> None:
    """If this fails, the table of claims grows for ever."""
    with office("sqlite", tmp_path) as june:
        nothing = job(lambda *_: Did("", nothing=True))
        do(june.ws, nothing, holder="a")
        june.now += claims.KEPT + timedelta(hours=2)
        do(june.ws, nothing, holder="a")
        with june.ws.log.store.reading() as connection:
            assert len(connection.execute(claims.CLAIM.select()).all()) == 1
