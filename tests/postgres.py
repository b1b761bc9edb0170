"""A private PostgreSQL server for tests, and an empty database for each of them.

`SETTLE_TEST_POSTGRES` names a server where we may create databases; without it, Debian's binaries
start one in a temporary folder, on a Unix socket only, as an unprivileged user.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

BINARIES = Path("/usr/lib/postgresql/15/bin")
ACCOUNT = "postgres"


@dataclass
class Server:
    """A cluster of our own, which tests may stop, kill and start again."""

    folder: Path

    @property
    def url(self) -> str:
        return f"postgresql://{ACCOUNT}@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c unix_socket_permissions=0777"
        self._run(
            str(BINARIES / "pg_ctl"),
            "-w",
            "-D",
            str(self.folder / "data"),
            "-o",
            options,
            "-l",
            str(self.folder / "log"),
            "start",
        )

    def stop(self, mode: str = "fast") -> None:
        self._run(str(BINARIES / "pg_ctl"), "-w", "-D", str(self.folder / "data"), "-m", mode, "stop")

    def kill(self) -> None:
        """As if the power went."""
        kill_cluster(self.folder / "data")

    def make(self) -> None:
        self._run(str(BINARIES / "initdb"), "-A", "trust", "-U", ACCOUNT, "--no-sync", "-D", str(self.folder / "data"))

    def follow(self, primary: Server) -> None:
        """Become a streaming replica of another cluster."""
        self._run(
            str(BINARIES / "pg_basebackup"),
            "-h",
            str(primary.folder),
            "-U",
            ACCOUNT,
            "-D",
            str(self.folder / "data"),
            "-R",
        )

    def _run(self, *command: str) -> None:
        words = list(command) if os.getuid() else ["runuser", "-u", ACCOUNT, "--", *command]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


def kill_cluster(data: Path) -> None:
    """SIGKILL to a server and to all of its children, which would otherwise finish what they are at; they are gone."""
    first = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    os.kill(first, signal.SIGSTOP)  # so that it has no more children
    children = subprocess.run(["pgrep", "-P", str(first)], capture_output=True, text=True, check=False).stdout.split()
    for pid in (first, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for _ in range(4000):  # until init has buried them: a server takes a number that is still given away for a rival
        if not any(Path(f"/proc/{pid}").exists() for pid in (first, *children)):
            return
        time.sleep(0.005)
    pytest.fail(f"a server in {data} survived SIGKILL")


@contextmanager
def own_server(primary: Server | None = None) -> Iterator[Server]:
    """A fresh cluster or a replica, gone afterwards; skips the test where PostgreSQL is not installed."""
    if not (BINARIES / "initdb").exists():
        pytest.skip(f"needs PostgreSQL's binaries in {BINARIES}")
    with tempfile.TemporaryDirectory(prefix="settle-pg-") as name:
        folder = Path(name)
        if not os.getuid():
            shutil.chown(folder, ACCOUNT, ACCOUNT)
        folder.chmod(0o755)
        server = Server(folder)
        if primary is None:
            server.make()
        else:
            server.follow(primary)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


_running: list[Server] = []


def server_url() -> str:
    """A server to make databases on; one of our own is started once and stopped when the tests end."""
    if named := os.environ.get("SETTLE_TEST_POSTGRES"):
        return named
    if not _running:
        stack = ExitStack()
        _running.append(stack.enter_context(own_server()))
        atexit.register(stack.close)
    return _running[0].url


@contextmanager
def database(server_url: str) -> Iterator[str]:
    """The URL of an empty database."""
    import psycopg

    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
