"""Single events into a workspace, as a server that embeds it would hand them over."""

from __future__ import annotations

import json
from pathlib import Path

from ledger.proofs import leaf
from ledger.proofs.verify import verify_bundle
from service.log.ingesting import singles
from service.operating import prove
from service.setup import create
from service.workspace import Workspace
from tests.ledger.ingest.streams import row
from tests.ledger.logs import TickingClock


def test_a_single_event_is_acknowledged_and_proven(tmp_path: Path) -> None:
    """If this fails, whoever embeds Settle cannot hand it one event."""
    create(tmp_path / "home", origin="example.org/ledger", operator="op", passphrase=None, clock=TickingClock())
    workspace = Workspace.open(tmp_path / "home", clock=TickingClock())
    workspace.log.append([leaf.make("track", workspace.clock(), id="trk-1")])
    taken = singles(workspace, name="api", source="acme")
    done = taken.take(json.dumps(row("e-1")).encode())
    assert (done.index, done.refused) == (2, None)
    assert "taken as one of 'acme'" in (taken.take(json.dumps(row("e-2", source="bolt")).encode()).refused or "")
    assert verify_bundle(prove(workspace, index=2).bundle, workspace.trust).ok
