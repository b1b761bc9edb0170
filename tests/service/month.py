"""A small month for settlement tests: two holders, a label with two parties, three tracks, some streams.

June stands in the log; `published` brings it as far as statements, `july` adds a second one like it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.proofs import leaf, vector
from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from service.settlement import life
from service.settlement.runs import RunRequest
from service.setup import create
from service.workspace import Workspace

NOW = datetime(2026, 7, 2, 9, 0, tzinfo=UTC)
EARLY = datetime(2026, 1, 5, tzinfo=UTC)
JULY_OVER = datetime(2026, 8, 3, 9, 0, tzinfo=UTC)
POOL: dict[str, Any] = {
    "period": "2026-06",
    "pool": "1000.00",
    "currency": "EUR",
    "rule": "pro-rata",
    "params": {},
    "engine": "log",
}
ALLOW = {"uses": ["train", "condition", "style"], "decision": "allow", "territory": "WORLD", "from": "2020-01-01"}


def document(*, payees: bool = True) -> dict[str, Any]:
    """The registry: ann and bob own a recording each, cy and dee of one label share a third."""
    owned = {
        "rec-1": (("ann", 1_000_000),),
        "rec-2": (("bob", 1_000_000),),
        "rec-3": (("cy", 600_000), ("dee", 400_000)),
    }
    parties = [{"id": name, "name": name.title(), "kind": "person"} for name in ("ann", "bob")]
    parties += [{"id": name, "name": name.title(), "kind": "person", "group": "label"} for name in ("cy", "dee")]
    shares, grants = [], []
    for recording, owners in owned.items():
        for party, ppm in owners:
            shares.append(
                {
                    "subject": recording,
                    "party": party,
                    "right": "master",
                    "ppm": ppm,
                    "territory": "WORLD",
                    "from": "2020-01-01",
                    "state": "confirmed",
                }
            )
            grants.append({"id": f"g-{recording}-{party}", "grantor": party, "subject": recording, **ALLOW})
    return {
        "parties": parties,
        "recordings": [{"id": name, "title": name} for name in (*owned, "rec-4")],
        "shares": shares,
        "grants": grants,
        "tracks": [{"id": f"trk-{n}", "title": f"Track {n}", "model": "mdl", "version": "1"} for n in (1, 2, 3)],
        "models": [{"id": "mdl", "version": "1", "operator": "ann", "training": list(owned)}],
        "payees": [
            {"party": party["id"], "method": "bank", "account": f"ACC-{party['id']}", "from": "2020-01-01"}
            for party in (parties if payees else [])
        ],
    }


DECLARED: tuple[dict[str, Any], ...] = (
    {"track": "trk-1", "sources": [{"recording": "rec-1", "ppm": 600_000}, {"recording": "rec-2", "ppm": 200_000}]},
    {"track": "trk-2", "sources": [{"recording": "rec-3", "ppm": 500_000}, {"recording": "rec-4", "ppm": 100_000}]},
)


def event(
    n: int, track: str, *, at: str = "2026-06-03T11:05:00Z", digest: str | None, units: int = 1, territory: str = "SE"
) -> dict[str, Any]:
    return leaf.event(
        source="acme",
        event_id=f"e-{n}",
        track=track,
        occurred_at=at,
        territory=territory,
        units=units,
        vector=digest,
        gross_micros=4200,
        currency="EUR",
    )


@dataclass
class Month:
    """A workspace with a month in it, and the means to add to it."""

    home: Path
    now: datetime = NOW
    events: int = 0

    def __post_init__(self) -> None:
        self.digests: dict[str, str] = {}
        self.ws = self.reopened()

    def reopened(self) -> Workspace:
        """The workspace as another process would see it."""
        return Workspace.open(self.home, clock=lambda: self.now)

    def assign(self, declared: dict[str, Any]) -> None:
        key = self.ws.signer("attribution")
        envelope = vector.sign(vector.from_declared(declared), key)
        track = declared["track"]
        self.digests[track] = envelope.digest
        self.ws.log.append(
            [
                leaf.vector(self.now, track=track, statement=envelope.digest, method="declared"),
                leaf.assign(self.now, track=track, vector=envelope.digest, signer=key),
            ],
            blobs=[envelope.encode()],
        )

    def stream(
        self, tracks: Sequence[str], *, at: str = "2026-06-03T11:05:00Z", units: int = 1, territory: str = "SE"
    ) -> None:
        """One event of each of these tracks."""
        leaves = []
        for track in tracks:
            self.events += 1
            digest = self.digests.get(track)
            leaves.append(event(self.events, track, at=at, digest=digest, units=units, territory=territory))
        self.ws.log.append(leaves)


def month(home: Path, *, payees: bool = True) -> Month:
    """June 2026: 6 units of trk-1, 3 of trk-2, 1 of trk-3, which has no vector."""
    create(home, origin="example.org/test", operator="operator", passphrase=None, clock=lambda: EARLY)
    made = Month(home)
    path = home.parent / "registry.json"
    path.write_text(json.dumps(document(payees=payees)))
    made.now = EARLY
    done = import_files(made.ws.registry, [path], Signer(made.ws.signer("operator"), "operator", "operator"))
    assert done.accepted == done.read, done.refused
    made.now = NOW
    for declared in DECLARED:
        made.assign(declared)
    made.stream(["trk-1"] * 6 + ["trk-2"] * 3 + ["trk-3"])
    return made


def asked(**changed: Any) -> RunRequest:
    """June's plain pool, or with these terms changed."""
    return life.request(**(POOL | changed))


def published(june: Month) -> str:
    """June closed, run, approved and published; the run's id."""
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked()).run
    life.approve(june.ws, run, "approver")
    life.publish(june.ws, run)
    return run


def july(june: Month) -> str:
    """July with the same streams, published; the run's id."""
    june.now = JULY_OVER
    june.stream(["trk-1"] * 6 + ["trk-2"] * 3 + ["trk-3"], at="2026-07-09T10:00:00Z")
    life.close(june.ws, "2026-07")
    run = life.run(june.ws, asked(period="2026-07")).run
    life.approve(june.ws, run, "approver")
    life.publish(june.ws, run)
    return run
