"""Fraud holds from the score to the payment: what is held, who ends it, and what a rejection does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import InputError, StateError, VerificationError
from ledger.log.append import batch_of
from ledger.proofs import canon, dsse
from ledger.types import Period, Role
from payouts.life.listener_holds import LISTENERS_TYPE, read_listeners
from service.fraud.holding import hold_suspects
from service.log.ingesting import ingest_file
from service.settlement import held, holds, life, paying, restating
from service.settlement.step import read_book, signed
from service.settlement.stored import Stored, load
from service.statements import recomputing, statements
from service.statements.recomputing import recompute
from tests.service.month import JULY_OVER, Month, asked, event, july
from tests.service.web.serving import lines, row

JUNE = Period(2026, 6)
BUSY = 500
"""Streams of trk-1 by one listener in a day; the month has six others of trk-1, three of trk-2 and one of trk-3."""


@pytest.fixture
def farmed(june: Month, tmp_path: Path) -> Month:
    """June with a listener who plays trk-1 more often than fits into a day, and one who plays it once."""
    path = tmp_path / "june.ndjson"
    busy = [
        row(f"b-{i}", listener="busy", occurred_at=f"2026-06-03T{i // 25:02d}:{i % 25:02d}:00Z") for i in range(BUSY)
    ]
    path.write_bytes(lines(*busy, row("u-1", listener="usual")))
    assert ingest_file(june.ws, path).accepted == BUSY + 1
    life.close(june.ws, "2026-06")
    return june


def run_of(june: Month, **changed: Any) -> Stored:
    """June's run as the log has it."""
    run = life.run(june.ws, asked(**changed)).run
    return load(june.ws.log, read_book(june.ws).runs[run])


def money(stored: Stored, state: str, ref: str = "") -> dict[str, int]:
    """By party, what the run's lines in a state come to."""
    sums: dict[str, int] = {}
    for line in stored.outcome.lines:
        if (line.state, line.ref) == (state, ref):
            sums[line.party] = sums.get(line.party, 0) + line.micros
    return sums


@pytest.mark.parametrize("engine", ["log", "duckdb"])
def test_held_streams_weigh_as_held_and_move_nobody_elses_money(farmed: Month, engine: str) -> None:
    """If this fails, a fraud hold changes what others get, or the held part is not that of the held streams."""
    free = run_of(farmed, engine=engine)
    hold = hold_suspects(farmed.ws, JUNE, scorer="even-spread")
    assert (hold.listeners, hold.streams) == (1, BUSY)
    stored = run_of(farmed, engine=engine)
    assert stored.record.run != free.record.run
    assert [(row.count, row.hold) for row in stored.usage if row.track == "trk-1"] == [(7, None), (BUSY, hold.id)]
    whole, honest, kept = money(free, "allocated"), money(stored, "allocated"), money(stored, "held", hold.id)
    assert {party: honest[party] + kept.get(party, 0) for party in whole} == whole
    assert kept.keys() == {"ann", "bob"}
    for party, micros in kept.items():
        assert abs(micros * (BUSY + 7) - whole[party] * BUSY) < BUSY + 7
    outcome = stored.outcome
    assert outcome.held == sum(kept.values())
    assert outcome.pool == 1_000_000_000
    assert (
        sum((outcome.allocated, outcome.unattributed, outcome.held, outcome.suspense, outcome.reserve)) == outcome.pool
    )
    again = hold_suspects(farmed.ws, JUNE, scorer="even-spread")
    assert (again.id, again.listeners, again.already_listeners) == ("", 0, 1)
    with pytest.raises(InputError, match="is not a suspect"):
        hold_suspects(farmed.ws, JUNE, scorer="even-spread", spared=["nobody"])


def test_an_auditor_agrees_and_two_people_release(farmed: Month, tmp_path: Path) -> None:
    """If this fails, a run with held streams cannot be audited, or their money is lost or paid by one person alone."""
    ws = farmed.ws
    hold = hold_suspects(ws, JUNE, scorer="even-spread")
    stored = run_of(farmed)
    run = stored.record.run
    life.approve(ws, run, "approver")
    life.publish(ws, run)
    ann = statements.state(ws, "ann", "2026-06")
    kept = money(stored, "held", hold.id)
    assert ann.held_micros == kept["ann"]
    assert [(part.reason, part.micros) for part in ann.pools[0].waiting] == [("fraud", kept["ann"])]
    assert {earning.units for earning in ann.pools[0].earnings if earning.track == "trk-1"} == {7}
    lines_held = held.report(ws).lines
    assert {line.party: line.micros for line in lines_held if line.ref == hold.id} == kept
    assert paying.pay(ws, run, "file").blocked == ()
    assert recomputing.export(ws, "2026-06", tmp_path / "out").runs
    audited = recompute(tmp_path / "out", ws.trust)
    assert (audited.ok, audited.problems) == (True, ())
    proposal = holds.release(ws, hold.id, note="a radio station with one account")
    with pytest.raises(StateError, match="another person"):
        life.approve(ws, proposal.id, "operator")
    life.approve(ws, proposal.id, "approver")
    july(farmed)
    adjustments = statements.state(ws, "ann", "2026-07").pools[0].adjustments
    assert [(one.kind, one.micros) for one in adjustments] == [("release", kept["ann"])]


