"""A workspace with one large published month, its streams signed by their platform; made as cheaply as it can be."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from ledger.proofs import leaf, vector
from ledger.proofs.keys import PrivateKey
from ledger.registry.importing import import_files
from ledger.registry.statement import Signer
from service.log import batches
from service.log.ingesting import ingest_file
from service.log.sources import settle_source
from service.settlement import life
from service.setup import create
from service.workspace import Workspace

PERIOD = "2026-06"
PLATFORM = PrivateKey.from_seed(b"b" * 32)
EARLY = datetime(2026, 1, 5, tzinfo=UTC)
NOW = datetime(2026, 7, 2, tzinfo=UTC)
SIGNED_AT_ONCE = 500_000
OWNERS = 10
"""Of one recording: what makes many holders of few recordings."""


def party(number: int) -> str:
    return f"p-{number:07d}"


def made(home: Path, *, holders: int, tracks: int, sources: int, events: int) -> Path:
    """The workspace's folder: `holders` own a tenth of a recording each, `tracks` draw on `sources` recordings each."""
    started = time.process_time()
    create(home, origin="bench", operator="operator", passphrase=None, clock=lambda: EARLY)
    ws = Workspace.open(home, clock=lambda: EARLY)
    registry = home / "registry.json"
    recordings = max(sources, holders // OWNERS)
    registry.write_text(json.dumps(_registry(holders, recordings, tracks)))
    import_files(ws.registry, [registry], Signer(ws.signer("operator"), "operator", "operator"))
    registry.unlink()
    _attributed(ws, tracks, sources, recordings)
    settle_source(ws, "acme", party=party(0), public=PLATFORM.public.raw.hex())
    now = Workspace.open(home, clock=lambda: NOW)
    _streamed(now, home, tracks, events)
    life.close(now, PERIOD)
    run = life.run(
        now,
        life.request(period=PERIOD, pool=f"{events}.00", currency="EUR", rule="pro-rata", params={}, engine="duckdb"),
    ).run
    life.approve(now, run, "approver")
    life.publish(now, run)
    spent = time.process_time() - started
    print(f"\n{holders:,} holders, {tracks:,} tracks, {events:,} signed events: made in {spent:.0f} s of CPU")
    return home


def _registry(holders: int, recordings: int, tracks: int) -> dict[str, Any]:
    return {
        "parties": [{"id": party(n), "name": f"Holder {n}", "kind": "person"} for n in range(holders)],
        "recordings": [{"id": f"rec-{n}", "title": f"Recording {n}"} for n in range(recordings)],
        "shares": [
            {
                "subject": f"rec-{n % recordings}",
                "party": party(n),
                "right": "master",
                "ppm": 1_000_000 // OWNERS,
                "territory": "WORLD",
                "from": "2020-01-01",
                "state": "confirmed",
            }
            for n in range(recordings * OWNERS)
        ],
        "grants": [
            {
                "id": f"g-{n}",
                "grantor": party(n),
                "subject": f"rec-{n % recordings}",
                "uses": ["train", "condition", "style"],
                "decision": "allow",
                "territory": "WORLD",
                "from": "2020-01-01",
            }
            for n in range(recordings * OWNERS)
        ],
        "tracks": [{"id": f"trk-{n}", "title": f"Track {n}", "model": "mdl", "version": "1"} for n in range(tracks)],
        "models": [{"id": "mdl", "version": "1", "operator": party(0), "training": ["rec-0"]}],
    }


def _attributed(ws: Workspace, tracks: int, sources: int, recordings: int) -> None:
    random, key = Random(1), ws.signer("attribution")
    for first in range(0, tracks, 5_000):
        leaves, blobs = [], []
        for n in range(first, min(tracks, first + 5_000)):
            named = [n * sources % recordings, *random.sample(range(recordings), sources - 1)]
            parts = {f"rec-{name}": 700_000 // sources + place for place, name in enumerate(named)}
            declared = [{"recording": name, "ppm": ppm} for name, ppm in parts.items()]
            envelope = vector.sign(vector.from_declared({"track": f"trk-{n}", "sources": declared}), key)
            leaves.append(leaf.vector(EARLY, track=f"trk-{n}", statement=envelope.digest, method="declared"))
            leaves.append(leaf.assign(EARLY, track=f"trk-{n}", vector=envelope.digest, signer=key))
            blobs.append(envelope.encode())
        ws.log.append(leaves, blobs=blobs)


def _streamed(ws: Workspace, home: Path, tracks: int, events: int) -> None:
    """Every track in turn, over thirty days, in batches that the platform signs one after another."""
    previous = None
    for first in range(0, events, SIGNED_AT_ONCE):
        file, signed = home / "events.ndjson", home / f"{first}.batch"
        with file.open("w", encoding="utf-8") as out:
            for n in range(first, min(events, first + SIGNED_AT_ONCE)):
                day = 1 + 30 * n // events
                out.write(
                    f'{{"source":"acme","event_id":"e-{n}","track":"trk-{n % tracks}",'
                    f'"occurred_at":"2026-06-{day:02d}T11:05:00Z","territory":"SE","units":1}}\n'
                )
        batches.sign_file(file, PLATFORM, source="acme", log=ws.log.origin, previous=previous, out=signed)
        done = ingest_file(ws, file, batch_file=signed)
        assert done.accepted == min(events, first + SIGNED_AT_ONCE) - first
        previous = signed
        file.unlink()
