"""F1, H2, V11: what hostile files and connections cost."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledger.proofs import bundle
from service.bundles import verify_bundle
from service.witness.server import Witness, WitnessServer
from tests.attacks.victim import Victim
from tests.ledger.logs import TickingClock
from tests.ledger.world import World

ROWS = 5_000
MEMORY = 3 << 30


@pytest.mark.parametrize("packed", ["dictionary", "plain"])
def test_f1_a_small_table_that_unpacks_to_gigabytes_is_refused(victim: Victim, packed: str) -> None:
    """If this fails, a file of some kilobytes takes the memory of the machine that reads it."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"source": "acme", "track": "trk-1", "occurred_at": "2026-06-03T11:05:00Z", "territory": "SE"}
    big = "A" * 2_000_000
    path = victim.home.parent / "bomb.parquet"

    def repeated(value: str, rows: int) -> object:
        return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))

    rows = ROWS if packed == "dictionary" else 200
    values = {name: repeated(value, rows) for name, value in columns.items()}
    values |= {"event_id": pa.array([str(n) for n in range(rows)]), "units": pa.array([1] * rows)}
    values["product"] = repeated(big, rows) if packed == "dictionary" else pa.array([big] * rows)
    pq.write_table(pa.table(values), path, compression="zstd", use_dictionary=packed == "dictionary")
    assert path.stat().st_size < 1 << 20

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    command = [sys.executable, "-c", "import sys; from cli.main import main; main(sys.argv[1:])", "--json"]
    done = subprocess.run(
        [*command, "--home", str(victim.home), "ingest", str(path)],
        capture_output=True,
        check=False,
        preexec_fn=limited,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 2, done.stderr.decode()[-500:]
    assert "bytes" in json.loads(done.stdout)["error"]["message"]


CONNECTIONS, SECONDS = 8, 0.5


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A witness that serves eight connections, each for half a second a request."""
    witness = Witness.create(tmp_path / "w", "witness.example/w1", None, TickingClock())
    with WitnessServer(
        witness,
        "127.0.0.1",
        0,
        lambda message: None,  # noqa: ARG005  nobody listens
        connections=CONNECTIONS,
        deadline=SECONDS,
    ) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def answered(port: int) -> bool:
    """Whether an honest client gets an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/x")
        return connection.getresponse().status == 404
    except OSError:
        return False
    finally:
        connection.close()


def test_h2_connections_that_drip_are_given_up(port: int) -> None:
    """If this fails, a hundred connections that send a byte now and then stop a witness for as long as they like."""
    before = threading.active_count()
    with ExitStack() as stack:
        dripping = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(5 * CONNECTIONS)]
        for one in dripping:
            drip(one, b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
        assert threading.active_count() <= before + CONNECTIONS
        until = time.monotonic() + 20
        while not answered(port):
            assert time.monotonic() < until, "no honest client gets through"
            for one in dripping:
                drip(one, b"x")
        assert threading.active_count() <= before + CONNECTIONS


def drip(connection: socket.socket, data: bytes) -> None:
    """Send a little more, if the other side still takes it."""
    try:
        connection.sendall(data)
    except OSError:
        return


def filled(unit: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    """As large as a bundle may be."""
    return head + unit * ((bundle.SIZE_MAX - len(head) - len(tail)) // len(unit)) + tail


HOSTILE: dict[str, Callable[[], bytes]] = {
    "open brackets": lambda: filled(b"["),
    "empty lists": lambda: filled(b"[],", b'{"a":[', b"[]]}"),
    "nested lists": lambda: filled(b"[" * 20 + b"]" * 20 + b",", b'{"a":[', b"[]]}"),
    "integers": lambda: filled(b"0,", b'{"a":[', b"0]}"),
    "objects": lambda: filled(b'{"a":0},', b'{"a":[', b"0]}"),
    "keys": lambda: filled(b'"a":0,', b"{", b'"b":0}'),
    "quotes": lambda: filled(b'"'),
    "texts": lambda: filled(b'"",', b'{"a":[', b'""]}'),
    "digits": lambda: filled(b"9", b'{"a":', b"}"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_v11_the_largest_hostile_bundle_is_refused_in_seconds(name: str) -> None:
    """If this fails, one file keeps whoever verifies it busy, or takes their memory."""
    data = HOSTILE[name]()
    began = time.process_time()
    report = verify_bundle(data, World().trust())
    assert not report.ok
    assert time.process_time() - began < 10
