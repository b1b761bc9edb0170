"""A Spark standalone cluster of real processes on loopback: one master, two workers, from the pip package."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark

SPARK = Path(pyspark.__file__).parent
START_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Cluster:
    """Its URL, and its worker processes."""

    url: str
    workers: list[subprocess.Popen[bytes]]

    def hang_a_worker(self) -> None:
        """One worker and the executors it started stand still: what they are at is never finished."""
        os.killpg(self.workers[0].pid, signal.SIGSTOP)

    def lose_a_worker(self) -> None:
        """The same worker and its executors are gone at once."""
        os.killpg(self.workers[0].pid, signal.SIGKILL)
        self.workers[0].wait()


@contextmanager
def standalone(folder: Path) -> Iterator[Cluster]:
    """A cluster that is up, with both workers registered."""
    port = _free_port()
    url = f"spark://127.0.0.1:{port}"
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(
            _start(
                folder, "master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port)
            )
        )
        _await_port(port)
        for number in (1, 2):
            options = ("--host", "127.0.0.1", "-c", "1", "-m", "1g", "--work-dir", str(folder / f"work-{number}"), url)
            running.append(_start(folder, f"worker-{number}", "org.apache.spark.deploy.worker.Worker", *options))
        _await_workers(folder / "master.log", 2)
        yield Cluster(url, running[1:])
    finally:
        for process in reversed(running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _start(folder: Path, name: str, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SPARK_HOME": str(SPARK), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m"}
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [str(SPARK / "bin/spark-class"), *words, *(("--webui-port", "0") if len(words) > 1 else ())],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _await_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as one:
            one.settimeout(0.5)
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"no Spark master on port {port}")


def _await_workers(log: Path, count: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if log.read_text().count("Registering worker") >= count:
            return
        time.sleep(0.2)
    raise TimeoutError(f"{count} workers did not register: {log.read_text()[-2000:]}")


def executors_that_worked(events: Path) -> dict[str, int]:
    """Finished tasks by executor, from an application's event log."""
    done: dict[str, int] = {}
    for event in _events(events, "SparkListenerTaskEnd"):
        if event["Task End Reason"]["Reason"] == "Success":
            executor = event["Task Info"]["Executor ID"]
            done[executor] = done.get(executor, 0) + 1
    return done


def tasks_lost(events: Path) -> int:
    """Tasks that were running on an executor when it was lost, from an application's event log."""
    ends = _events(events, "SparkListenerTaskEnd")
    return sum(event["Task End Reason"]["Reason"] == "ExecutorLostFailure" for event in ends)


def jobs_open(events: Path) -> int:
    """Jobs that have begun and not ended, from an application's event log."""
    begun = sum(1 for _ in _events(events, "SparkListenerJobStart"))
    return begun - sum(1 for _ in _events(events, "SparkListenerJobEnd"))


def await_standstill(events: Path, seconds: float) -> None:
    """Return when a job is open and the application has written nothing for so long."""
    deadline = time.monotonic() + START_SECONDS
    size, since = -1, time.monotonic()
    while time.monotonic() < deadline:
        found = sum(path.stat().st_size for path in events.rglob("*") if path.is_file())
        if found != size:
            size, since = found, time.monotonic()
        elif time.monotonic() - since > seconds and jobs_open(events):
            return
        time.sleep(0.1)
    raise TimeoutError("the application went on although a worker hangs")


def _events(events: Path, *kinds: str) -> Iterator[dict[str, Any]]:
    for file in (path for path in events.rglob("*") if path.is_file()):
        for line in file.read_text(errors="replace").splitlines():
            if any(f'"{kind}"' in line for kind in kinds):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # the line being written at this moment