def test_rejected_streams_leave_the_pool(farmed: Month) -> None:
    """If this fails, rejected streams still take a part of the pool, or their part is not divided among the others."""
    ws = farmed.ws
    hold = hold_suspects(ws, JUNE, scorer="even-spread")
    first = run_of(farmed)
    life.approve(ws, first.record.run, "approver")
    life.publish(ws, first.record.run)
    proposal = holds.reject(ws, hold.id, note="a farm")
    assert [shown.state for shown in holds.list_holds(ws)] == ["rejection proposed"]
    life.approve(ws, proposal.id, "approver")
    assert [shown.state for shown in holds.list_holds(ws, everything=True)] == ["rejected"]
    assert {line.state for line in held.report(ws).lines if line.ref == hold.id} == {"rejected"}
    assert hold_suspects(ws, JUNE, scorer="even-spread").listeners == 0
    restated = restating.restate(ws, "2026-06")
    parts = {part.part: part for part in restated.parts}
    assert (parts["held"].was_micros, parts["held"].now_micros) == (first.outcome.held, 0)
    assert sum(part.difference_micros for part in restated.parts) == 0
    # 7 of trk-1, 3 of trk-2 and 1 of trk-3 are left of the month.
    parts_of = {"ann": 7 * 6, "bob": 7 * 2, "cy": 9, "dee": 6}
    assert {line.holder for line in restated.lines} == parts_of.keys()
    for line in restated.lines:
        assert abs(line.now_micros * 110 - 1_000_000_000 * parts_of[line.holder]) <= 110
    proposed = restating.propose(ws, "2026-06", into="2026-07")
    life.approve(ws, str(proposed.id), "approver")
    july(farmed)
    assert restating.propose(ws, "2026-06", into="2026-08").id is None
    with pytest.raises(StateError, match="rejected"):
        life.approve(ws, holds.release(ws, hold.id, note="or not").id, "approver")


def test_a_price_is_not_paid_for_rejected_streams(farmed: Month) -> None:
    """If this fails, a payer who pays by the stream pays for streams that two people rejected."""
    priced = {"pool": None, "params": {"price": "0.01"}}
    hold = hold_suspects(farmed.ws, JUNE, scorer="even-spread")
    assert run_of(farmed, **priced).outcome.pool == 10_000 * (BUSY + 11)
    life.approve(farmed.ws, holds.reject(farmed.ws, hold.id, note="a farm").id, "approver")
    stored = run_of(farmed, **priced)
    assert stored.outcome.pool == 10_000 * 11
    assert stored.outcome.held == 0


def forged_list(june: Month, *, period: str, by: Role = "operator") -> str:
    """A hold on June's listener that a program of its own opened with another month's or another signer's list."""
    honest = hold_suspects(june.ws, JUNE, scorer="even-spread")
    record = read_book(june.ws).holds[honest.id]
    document = read_listeners(june.ws.log.blob(str(record.statement)), str(record.statement))
    payload = canon.encode(replace(document, period=period).payload())
    envelope = dsse.sign(LISTENERS_TYPE, payload, [june.ws.signer(by)])
    forged = replace(record, id="hold-forged", statement=envelope.digest)
    june.ws.log.commit(batch_of([signed(forged, june.ws.signer("operator"))], [envelope.encode()]))
    return forged.id


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        ({"period": "2026-05"}, "its list of listeners of 2026-05"),
        ({"period": "2026-06", "by": "log"}, "not signed by"),
    ],
    ids=["another month", "another signer"],
)
def test_a_hold_whose_list_is_not_its_own_stops_the_run(farmed: Month, forged: dict[str, Any], reason: str) -> None:
    """If this fails, a hold takes streams out of a month for which nobody gave a list."""
    name = forged_list(farmed, **forged)
    with pytest.raises(VerificationError, match=reason):
        run_of(farmed)
    rejection = holds.reject(farmed.ws, name, note="a farm")
    with pytest.raises(VerificationError, match=reason):  # rejected for good, it would stop every later run
        life.approve(farmed.ws, rejection.id, "approver")
    life.approve(farmed.ws, holds.release(farmed.ws, name, note="not its list").id, "approver")
    assert run_of(farmed).outcome.pool


@pytest.mark.parametrize("engine", ["log", "duckdb"])
def test_a_list_holds_no_streams_of_another_month(farmed: Month, engine: str) -> None:
    """If this fails, a list of one month holds streams of another, which no scorer looked at for it."""
    ws = farmed.ws
    hold = hold_suspects(ws, JUNE, scorer="even-spread")
    statement = str(read_book(ws).holds[hold.id].statement)
    (suspect,) = read_listeners(ws.log.blob(statement), statement).listeners
    late = event(9001, "trk-1", at="2026-05-30T11:05:00Z", digest=farmed.digests["trk-1"])
    ws.log.append([late | {"source": suspect.source, "listener": suspect.listener}])
    farmed.now = JULY_OVER
    life.close(ws, "2026-07")
    rows = run_of(farmed, period="2026-07", engine=engine).usage
    assert [(row.count, row.hold) for row in rows] == [(1, None)]


def test_a_hold_whose_list_is_lost_is_named(farmed: Month) -> None:
    """If this fails, suspects are paid because their list is missing, or nobody is told which hold it is of."""
    opened = hold_suspects(farmed.ws, JUNE, scorer="even-spread").id
    lost = replace(read_book(farmed.ws).holds[opened], id="hold-lost", statement="ab" * 32)
    farmed.ws.log.commit(batch_of([signed(lost, farmed.ws.signer("operator"))], []))
    with pytest.raises(InputError, match="hold-lost names a list of listeners that is not stored here"):
        run_of(farmed)
