"""Hosts for tests: network namespaces on one bridge, each with a PostgreSQL server that only they can reach.

Names and addresses are the namespaces' own, so that nothing outside is touched or met. Needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.postgres import ACCOUNT, BINARIES, kill_cluster

NETWORK = "10.99.0"
"""Inside the namespaces only: no route leads there from anywhere else."""


@dataclass
class Host:
    """A namespace with one network card, `eth0`, and room for a PostgreSQL cluster."""

    name: str
    address: str
    folder: Path

    def run(
        self, *command: str, check: bool = True, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command on this host; what it printed."""
        words = ["ip", "netns", "exec", self.name, *command]
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def settle(self, home: Path, store: str, anchor: str, *words: str) -> subprocess.CompletedProcess[str]:
        """A `settle` command on this host, with the database and the anchor where they are said to be."""
        program = str(Path(sys.executable).with_name("settle"))
        env = {"SETTLE_STORE": store, "SETTLE_ANCHOR": anchor}
        return self.run(program, "--home", str(home), *words, check=False, env=env)

    def cut(self) -> None:
        """Pull the cable."""
        self.run("ip", "link", "set", "eth0", "down")

    def mend(self) -> None:
        self.run("ip", "link", "set", "eth0", "up")

    def lose(self, other: Host) -> None:
        """No way from here to there, and to everybody else as before."""
        self.run("ip", "route", "add", "unreachable", f"{other.address}/32")

    def find(self, other: Host) -> None:
        self.run("ip", "route", "del", "unreachable", f"{other.address}/32")

    # --- its PostgreSQL ---------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"postgresql://{ACCOUNT}@{self.address}/postgres"

    def make_server(self, follows: Host | None = None) -> None:
        """A cluster of its own, or a streaming replica of another host's."""
        data = str(self.folder / "data")
        if follows is None:
            self._postgres("initdb", "-A", "trust", "-U", ACCOUNT, "--no-sync", "-D", data)
            with (self.folder / "data/pg_hba.conf").open("a") as rules:
                rules.write(f"host all,replication all {NETWORK}.0/24 trust\n")
        else:
            self._postgres("pg_basebackup", "-h", follows.address, "-U", ACCOUNT, "-D", data, "-R", "-c", "fast")
        self.start_server()

    def start_server(self) -> None:
        options = f"-k {self.folder} -c listen_addresses={self.address} -c wal_receiver_timeout=5s"
        self._postgres(
            "pg_ctl", "-w", "-D", str(self.folder / "data"), "-o", options, "-l", str(self.folder / "log"), "start"
        )

    def kill_server(self) -> None:
        """As if the power went."""
        kill_cluster(self.folder / "data")

    def ask(self, statement: str) -> str:
        """The first value of a query on this host's server."""
        return self._postgres("psql", "-h", str(self.folder), "-U", ACCOUNT, "-Atc", statement).stdout.strip()

    def _postgres(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        # pg_ctl's child keeps what it inherits open: it gets no pipe that we would wait for
        command = ["runuser", "-u", ACCOUNT, "--", str(BINARIES / program), *words]
        if program != "pg_ctl":
            return self.run(*command)
        subprocess.run(["ip", "netns", "exec", self.name, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")
        return subprocess.CompletedProcess(command, 0, "", "")


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """Hosts that reach each other and nobody else; gone afterwards with all that ran on them."""
    if os.getuid() or shutil.which("ip") is None or not (BINARIES / "initdb").exists():
        pytest.skip(f"needs root, ip from iproute2, and PostgreSQL's binaries in {BINARIES}")
    tag = uuid.uuid4().hex[:6]
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="settle-hosts-") as made:
        Path(made).chmod(0o755)
        switch = f"settle-{tag}"
        stack.enter_context(_namespace(switch))
        _ip("-n", switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", switch, "link", "set", "br0", "up")
        found = []
        for number in range(1, count + 1):
            name = f"{switch}-{number}"
            stack.enter_context(_namespace(name))
            _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{number}", "netns", switch)
            _ip("-n", switch, "link", "set", f"port{number}", "master", "br0", "up")
            _ip("-n", name, "addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
            for card in ("lo", "eth0"):
                _ip("-n", name, "link", "set", card, "up")
            folder = Path(made) / str(number)
            folder.mkdir()
            shutil.chown(folder, ACCOUNT, ACCOUNT)
            found.append(Host(name, f"{NETWORK}.{number}", folder))
        yield found


@contextmanager
def _namespace(name: str) -> Iterator[None]:
    _ip("netns", "add", name)
    try:
        yield
    finally:
        running = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
        if pids := running.stdout.split():
            subprocess.run(["kill", "-9", *pids], check=False)
        _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
