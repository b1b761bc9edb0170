"""Make the golden release of this version: a workspace with a settled month, and what it hands out.

`make golden` writes `tests/golden/releases/VERSION/`, before a release and never after it: later versions must open
what stands there. Keys are made for it and belong to nobody.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from service.chain import pool, postings
from service.log.ingesting import ingest_file
from service.log.keys import rotate
from service.operating import prove
from service.registry import exporting
from service.settlement import holds
from service.statements import recomputing, statements
from service.statements.writing import rendered
from tests.service.chain.on_chain import PARTIES, published_june, run_of
from tests.service.month import Month
from tests.support import ROOT

RELEASES = ROOT / "tests" / "golden" / "releases"
PERIOD = "2026-06"


def keep(folder: Path) -> None:
    """A workspace with everything in it that a workspace can have, closed; bundles, an export, statements."""
    with tempfile.TemporaryDirectory() as place:
        june = published_june(Path(place))
        _live_through(june, Path(place))
        _hand_out(june, folder)
        head = june.ws.log.head()
        june.ws.close()
        shutil.copytree(june.home, folder / "workspace", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    about = {
        "version": version("settle-engine"),
        "origin": june.ws.log.origin,
        "size": head.size,
        "root": head.root.hex(),
        "at": june.now.isoformat(),
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")


def _live_through(june: Month, folder: Path) -> None:
    """Paid on the chain, a key handed over, a bad row in quarantine, a stream of July, a hold."""
    pool.deploy(june.ws, currency="EUR", token=None, window=0, owner=None, guardian=None)
    pool.fund(june.ws, "EUR", 630_000_000)
    postings.pay_run(june.ws, run_of(june))
    rotate(june.ws, "log")
    rows = folder / "july.ndjson"
    event = {
        "source": "acme",
        "event_id": "july-1",
        "track": "trk-1",
        "occurred_at": "2026-07-01T10:00:00Z",
        "territory": "SE",
        "units": 1,
        "listener": "u-77",
    }
    rows.write_text("".join(json.dumps(event | change) + "\n" for change in ({}, {"event_id": "bad", "units": 1.5})))
    ingest_file(june.ws, rows)
    holds.open_hold(june.ws, scope="party", subject="bob", reason="fraud")


def _hand_out(june: Month, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    bundles = folder / "bundles"
    bundles.mkdir(parents=True)
    (folder / "trust.json").write_bytes((june.home / "trust.json").read_bytes())
    (bundles / "event.bundle").write_bytes(prove(june.ws, event="acme:e-1").bundle)
    (bundles / "entry.bundle").write_bytes(prove(june.ws, index=2).bundle)
    (bundles / "statement.bundle").write_bytes(statements.prove(june.ws, "ann", PERIOD))
    exporting.prove(june.ws, "rec-1", "mdl", "1", bundles / "membership.bundle")
    postings.claim_files(june.ws, run_of(june), folder / "claims")
    for name, claim in enumerate(sorted((folder / "claims").glob("*.bundle"))[:1]):
        shutil.copy(claim, bundles / f"claim-{name}.bundle")
    shutil.rmtree(folder / "claims")
    recomputing.export(june.ws, PERIOD, folder / "period")
    for party in PARTIES:
        (folder / f"{party}.json").write_bytes(rendered(statements.state(june.ws, party, PERIOD), "json"))


if __name__ == "__main__":
    keep(RELEASES / version("settle-engine"))
