"""The service under load, over loopback, every commit synced: `make bench-service`.

The server, the load and the floors run on the same cores. A floor of the same run stands beside each figure: an empty
ASGI app under the same server for HTTP, bare synced inserts of rows as large for the disk. SETTLE_BENCH_SECONDS is how
long each step takes (10), SETTLE_BENCH_SOAK how long memory is watched (60).
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import pytest

from ledger.proofs import leaf, vector
from tests.bench.service_load import Load, body
from tests.service.web.serving import Served, served_month, serving, token
from tests.support import ROOT, until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

SECONDS: Final = float(os.environ.get("SETTLE_BENCH_SECONDS", "10"))
SOAK: Final = float(os.environ.get("SETTLE_BENCH_SOAK", "60"))
TRACKS: Final = 1_000
LIMITS: Final = ("--events-per-second", "1000000")


@contextmanager
def workspace() -> Iterator[tuple[Path, str]]:
    """June with a thousand tracks more, each with a vector, and a platform's access key."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "home"
        june = served_month(home)
        key, leaves, blobs = june.ws.signer("attribution"), [], []
        for i in range(TRACKS):
            sources = [{"recording": f"rec-{1 + (i + k) % 4}", "ppm": 150_000 + k} for k in range(3)]
            statement = vector.sign(vector.from_declared({"track": f"trk-b{i}", "sources": sources}), key)
            blobs.append(statement.encode())
            leaves.append(leaf.make("track", june.now, id=f"trk-b{i}"))
            leaves.append(leaf.vector(june.now, track=f"trk-b{i}", statement=statement.digest, method="declared"))
            leaves.append(leaf.assign(june.now, track=f"trk-b{i}", vector=statement.digest, signer=key))
        june.ws.log.append(leaves, blobs=blobs)
        secret = token(june, "ann", "platform")
        june.ws.close()
        yield home, secret


def loaded(server: Served, secret: str, **fields: Any) -> dict[str, Any]:
    """What one load brought back."""
    load = {"host": server.host, "port": server.port, "path": "/v1/sources/acme/events", "token": secret, **fields}
    command = [sys.executable, "-m", "tests.bench.service_load", json.dumps({"seconds": SECONDS, **load})]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), check=True, stdout=subprocess.PIPE)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _environment() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(ROOT)}


def told(what: str, result: dict[str, Any], *, cpu: float | None = None) -> None:
    rate, taken = result["accepted"] / result["seconds"], result["statuses"].get("200", 0)
    used = "" if cpu is None or not result["accepted"] else f", {cpu / result['accepted'] * 1e6:.1f} us CPU an event"
    print(
        f"{what}: {rate:,.0f} events/s, {taken / result['seconds']:,.0f} requests/s, p50 {result['p50']:.0f} ms, "
        f"p99 {result['p99']:.0f} ms, slowest {result['slowest']:.0f} ms, {result['statuses']}, "
        f"late {result['late']}{used}",
        flush=True,
    )


def cpu_of(server: Served) -> float:
    """Processor seconds of the server so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(server: Served) -> int:
    """Resident MiB."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def measured(server: Served, secret: str, what: str, **fields: Any) -> dict[str, Any]:
    before = cpu_of(server)
    result = loaded(server, secret, **fields)
    told(what, result, cpu=cpu_of(server) - before)
    return result


