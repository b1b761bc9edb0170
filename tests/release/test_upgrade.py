"""`settle db upgrade` on what release 0.1 left behind: the line is drawn, its programs are shut out, work goes on."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ledger.log.anchor import AnchorLock
from ledger.log.store.schema import RELEASE_0_1
from ledger.log.store.sqlite import SqliteStore
from ledger.proofs.trust import parse
from service import operating
from service.bundles import verify_bundle
from service.log import upgrading
from service.log.ingesting import ingest_file
from service.settlement import life
from service.settlement.step import read_book
from service.setup import create
from service.statements import recomputing, statements
from service.status import status
from service.workspace import Workspace
from tests.cli.support import settle, settle_json
from tests.release.keep import RELEASES
from tests.release.test_cases import CASES, LATER, NAMES, opened

RELEASE = RELEASES / "0.1.0"
EVENT = {"source": "else", "occurred_at": "2026-08-02T10:00:00Z", "territory": "SE", "units": 3}


def reopened(folder: Path, name: str = "home") -> Workspace:
    return Workspace.open(folder / name, clock=lambda: LATER)


def schema(ws: Workspace) -> int:
    """What a program of release 0.1 looks at before it opens a database: it takes version 1 alone."""
    database = sqlite3.connect(ws.home / "settle.db")
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    database.close()
    return version


def test_a_new_workspace_is_shut_to_0_1(tmp_path: Path) -> None:
    """If this fails, a program of release 0.1 appends leaves of the old form to a new log."""
    create(tmp_path / "home", origin="example.org/new", operator="op", passphrase=None, clock=lambda: LATER)
    ws = reopened(tmp_path)
    assert schema(ws) > RELEASE_0_1
    assert not upgrading.is_due(ws)
    assert upgrading.upgrade(ws).changes == []
    ws.close()


@pytest.mark.parametrize("case", [RELEASE, *(CASES / name for name in NAMES)], ids=lambda case: case.name)
def test_a_workspace_is_upgraded_and_stays_whole(case: Path, tmp_path: Path) -> None:
    """If this fails, the upgrade makes an honest log look damaged, voids an act, or lets release 0.1 go on writing."""
    ws = opened(case, tmp_path)
    before, acts = ws.log.head(), len(read_book(ws).runs)
    assert schema(ws) == RELEASE_0_1
    assert any("settle db upgrade" in line for line in status(ws).waiting)
    done = upgrading.upgrade(ws)
    assert (done.line, done.size) == (before.size, before.size + 1)
    assert schema(ws) > RELEASE_0_1
    assert ws.trust.logs[0].form == done.line
    ws.close()
    ws = reopened(tmp_path)
    assert operating.fsck(ws).ok
    assert (len(read_book(ws).runs), read_book(ws).voids) == (acts, [])
    assert not any("settle db upgrade" in line for line in status(ws).waiting)
    again = upgrading.upgrade(ws)
    assert (again.line, again.size, again.changes, again.backup) == (done.line, done.size, [], None)
    ws.close()


def test_a_log_and_the_one_it_registered_are_upgraded_apart(tmp_path: Path) -> None:
    """If this fails, an operator of several logs cannot upgrade one without the other."""
    home = opened(CASES / "logs", tmp_path)
    second = reopened(tmp_path, "second")
    for ws in (second, home):
        assert upgrading.upgrade(ws).changes
        second.close()
        home.close()
        home, second = reopened(tmp_path), reopened(tmp_path, "second")
        assert operating.fsck(home).ok
        assert not read_book(home).voids
    rows = tmp_path / "more.ndjson"
    rows.write_text(json.dumps(EVENT | {"source": "beta", "event_id": "b-9", "track": "trk-1"}) + "\n")
    assert ingest_file(second, rows).accepted == 1
    second.close()
    life.close(home, "2026-08")
    assert not read_book(home).voids
    home.close()


def test_what_was_there_is_kept(tmp_path: Path) -> None:
    """If this fails, an operator whose upgrade goes wrong has nothing to go back to."""
    ws = opened(RELEASE, tmp_path)
    head, trust = ws.log.head(), (ws.home / "trust.json").read_bytes()
    done = upgrading.upgrade(ws)
    ws.close()
    assert done.backup is not None
    for name in ("settle.db", "settle.anchor", "trust.json"):
        shutil.copy(Path(done.backup) / name, ws.home / name)
    for rest in ("settle.db-wal", "settle.db-shm"):
        (ws.home / rest).unlink(missing_ok=True)
    ws = reopened(tmp_path)
    assert (ws.log.head(), schema(ws), (ws.home / "trust.json").read_bytes()) == (head, RELEASE_0_1, trust)
    assert operating.fsck(ws).ok
    ws.close()


def test_a_crash_in_the_transaction_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a crash leaves a line that release 0.1 writes behind, or a database without a line."""
    ws = opened(RELEASE, tmp_path)
    head, raise_version = ws.log.head(), SqliteStore.shut_to_0_1

    def crash(store: SqliteStore, connection: Any) -> None:
        raise_version(store, connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(SqliteStore, "shut_to_0_1", crash)
        with pytest.raises(KeyboardInterrupt):
            upgrading.upgrade(ws)
    ws.close()
    ws = reopened(tmp_path)
    assert (ws.log.head(), schema(ws)) == (head, RELEASE_0_1)
    assert upgrading.upgrade(ws).line == head.size
    ws.close()


def test_a_crash_after_the_transaction_is_finished_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a crash leaves a trust.json that names no line, and the upgrade says there is nothing to do."""
    ws = opened(RELEASE, tmp_path)
    head = ws.log.head()

    def crash(_lock: AnchorLock, _signed: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(AnchorLock, "advance", crash)
        with pytest.raises(KeyboardInterrupt):
            upgrading.upgrade(ws)
    ws.close()
    ws = reopened(tmp_path)
    assert (ws.log.head().size, schema(ws) > RELEASE_0_1) == (head.size + 1, True)
    assert ws.trust.logs[0].form is None
    done = upgrading.upgrade(ws)
    assert (done.line, done.size, done.backup, len(done.changes)) == (head.size, head.size + 1, None, 1)
    assert ws.trust.logs[0].form == head.size
    ws.close()


@pytest.mark.slow
def test_a_month_is_settled_after_the_upgrade(tmp_path: Path) -> None:
    """If this fails, an upgraded operator cannot settle the next month, or a proof from either side is refused."""
    case = CASES / "money"
    old = parse((case / "trust.json").read_bytes())
    ws = opened(case, tmp_path)
    upgrading.upgrade(ws)
    rows = tmp_path / "more.ndjson"
    rows.write_text("".join(json.dumps(EVENT | {"event_id": f"a-{n}", "track": "trk-1"}) + "\n" for n in range(2)))
    assert ingest_file(ws, rows).accepted == 2
    life.close(ws, "2026-08")
    wanted = life.request(period="2026-08", pool="400.00", currency="EUR", rule="pro-rata", params={}, engine="log")
    run = life.run(ws, wanted)
    life.approve(ws, run.run, "carol")
    life.publish(ws, run.run)
    recomputing.export(ws, "2026-08", tmp_path / "period")
    bundles = [
        statements.prove(ws, "p-ann", "2026-08"),
        operating.prove(ws, event="else:a-1").bundle,
        *(path.read_bytes() for path in sorted((tmp_path / "period").glob("*.bundle"))),
    ]
    earlier = [path.read_bytes() for path in sorted(case.glob("**/*.bundle"))]
    assert len(bundles) >= 3
    assert earlier
    for trust in (ws.trust, old):  # the line is shown by its leaf where trust.json does not name it yet
        assert all(verify_bundle(data, trust).ok for data in (*bundles, *earlier))
    for bundle in bundles:
        assert not any("names no line" in remark for remark in verify_bundle(bundle, ws.trust).unchecked)
    assert recomputing.recompute(tmp_path / "period", ws.trust).ok
    for period in sorted((case / "periods").iterdir()):
        assert recomputing.recompute(period, ws.trust).ok
    assert operating.fsck(ws).ok
    ws.close()


def test_at_the_command_line(tmp_path: Path) -> None:
    """If this fails, a person who writes to an old log is not told what to do, or no program can read what was done."""
    opened(RELEASE, tmp_path).close()
    home = tmp_path / "home"
    wrote = settle("ledger", "seal", home=home)
    assert wrote.code == 0
    assert "settle db upgrade" in wrote.err
    assert settle("ledger", "head", home=home).err == "", "nothing was written"
    assert "settle db upgrade" in settle("db", "upgrade", "--help").out
    done = settle_json("db", "upgrade", home=home)
    assert done["line"] == done["size"] - 1
    assert Path(done["backup"]).is_dir()
    assert settle_json("db", "upgrade", home=home)["changes"] == []
    assert settle("ledger", "seal", home=home).err == ""
