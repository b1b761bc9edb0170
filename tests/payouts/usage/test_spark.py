"""The same expression on DuckDB, local Spark, local-cluster and a standalone cluster that loses a worker."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ledger.log.append import Log
from ledger.segments.errors import SegmentError
from ledger.segments.manifest import manifests
from payouts.protocols import UsageRow
from payouts.usage.engines import duckdb_engine
from payouts.usage.grain import Grain, Membership
from payouts.usage.segments import Engine, taken_files
from payouts.usage.spark import spark_engine
from service.settlement import life
from service.settlement.life import RunResult
from service.settlement.usage import folder_of
from tests.ledger.logs import log_in
from tests.payouts.cluster import Cluster, await_standstill, executors_that_worked, jobs_open, standalone, tasks_lost
from tests.payouts.streams import TERMS, by_engine, by_hand, membership, sealed_log, streams
from tests.service.month import asked, month

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
]

FINE = Grain(
    cuts=("2026-06-10T00:00:00Z", "2026-06-15T12:00:00Z"), territories=("NO", "SE"), products=True, listeners=True
)
MANY_TASKS = {"spark.sql.files.maxPartitionBytes": "4096", "spark.sql.files.openCostInBytes": "4096"}


@dataclass(frozen=True, slots=True)
class Played:
    """A sealed log, and what it comes to by hand."""

    logs: list[tuple[Log, Path, Membership]]
    expected: dict[Grain, list[UsageRow]]

    def check(self, engine: Engine) -> None:
        for grain, rows in self.expected.items():
            assert by_engine(engine, self.logs, TERMS, grain) == rows


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    home = tmp_path_factory.mktemp("log")
    log = log_in(home)
    folder = sealed_log(log, home / "segments", streams(11, 10_000), span=700)
    logs = [(log, folder, membership(9_000, 3_000))]
    return Played(logs, {grain: by_hand(logs, TERMS, grain) for grain in (Grain(), FINE)})


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with standalone(tmp_path_factory.mktemp("cluster")) as one:
        yield one


def logged(folder: Path, **more: str) -> dict[str, str]:
    """Settings of an application that keeps a record of every task."""
    folder.mkdir()
    plain = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{folder}",
        "spark.eventLog.compress": "false",
    }
    return {**plain, "spark.eventLog.rolling.enabled": "false", **more}


def test_duckdb(played: Played) -> None:
    """If this fails, what Spark is compared with below is wrong itself."""
    with duckdb_engine() as engine:
        played.check(engine)


def test_local_spark(played: Played, tmp_path: Path) -> None:
    """If this fails, the expression means something else in Spark's SQL, or a bad copy of the segments is summed."""
    ((log, folder, member),) = played.logs
    wanted = taken_files(manifests(log), member)
    copied = Path(shutil.copytree(folder, tmp_path / "store"))
    base = f"file://{copied}"
    with spark_engine("local[2]") as engine:
        played.check(engine)
        engine.check(str(folder), wanted)
        engine.check(base, wanted)
        one = copied / wanted[len(wanted) // 2].path
        whole = one.read_bytes()
        one.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        with pytest.raises(SegmentError, match=one.name):
            engine.check(base, wanted)
        one.unlink()
        with pytest.raises(SegmentError, match="not every segment"):
            engine.check(base, wanted)


def test_local_cluster(played: Played, tmp_path: Path) -> None:
    """If this fails, sums differ once they are made in several processes."""
    with spark_engine("local-cluster", logged(tmp_path / "events", **MANY_TASKS)) as engine:
        played.check(engine)
    assert set(executors_that_worked(tmp_path / "events")) == {"0", "1"}


def test_a_standalone_cluster(played: Played, cluster: Cluster, tmp_path: Path) -> None:
    """If this fails, `--engine spark://...` gives other money than DuckDB, or leaves half of the cluster idle."""
    with spark_engine(cluster.url, logged(tmp_path / "events", **MANY_TASKS)) as engine:
        played.check(engine)
    assert set(executors_that_worked(tmp_path / "events")) == {"0", "1"}


def test_a_run_on_the_cluster_is_the_run(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, `settle run --engine spark://...`, from segments copied elsewhere, pays other money."""
    june = month(tmp_path / "home")
    life.close(june.ws, "2026-06")
    store = Path(shutil.copytree(folder_of(june.ws), tmp_path / "store"))
    for here in folder_of(june.ws).glob("period=*"):
        shutil.rmtree(here)

    def run(engine: str) -> RunResult:
        found = life.run(june.reopened(), asked(engine=engine), dry_run=True)
        assert found.engine == engine
        return replace(found, engine="")

    plain = run("log")
    assert plain.allocated_micros == 630_000_000
    monkeypatch.setenv("SETTLE_PAYOUTS_SEGMENTS", f"file://{store}")
    assert run(cluster.url) == plain


def test_a_worker_lost_in_the_middle_of_a_job(played: Played, cluster: Cluster, tmp_path: Path) -> None:
    """If this fails, losing a machine loses or doubles a part of the sums. The last test: it breaks the cluster."""
    events = tmp_path / "events"
    with spark_engine(cluster.url, logged(events, **MANY_TASKS)) as engine:
        played.check(engine)  # both executors are up and have worked
        before = executors_that_worked(events)
        assert set(before) == {"0", "1"}
        first = sum(before.values())
        breaker = threading.Thread(target=lose_a_busy_worker, args=(cluster, events, first + 3))
        breaker.start()
        played.check(engine)
        breaker.join()
    assert cluster.workers[0].poll() is not None
    assert tasks_lost(events), "no task was running where the worker was lost"
    assert jobs_open(events) == 0


def lose_a_busy_worker(cluster: Cluster, events: Path, after: int) -> None:
    """Stop a worker when so many tasks are done, wait until the job hangs on it, then kill it."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and sum(executors_that_worked(events).values()) <= after:
        time.sleep(0.02)
    cluster.hang_a_worker()
    try:
        await_standstill(events, seconds=3)
    finally:
        cluster.lose_a_worker()
