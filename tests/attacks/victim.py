"""A small operator to attack: the finance how-to's two holders, three June streams, an approver, and the commands."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import service.setup
from service.workspace import Workspace
from tests.cli.support import Answer, settle

JULY = datetime(2026, 7, 2, 9, 0, tzinfo=UTC)
AUGUST = datetime(2026, 8, 3, 9, 0, tzinfo=UTC)
ORIGIN = "example.org/ledger"
ALLOWED = {"uses": ["train", "condition"], "decision": "allow", "territory": "WORLD", "from": "2020-01-01"}
ACCOUNTS = {"p-ann": ("bank", "SE4550000000058398257466"), "p-bob": ("bank", "DE89370400440532013000")}
WALLETS = {
    "p-ann": ("chain", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
    "p-bob": ("chain", "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
}


@contextmanager
def clock(now: datetime) -> Iterator[None]:
    """Commands believe that it is this time; only the clock is replaced."""
    openers = [vars(Workspace)[name].__func__ for name in ("find", "open")] + [service.setup.create]
    before = [opener.__kwdefaults__ for opener in openers]
    for opener, defaults in zip(openers, before, strict=True):
        opener.__kwdefaults__ = {**defaults, "clock": lambda: now}
    try:
        yield
    finally:
        for opener, defaults in zip(openers, before, strict=True):
            opener.__kwdefaults__ = defaults


@dataclass
class Victim:
    """A workspace, the time in it, and what its operator and the attacker do there."""

    home: Path
    now: datetime = JULY

    def copy(self, folder: Path) -> Victim:
        """The same workspace elsewhere, for one test to spoil."""
        shutil.copytree(self.home.parent, folder)
        return Victim(folder / self.home.name, self.now)

    def open(self) -> Workspace:
        return Workspace.open(self.home, clock=lambda: self.now)

    def settle(self, *words: str | Path) -> Answer:
        """One command, however it ends."""
        with clock(self.now):
            return settle("--json", *words, home=self.home)

    def plain(self, *words: str | Path) -> str:
        """What one command shows to a person, however it ends."""
        with clock(self.now):
            answer = settle(*words, home=self.home)
        return answer.out + answer.err

    def do(self, *words: str | Path) -> Any:
        """One honest command that must succeed; its document."""
        answer = self.settle(*words)
        if answer.code != 0:  # no AssertionError: an expected failure must be the attack's, not the preparation's
            command = " ".join(map(str, words))
            raise RuntimeError(f"settle {command}: exit {answer.code}\n{answer.out}{answer.err}")
        return answer.json

    def write(self, name: str, *documents: Any) -> Path:
        """A file of JSON documents, one a line."""
        path = self.home.parent / name
        path.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
        return path

    def agree(self, *words: str | Path) -> None:
        """Propose something, and have Carol approve it."""
        self.do("approve", self.do(*words)["id"], "--as", "carol")

    def propose(self, *words: str | Path) -> Answer:
        """Propose something as an attacker would, and have Carol approve it if it can be proposed at all."""
        proposed = self.settle(*words)
        return self.settle("approve", proposed.json["id"], "--as", "carol") if proposed.code == 0 else proposed

    def calculate(self, month: str = "2026-06", pool: str = "1000.00") -> Any:
        self.do("period", "close", month)
        return self.do("run", "--period", month, "--pool", pool, "--currency", "EUR", "--engine", "log")

    def publish(self, month: str = "2026-06", pool: str = "1000.00") -> str:
        run = str(self.calculate(month, pool)["run"])
        self.do("approve", run, "--as", "carol")
        self.do("publish", run)
        return run

    def stream(self, name: str, *, units: int = 1, month: str = "2026-06", track: str = "trk-1", **more: Any) -> Answer:
        row = {
            "source": "acme",
            "event_id": name,
            "track": track,
            "occurred_at": f"{month}-13T11:05:00Z",
            "territory": "SE",
            "units": units,
        }
        return self.settle("ingest", self.write("more.ndjson", row | more))

    def july(self) -> None:
        """One July stream, published and paid: Ann earns 60.00, Bob 20.00."""
        self.now = AUGUST
        assert self.stream("july", month="2026-07").code == 0
        self.publish("2026-07", "100.00")

    def verify(self, *bundles: Path) -> Answer:
        return self.settle("verify", *bundles, "--trust", self.home / "trust.json")

    def recompute(self) -> Answer:
        folder = self.home.parent / "exported"
        exported = self.settle("period", "export", "2026-06", "--out", folder)
        if exported.code:
            return exported
        return self.settle("period", "recompute", folder, "--trust", self.home / "trust.json")

    def bundle(self, party: str) -> Path:
        path = self.home.parent / f"{party}.bundle"
        self.do("statement", party, "--period", "2026-06", "--format", "bundle", "--out", path)
        return path

    def document(self, path: Path) -> Any:
        """What a bundle says."""
        return json.loads(path.read_bytes())

    def run_bundle(self) -> Path:
        folder = self.home.parent / "bundles"
        self.do("period", "export", "2026-06", "--out", folder)
        return next(folder.glob("*.bundle"))

    def sent(self, party: str) -> Decimal:
        """What every payment file together tells the bank to send to a party."""
        total = Decimal(0)
        for path in (self.home / "payments").glob("*.csv"):
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file))
            place = {name: n for n, name in enumerate(rows[0])}
            total += sum(Decimal(row[place["amount"]]) for row in rows[1:] if party in row)
        return total


def registry(accounts: dict[str, tuple[str, str]] = ACCOUNTS) -> dict[str, Any]:
    """Ann owns rec-1 and Bob rec-2; both allow training and conditioning."""
    owners = (("p-ann", "rec-1"), ("p-bob", "rec-2"))
    return {
        "parties": [{"id": party, "name": party[2:].title(), "kind": "person"} for party, _ in owners],
        "recordings": [{"id": "rec-1", "title": "Blue"}, {"id": "rec-2", "title": "Red"}],
        "shares": [
            {
                "subject": recording,
                "party": party,
                "right": "master",
                "ppm": 1_000_000,
                "territory": "WORLD",
                "from": "2020-01-01",
                "state": "confirmed",
            }
            for party, recording in owners
        ],
        "grants": [
            {"id": f"g-{recording}", "grantor": party, "subject": recording, **ALLOWED} for party, recording in owners
        ],
        "models": [{"id": "mdl-1", "version": "1", "operator": "p-ann", "training": ["rec-1", "rec-2"]}],
        "tracks": [
            {
                "id": "trk-1",
                "title": "Blue again",
                "model": "mdl-1",
                "version": "1",
                "generated_at": "2026-05-30T10:00:00Z",
            }
        ],
        "payees": [
            {"party": party, "method": method, "account": account, "from": "2020-01-01"}
            for party, (method, account) in accounts.items()
        ],
    }


def declared(track: str = "trk-1", **shares: int) -> dict[str, Any]:
    """A declared vector: `rec_1=600_000` says 60 % of recording rec-1."""
    rows = [{"recording": name.replace("_", "-"), "ppm": ppm, "use": "condition"} for name, ppm in shares.items()]
    return {"track": track, "sources": rows}


def prepared(folder: Path, accounts: dict[str, tuple[str, str]] = ACCOUNTS) -> Victim:
    """The workspace up to the end of June: registered, attributed 60 % and 20 %, three streams, Carol enrolled."""
    victim = Victim(folder / "home")
    victim.home.mkdir(parents=True)
    victim.do("init", "--no-passphrase", "--origin", ORIGIN)
    victim.do("registry", "import", victim.write("registry.json", registry(accounts)))
    victim.do("attribute", "--declared", victim.write("declared.json", declared(rec_1=600_000, rec_2=200_000)))
    for name in ("e-1", "e-2", "e-3"):
        assert victim.stream(name).code == 0
    victim.do("approver", "add", "carol")
    return victim


def allocated(run: Any) -> dict[str, int]:
    """What a run allocates to each party, in micro-units."""
    return {line["holder"]: line["micros"] for line in run["lines"]}
