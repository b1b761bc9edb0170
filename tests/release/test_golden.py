"""What earlier releases left behind is opened by this one: workspaces, bundles, exported periods, statements."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.proofs.trust import parse
from service import operating
from service.bundles import verify_bundle
from service.chain import postings
from service.log.ingesting import ingest_file
from service.registry import people
from service.settlement import life, paying
from service.settlement.step import read_book
from service.statements import recomputing, statements
from service.statements.writing import rendered
from service.workspace import Workspace
from tests.release.keep import PERIOD, RELEASES
from tests.service.chain.on_chain import PARTIES

KEPT = sorted(path for path in RELEASES.iterdir() if path.is_dir())


@pytest.fixture(params=KEPT, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def about(release: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "about.json").read_text())
    return found


@pytest.fixture
def ws(release: Path, about: dict[str, Any], tmp_path: Path) -> Workspace:
    """A copy of the kept workspace, opened two months later."""
    shutil.copytree(release / "workspace", tmp_path / "home")
    for key in (tmp_path / "home" / "keys").iterdir():
        key.chmod(0o600)  # git keeps no more of a file's mode than whether it runs
    later = datetime.fromisoformat(about["at"]) + timedelta(days=62)
    return Workspace.open(tmp_path / "home", clock=lambda: later)


def test_its_bundles_still_verify(release: Path) -> None:
    """If this fails, proofs that people hold became worthless with an update."""
    trust = parse((release / "trust.json").read_bytes())
    bundles = sorted([*(release / "bundles").glob("*.bundle"), *(release / "period").glob("*.bundle")])
    kinds = set()
    for path in bundles:
        report = verify_bundle(path.read_bytes(), trust)
        assert report.ok, (path.name, report.steps[-1])
        kinds.add(report.kind)
    assert kinds >= {"event", "entry", "statement", "run", "membership", "claim"}


def test_its_exported_period_is_computed_again(release: Path) -> None:
    """If this fails, an auditor with this version comes to other bytes than the version that published."""
    trust = parse((release / "trust.json").read_bytes())
    again = recomputing.recompute(release / "period", trust)
    assert again.ok
    assert len(again.runs) == 1


def test_its_workspace_opens_as_it_was_left(ws: Workspace, release: Path, about: dict[str, Any]) -> None:
    """If this fails, an update loses or rewrites what a workspace holds, or tells holders other figures."""
    head = ws.log.head()
    assert (ws.log.origin, head.size, head.root.hex()) == (about["origin"], about["size"], about["root"])
    assert operating.fsck(ws).ok
    assert not read_book(ws).voids
    for party in PARTIES:
        told = json.loads(rendered(statements.state(ws, party, PERIOD), "json"))
        assert _said_again(json.loads((release / f"{party}.json").read_bytes()), told), party
    assert postings.check(ws, "EUR").ok


@pytest.mark.slow
def test_its_workspace_goes_on(ws: Workspace, tmp_path: Path) -> None:
    """If this fails, an updated operator cannot append to the log or settle the next month."""
    adopted = people.adopt_payees(ws)
    assert adopted.id is not None
    life.approve(ws, adopted.id, "approver")
    rows = tmp_path / "more.ndjson"
    event = {
        "source": "acme",
        "event_id": "july-2",
        "track": "trk-2",
        "occurred_at": "2026-07-02T10:00:00Z",
        "territory": "SE",
        "units": 3,
        "listener": "u-77",
    }
    again = event | {"event_id": "july-1", "track": "trk-1", "occurred_at": "2026-07-01T10:00:00Z", "units": 1}
    rows.write_text("".join(json.dumps(row) + "\n" for row in (event, again)))
    taken = ingest_file(ws, rows)
    assert (taken.accepted, taken.duplicates) == (1, 1)
    life.close(ws, "2026-07")
    wanted = life.request(period="2026-07", pool="400.00", currency="EUR", rule="pro-rata", params={}, engine="duckdb")
    run = life.run(ws, wanted)
    assert run.units == 4
    life.approve(ws, run.run, "approver")
    life.publish(ws, run.run)
    assert paying.due(ws, run.run, "chain") == [], "no account is paid before it has cooled off"
    then = ws.clock()
    ws.close()
    ws = Workspace.open(tmp_path / "home", clock=lambda: then + timedelta(days=4))
    assert [payment["party"] for payment in paying.due(ws, run.run, "chain")] == ["ann", "cy", "dee"]
    assert verify_bundle(statements.prove(ws, "ann", "2026-07"), ws.trust).ok


def _said_again(then: Any, now: Any) -> bool:
    """Whether everything that was said stands in what is said now; newer versions may say more."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(name in now and _said_again(then[name], now[name]) for name in then)
    if isinstance(then, list):
        return isinstance(now, list) and len(then) == len(now) and all(map(_said_again, then, now))
    return bool(then == now)
