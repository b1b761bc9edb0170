"""Two hosts, one log: a failover to a replica that lags must not sign a fork."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.proofs import note
from tests.cli.support import settle_json
from tests.faults.hosts import Host, hosts

pytestmark = pytest.mark.system


@dataclass
class Writer:
    """A host's workspace: its own database, and the one anchor of all."""

    host: Host
    home: Path
    anchor: str

    def settle(self, *words: str, code: int = 0) -> str:
        done = self.host.settle(self.home, self.host.url, self.anchor, *words)
        assert done.returncode == code, f"settle {words} left with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def register(self, party: str, code: int = 0) -> str:
        """Something to append."""
        path = self.home / f"{party}.json"
        path.write_text(json.dumps({"parties": [{"id": party, "name": party, "kind": "person"}]}))
        return self.settle("registry", "import", str(path), code=code)

    def checkpoints(self) -> dict[int, bytes]:
        """The text of every checkpoint that its database holds, by size."""
        rows = self.host.ask("SELECT size || ' ' || encode(note, 'hex') FROM checkpoint").splitlines()
        return {int(size): note.parse(bytes.fromhex(signed)).text.encode() for size, signed in map(str.split, rows)}


def wait_until(true: Callable[[], bool]) -> None:
    """Poll what another process does."""
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it never came true")


def test_failover_to_a_lagging_replica(tmp_path: Path) -> None:
    """If this fails, a promoted replica signs another history under the log's name."""
    with hosts(3) as (one, two, third):
        third.make_server()
        one.make_server()
        settle_json("init", "--no-passphrase", "--origin", "example.org/ledger", home=tmp_path / "made")
        for name in ("settle.db", "settle.anchor", "settle.db-wal", "settle.db-shm"):
            (tmp_path / "made" / name).unlink(missing_ok=True)
        for home in ("one", "two"):
            shutil.copytree(tmp_path / "made", tmp_path / home)
        primary = Writer(one, tmp_path / "one", third.url)
        standby = Writer(two, tmp_path / "two", third.url)

        primary.register("p-before")
        two.make_server(follows=one)
        there = one.ask("SELECT max(size) FROM checkpoint")
        wait_until(lambda: two.ask("SELECT max(size) FROM checkpoint") == there)
        two.cut()  # from here on the replica lags
        primary.register("p-while-it-lagged")
        acknowledged = json.loads(primary.settle("--json", "ledger", "export", str(tmp_path / "export")))["size"]
        one.lose(third)  # no anchor, no acknowledgement
        assert "nothing was acknowledged" in primary.settle("ledger", "seal", code=6)
        one.find(third)

        one.kill_server()
        one.cut()
        two.mend()
        two.ask("SELECT pg_promote()")
        assert "rolled back" in standby.register("p-fork", code=3)
        assert two.ask("SELECT max(size) FROM checkpoint") == there, "nothing was signed"

        recovered = json.loads(standby.settle("--json", "ledger", "recover", "--from", str(tmp_path / "export")))
        assert recovered["size"] == acknowledged
        standby.register("p-after")
        standby.settle("ledger", "fsck")

        one.mend()  # the old primary is back, and behind
        one.start_server()
        assert "rolled back" in primary.settle("ledger", "seal", code=3)
        first, second = primary.checkpoints(), standby.checkpoints()
        assert len(first) >= 3
        assert all(second[size] == text for size, text in first.items() if size <= acknowledged)
