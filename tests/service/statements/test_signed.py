"""Statements say on whose word the streams behind them stand."""

from __future__ import annotations

import json
from pathlib import Path

from ledger.proofs import batch, keyring, source
from ledger.proofs.keys import PrivateKey
from payouts.statements.statement import Streams
from payouts.statements.text import as_csv, as_html
from service.log import batches
from service.log.ingesting import ingest_file
from service.log.logs import listed
from service.settlement.life import close, request, run
from service.settlement.step import read_book
from service.settlement.stored import load
from service.settlement.usage import seal
from service.statements import platforms
from service.statements.explaining import explain
from service.statements.statements import state
from tests.service.month import month


def test_a_statement_counts_what_was_signed(tmp_path: Path) -> None:
    """If this fails, a holder cannot tell streams that a platform vouches for from those the operator alone reports."""
    june = month(tmp_path / "home")
    ws, key = june.ws, PrivateKey.from_seed(b"p" * 32)
    operator = ws.signer("operator")
    ws.log.append(
        [
            keyring.add(june.now, signer=operator, role="platform", party="ann", public=key.public),
            source.make(june.now, source="beta", party="ann", signed=True, signer=operator),
        ]
    )
    usual = {"source": "beta", "territory": "SE", "units": 1}
    june_or_july = ["2026-06-03T11:05:00Z"] * 6 + ["2026-07-03T11:05:00Z"] * 2
    rows = [
        {**usual, "event_id": f"b-{n}", "track": f"trk-{1 + n % 2}", "occurred_at": at}
        for n, at in enumerate(june_or_july)
    ]
    file, signed = tmp_path / "beta.ndjson", tmp_path / "beta.batch"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    batches.sign_file(file, key, source="beta", log=ws.log.origin, previous=None, out=signed)
    june.now = june.now.replace(day=4)
    ws = june.reopened()
    assert ingest_file(ws, file, batch_file=signed).platform == batch.label("ann")
    close(ws, "2026-06")
    done = run(ws, request(period="2026-06", pool="100.00", currency="EUR", rule="pro-rata", params={}, engine="log"))
    (ann,) = state(ws, "ann", "2026-06").pools
    expected = (
        Streams(source="acme", platform="unsigned", count=6),
        Streams(source="beta", platform="signed by ann", count=3),
    )
    assert ann.streams == expected
    assert sum(one.count for one in ann.streams) == sum(one.units for one in ann.earnings if one.track == "trk-1")
    explained = explain(ws, done.run, "ann", "trk-1")
    assert sorted({(one.source, one.platform) for one in explained.events}) == [
        (one.source, one.platform) for one in expected
    ]
    stored, logs = load(ws.log, read_book(ws).runs[done.run]), listed(ws, read_book(ws), "2026-06")
    from_leaves = platforms.counted(logs, platforms.signers_of(logs), stored, from_leaves=True)
    assert from_leaves["trk-2"] == {("acme", "unsigned"): 3, ("beta", "signed by ann"): 3}
    assert seal(ws, ws.log.head().size)
    assert platforms.counted(logs, platforms.signers_of(logs), stored) == from_leaves
    whole = state(ws, "ann", "2026-06")
    assert "3 of beta, signed by ann" in as_html(whole)
    assert b",streams,,,beta,,,,signed by ann,,,,,,3," in as_csv(whole)
