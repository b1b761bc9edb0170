"""A registry over a real log in a temporary folder, with keys for each role and a clock that stands still."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.log.opening import open_log
from ledger.proofs.keys import PrivateKey
from ledger.registry.importing import Imported, import_files
from ledger.registry.registry import Registry
from ledger.registry.statement import Signer

ORIGIN = "example.org/registry-test"
START = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)


def seeded(n: int) -> PrivateKey:
    return PrivateKey.from_seed(bytes([n]) * 32)


@dataclass
class Office:
    """A registry, the people who use it, and the time."""

    folder: Path
    registry: Registry
    time: list[datetime] = field(default_factory=lambda: [START])
    imports: int = 0

    operator = Signer(seeded(1), "p-op", "operator")
    approver = Signer(seeded(2), "p-approver", "approver")

    def holder(self, party: str) -> Signer:
        return Signer(seeded(100 + sum(party.encode()) % 100), party, "holder")

    def wait(self, **span: float) -> None:
        self.time[0] += timedelta(**span)

    def load(self, document: dict[str, Any], signer: Signer | None = None, *, dry_run: bool = False) -> Imported:
        self.imports += 1
        path = self.folder / f"registry-{self.imports}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return import_files(self.registry, [path], signer or self.operator, dry_run=dry_run)


MakeOffice = Callable[[str], Office]


@pytest.fixture
def make_office(tmp_path: Path) -> MakeOffice:
    def make(name: str) -> Office:
        folder = tmp_path / name
        folder.mkdir()
        time = [START]
        log = open_log(
            folder / "settle.db",
            origin=ORIGIN,
            signer=seeded(9),
            anchor=folder / "settle.anchor",
            clock=lambda: time[0],
        )
        return Office(folder, Registry(log, entropy=lambda n: b"\x05" * n), time)

    return make


@pytest.fixture
def office(make_office: MakeOffice) -> Office:
    return make_office("office")


def sample() -> dict[str, Any]:
    """A small registry: a singer, a label, a publisher, a model maker; two recordings of one work."""
    confirmed = {"territory": "WORLD", "from": "2020-01-01", "state": "confirmed"}
    return {
        "parties": [
            {"id": "p-ann", "name": "Ann", "kind": "person", "group": "ann", "ipi": "00014107338"},
            {"id": "p-lbl", "name": "Label", "kind": "label"},
            {"id": "p-pub", "name": "Publisher", "kind": "publisher"},
            {"id": "p-lab", "name": "Lab", "kind": "model-operator"},
        ],
        "recordings": [
            {
                "id": "rec-1",
                "title": "Blue",
                "artist": "Ann",
                "isrc": "SEA012600001",
                "work": "wrk-1",
                "audio": "audio/blue.wav",
                "style": "blues",
            },
            {"id": "rec-2", "title": "Blue (live)", "artist": "Ann", "work": "wrk-1"},
        ],
        "works": [{"id": "wrk-1", "title": "Blue", "iswc": "T-034.524.680-1"}],
        "shares": [
            {"subject": "rec-1", "party": "p-ann", "right": "master", "ppm": 600_000, **confirmed},
            {"subject": "rec-1", "party": "p-lbl", "right": "master", "ppm": 400_000, **confirmed},
            {"subject": "rec-2", "party": "p-ann", "right": "master", "ppm": 1_000_000, **confirmed},
            {"subject": "wrk-1", "party": "p-pub", "right": "publishing", "ppm": 1_000_000, **confirmed},
        ],
        "grants": [
            {
                "id": f"g-{n}",
                "grantor": party,
                "subject": subject,
                "uses": ["train", "condition"],
                "decision": "allow",
                "territory": "WORLD",
                "from": "2026-01-01",
            }
            for n, (party, subject) in enumerate([("p-ann", "rec-1"), ("p-lbl", "rec-1"), ("p-ann", "rec-2")], 1)
        ],
        "models": [{"id": "mdl-1", "version": "1", "operator": "p-lab", "training": ["rec-1", "rec-2"]}],
        "tracks": [
            {
                "id": "trk-1",
                "title": "Blue again",
                "model": "mdl-1",
                "version": "1",
                "generated_at": "2026-05-30T10:00:00Z",
                "conditioning": ["rec-1"],
            }
        ],
        "payees": [
            {"party": "p-ann", "method": "bank", "account": "SE45 5000 0000 0583 9825 7466", "from": "2026-01-01"}
        ],
    }