def bare_inserts() -> None:
    """The floor of the disk: rows as large as leaves, 5,000 to a synced commit, no index, guard, hash or signature."""
    with tempfile.TemporaryDirectory() as name:
        database = sqlite3.connect(Path(name) / "bare.db", isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE entry (idx INTEGER PRIMARY KEY, body BLOB)")
        row, count, started = b"x" * 330, 0, time.perf_counter()
        while time.perf_counter() - started < SECONDS / 2:
            database.execute("BEGIN")
            database.executemany("INSERT INTO entry VALUES (?, ?)", ((count + i, row) for i in range(5_000)))
            database.execute("COMMIT")
            count += 5_000
        print(f"floor, bare synced inserts of 5,000: {count / (time.perf_counter() - started):,.0f} rows/s", flush=True)
        database.close()


ECHO: Final = """
import socket, sys, uvicorn
async def app(scope, receive, send):
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"15")]})
    await send({"type": "http.response.body", "body": b'{"accepted":0,}'})
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
config = uvicorn.Config(app, loop="uvloop", http="httptools", log_config=None, access_log=False, lifespan="off")
uvicorn.Server(config).run([listening])
"""


def bare_http() -> None:
    """The floor of HTTP: the same load against an app that reads the body and answers."""
    process = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    server = Served(process, "127.0.0.1", int(process.stdout.readline()))
    try:
        for clients, batch in ((64, 500), (256, 1)):
            result = loaded(server, "-", run=f"echo{batch}", clients=clients, batch=batch)
            rate = result["statuses"]["200"] / result["seconds"]
            print(f"floor, ASGI echo of {batch}: {rate:,.0f} requests/s, {rate * batch:,.0f} rows/s", flush=True)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def test_http() -> None:
    """If this fails, the service does not take events under load, or does not recover from too many."""
    print()
    bare_inserts()
    bare_http()
    with workspace() as (home, secret), serving(home, *LIMITS) as server:
        most = measured(server, secret, "64 clients, batches of 500, closed loop", run="a", clients=64, batch=500)
        for rate in (5_000, 10_000):
            what = f"offered {rate:,} events/s in batches of 500"
            measured(server, secret, what, run=f"b{rate}", clients=64, batch=500, rate=rate / 500)
        measured(server, secret, "256 clients, one event a request, closed loop", run="c", clients=256, batch=1)
        capacity = most["accepted"] / most["seconds"]
        memory = memory_of(server)
        over = measured(
            server, secret, f"overload: offered {2 * capacity:,.0f} events/s for {6 * SECONDS:.0f} s",
            run="d", clients=256, batch=500, rate=2 * capacity / 500, seconds=6 * SECONDS,
        )  # fmt: skip
        print(f"memory {memory} MiB before, {memory_of(server)} MiB after", flush=True)
        assert set(over["statuses"]) <= {"200", "429", "503"}
        after = measured(server, secret, "5,000 events/s after it", run="e", clients=64, batch=500, rate=10)
        assert set(after["statuses"]) == {"200"}
        _soak(server, secret)


def _soak(server: Served, secret: str) -> None:
    """Half the offered rate for a while, memory noted on the way."""
    over, sizes = Event(), [memory_of(server)]

    def watch() -> None:
        while not over.wait(max(1.0, SOAK / 10)):
            sizes.append(memory_of(server))

    watching = Thread(target=watch)
    watching.start()
    measured(server, secret, f"soak, {SOAK:.0f} s", run="s", clients=64, batch=500, rate=10, seconds=SOAK)
    over.set()
    watching.join()
    print(f"memory over the soak, MiB: {sizes}", flush=True)


def test_http_on_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the service does not take events under load on PostgreSQL."""
    from tests.postgres import database, server_url

    with database(server_url()) as url:
        monkeypatch.setenv("SETTLE_STORE", url)
        with workspace() as (home, secret), serving(home, *LIMITS) as server:
            what = "PostgreSQL, 64 clients, batches of 500, closed loop"
            measured(server, secret, what, run="a", clients=64, batch=500)
            what = "PostgreSQL, offered 10,000 events/s"
            measured(server, secret, what, run="b", clients=64, batch=500, rate=20)
            what = "PostgreSQL, 256 clients, one event a request"
            measured(server, secret, what, run="c", clients=256, batch=1)


@pytest.mark.parametrize(("batch", "messages"), [(500, 200), (1, 30_000)])
def test_consuming(batch: int, messages: int, tmp_path: Path) -> None:
    """If this fails, `settle consume` does not take what a stream holds."""
    from tests.service.consuming.streams import consuming, events_of, nats_server

    load = Load(host="", port=0, path="", token="", run=f"n{batch}", clients=1, batch=batch, seconds=0)
    with workspace() as (home, _), nats_server(tmp_path / "nats") as server:
        server.make("PLAYS", "acme.*")
        server.send_quickly("acme.0", [body(load, number) for number in range(messages)])
        before, started = len(events_of(home)), time.perf_counter()
        process = consuming(home, f"{server.url}/PLAYS", "--source", "acme", "--drain")
        until(lambda: len(events_of(home)) > before)
        first = time.perf_counter()
        out, err = process.communicate(timeout=600)
        ended = time.perf_counter()
        assert process.returncode == 0, err
        done = json.loads(out)
        assert done["accepted"] == batch * messages
        print(
            f"\nconsuming {messages:,} messages of {batch} from nats-server: {done['accepted'] / (ended - first):,.0f} "
            f"events/s once it has started ({first - started:.1f} s)"
        )
