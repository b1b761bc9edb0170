"""Stream events for tests, and a log that knows some tracks."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from pathlib import Path
from typing import Any

from ledger.ingest import ndjson
from ledger.ingest.acknowledged import Counts
from ledger.ingest.admission import Ingest
from ledger.ingest.carried import Admit
from ledger.log.append import Log
from ledger.proofs import leaf
from tests.ledger.logs import KEY, TickingClock, log_in

VECTOR = "ab" * 32
_COUNTER = itertools.count()


def entropy() -> Any:
    """Salts: no two alike."""
    return lambda size: hashlib.sha256(str(next(_COUNTER)).encode()).digest()[:size]


def row(event_id: str = "e-1", **fields: Any) -> dict[str, Any]:
    """An event as a platform writes it; a field given as None is left out."""
    usual = {
        "source": "acme",
        "event_id": event_id,
        "track": "trk-1",
        "occurred_at": "2026-06-03T11:05:00Z",
        "territory": "SE",
        "product": "premium",
        "units": 1,
        "gross_micros": 4200,
        "currency": "EUR",
        "listener": "u-77",
    }
    return {name: value for name, value in (usual | fields).items() if value is not None}


def lines(*rows: dict[str, Any] | bytes) -> bytes:
    """Rows as NDJSON; bytes stand for themselves."""
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in rows)


def known_log(folder: Path, *, assigned: bool = True, clock: TickingClock | None = None) -> Log:
    """A log with tracks trk-1, which has a vector, and trk-2, which has none yet."""
    log = log_in(folder, clock=clock)
    now = log.clock()
    log.append([leaf.make("track", now, id="trk-1"), leaf.make("track", now, id="trk-2")])
    if assigned:
        log.append([leaf.assign(now, track="trk-1", vector=VECTOR, signer=KEY)])
    return log


def take(log: Log, data: bytes, *, admit: Admit | None = None, name: str = "events.ndjson") -> Counts:
    """Ingest NDJSON bytes."""
    run = Ingest(log, name=name, entropy=entropy(), admit=admit)
    for rows in ndjson.read(io.BytesIO(data), name):
        run.take(rows)
    return run.counts


def events(log: Log) -> list[dict[str, Any]]:
    """The event leaves of a log."""
    return [leaf.decode(entry.body) for entry in log.entries(types=["event"])]
