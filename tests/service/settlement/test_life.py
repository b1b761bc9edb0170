"""Settlement over a real log and registry: every step, every refusal, every door."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.proofs import leaf
from ledger.proofs.keys import PrivateKey
from payouts.life.records import Approve, Publish
from service.bundles import verify_bundle
from service.settlement import life, months, paying
from service.settlement.step import read_book
from service.settlement.stored import load
from service.statements import statements
from service.statements.explaining import explain
from service.statements.proving import run_bundle
from service.status import status
from tests.cli.support import settle
from tests.service.month import Month, asked, published


def test_the_whole_way(june: Month) -> None:
    """If this fails, a month cannot be brought from events to a payment file, or its parts do not sum."""
    closed = life.close(june.ws, "2026-06")
    assert life.close(june.ws, "2026-06").period_root == closed.period_root
    dry = life.run(june.ws, asked(), dry_run=True)
    size = june.ws.log.head().size
    assert life.run(june.ws, asked(), dry_run=True).run == dry.run
    assert june.ws.log.head().size == size
    found = life.run(june.ws, asked())
    assert found.run == dry.run
    # 10 units over 1000: trk-1 600 (360 ann, 120 bob), trk-2 300 (90 cy, 60 dee, 30 nobody known), trk-3 100 no vector.
    assert {line.holder: line.micros for line in found.lines} == {
        "ann": 360_000_000,
        "bob": 120_000_000,
        "cy": 90_000_000,
        "dee": 60_000_000,
    }
    assert found.suspense_micros == 130_000_000
    assert found.unattributed_micros == 240_000_000
    assert life.run(june.ws, asked()).already
    with pytest.raises(StateError, match="not approved"):
        life.publish(june.ws, found.run)
    with pytest.raises(StateError, match="another person"):
        life.approve(june.ws, found.run, "operator")
    assert life.approve(june.ws, found.run, "approver").demo
    with pytest.raises(StateError, match="not published"):
        paying.pay(june.ws, found.run, "file")
    done = life.publish(june.ws, found.run)
    assert (done.payees, done.payable_micros, done.already) == (4, 630_000_000, False)
    assert life.publish(june.ws, found.run).already
    paid = paying.pay(june.ws, found.run, "file")
    assert (paid.payments, paid.paid_micros, paid.already, paid.blocked) == (4, 630_000_000, False, ())
    assert "360.00" in Path(paid.files[0]).read_text()
    again = paying.pay(june.ws, found.run, "file")
    assert again.already
    assert again.batches == 1
    assert months.show(june.ws, "2026-06").state == "paying"


def test_refused_on_the_way(june: Month) -> None:
    """If this fails, an open period can be run, or a published one run again, or one run paid by two routes."""
    with pytest.raises(StateError, match="settle period close 2026-06"):
        life.run(june.ws, asked())
    run = published(june)
    with pytest.raises(ConflictError, match="is published"):
        life.run(june.ws, asked(pool="2000.00"))
    assert life.run(june.ws, asked()).run == run
    size = june.ws.log.head().size
    assert life.run(june.ws, asked(rule="shapley-capped"), dry_run=True).dry_run
    assert june.ws.log.head().size == size
    with pytest.raises(ConflictError, match="by file"):
        paying.pay(june.ws, run, "chain")
    with pytest.raises(InputError, match="not a run"):
        life.publish(june.ws, "0" * 64)


def test_a_statement_adds_up_and_is_proven(june: Month) -> None:
    """If this fails, a holder's figures do not add up, or cannot be verified with nothing but the trust file."""
    run = published(june)
    ann = statements.state(june.ws, "ann", "2026-06")
    assert (ann.earned_micros, ann.net_micros, ann.carried_micros, ann.nil) == (360_000_000, 360_000_000, 0, False)
    assert [(one.track, one.source, one.basis, one.units) for one in ann.pools[0].earnings] == [
        ("trk-1", "rec-1", "declared", 6)
    ]
    for party in ("ann", "cy", "dee"):
        report = verify_bundle(statements.prove(june.ws, party, "2026-06"), june.ws.trust)
        assert report.ok, report.steps[-1]
    book = read_book(june.ws)
    whole = run_bundle(june.ws.log, june.ws.trust.policy, book, load(june.ws.log, book.runs[run]))
    assert verify_bundle(whole, june.ws.trust).ok


def test_every_digit_of_a_bundle_matters(june: Month) -> None:
    """If this fails, somebody can change a figure in a statement bundle and still have it verified."""
    published(june)
    data = statements.prove(june.ws, "cy", "2026-06")
    for place in range(0, len(data), max(1, len(data) // 400)):
        forged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert not verify_bundle(forged, june.ws.trust).ok, place


def test_explain_leads_to_streams(june: Month) -> None:
    """If this fails, a line cannot be walked back to the vectors and streams it came from."""
    run = published(june)
    found = explain(june.ws, run, "bob", "trk-1")
    assert found.streams == 6
    assert found.events[0].event_id == "e-1"
    assert [one.ppm for one in found.vectors[0].sources] == [200_000]
    group = found.groups[0]
    assert int(group.owed) // int(group.denominator) + group.rounded_up == group.micros == 120_000_000


def test_engines_agree_to_the_byte(june: Month) -> None:
    """If this fails, what a run says depends on what summed its usage."""
    june.assign({"track": "trk-3", "sources": [{"recording": "rec-1", "ppm": 100_000}]})
    life.close(june.ws, "2026-06")
    plain = life.run(june.ws, asked(), dry_run=True)
    sealed = life.run(june.ws, asked(engine="duckdb"))
    assert (plain.engine, sealed.engine) == ("log", "duckdb")
    assert (plain.run, plain.lines, plain.suspense_micros) == (sealed.run, sealed.lines, sealed.suspense_micros)
    stored = load(june.ws.log, read_book(june.ws).runs[sealed.run])
    assert stored.outcome.units == 10
    # The ten micros of trk-3 were appended before its vector, and pay by the first one assigned later.
    assert {line.holder: line.micros for line in sealed.lines}["ann"] == 370_000_000


def test_a_damaged_segment_stops_the_run(june: Month) -> None:
    """If this fails, money is computed from usage that is missing, or is not what the log sealed."""
    life.close(june.ws, "2026-06")
    size = june.ws.log.head().size
    file = next((june.home / "segments").rglob("*.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(VerificationError):
        life.run(june.ws, asked(engine="duckdb"))
    file.unlink()
    with pytest.raises((VerificationError, StateError)):
        life.run(june.ws, asked(engine="duckdb"))
    assert june.ws.log.head().size == size
    file.write_bytes(whole)
    assert life.run(june.ws, asked(engine="duckdb")).engine == "duckdb"


def test_no_door_lets_one_person_make_and_approve(june: Month) -> None:
    """If this fails, somebody with the operator's keys alone can write an approval into the log that counts."""
    life.close(june.ws, "2026-06")
    run = life.run(june.ws, asked()).run
    operator, stranger = june.ws.signer("operator"), PrivateKey.generate()
    book = read_book(june.ws)
    shared = june.ws.signer("approver")
    doors = (
        (operator, "operator", False),
        (operator, "carol", True),
        (stranger, "carol", True),
        (shared, "operator", True),
        (shared, "carol", False),
    )
    for key, by, demo in doors:
        forged = Approve(
            at="2026-07-02T09:00:00Z", by=by, key=key.public.id, subject=run, document=book.document(run), demo=demo
        )
        june.ws.log.append([leaf.sign(forged.leaf(), key)])
    other = Approve(
        at="2026-07-02T09:00:00Z",
        by="approver",
        key=june.ws.signer("approver").public.id,
        subject=run,
        document="0" * 64,
        demo=False,
    )
    june.ws.log.append([leaf.sign(other.leaf(), june.ws.signer("approver"))])
    book = read_book(june.ws)
    assert not book.approved(run)
    assert len(book.voids) == 6
    with pytest.raises(StateError, match="not approved"):
        life.publish(june.ws, run)
    publish = Publish(at="2026-07-02T09:00:00Z", by="operator", key=operator.public.id, run=run, statement="0" * 64)
    june.ws.log.append([leaf.sign(publish.leaf(), operator)])
    assert run not in read_book(june.ws).published
    assert len(months.show(june.ws, "2026-06").voids) == 7


def test_a_price_for_each_stream(june: Month) -> None:
    """If this fails, micro-royalties are not the price times the streams, to the micro-unit."""
    life.close(june.ws, "2026-06")
    found = life.run(june.ws, asked(pool=None, params={"price": "0.0035"}))
    assert (found.units, found.pool_micros) == (10, 35_000)
    assert {line.holder: line.micros for line in found.lines}["ann"] == 12_600


def test_what_ends_a_run_is_said_until_it_has_ended(june: Month) -> None:
    """If this fails, payments stay unconfirmed because nobody is told, or paid ones are to be paid again."""
    run = published(june)
    assert life.publish(june.ws, run).due == {"file": 4}
    paid = paying.pay(june.ws, run, "file")
    assert paid.unconfirmed == ("ann", "bob", "cy", "dee")
    assert not life.publish(june.ws, run).due
    assert "next:" not in settle("publish", run, home=june.home).out
    command = f"settle payments confirm --all-of {run[:16]}"
    assert command in settle("pay", run, home=june.home).out
    assert any("4 payments handed over, not confirmed" in line and command in line for line in status(june.ws).waiting)
    assert settle("payment", run, "ann", "settled", home=june.home).code == 0
    assert settle(*command.split()[1:], home=june.home).code == 0
    ws = june.reopened()
    assert not paying.pay(ws, run, "file").unconfirmed
    assert not any("not confirmed" in line for line in status(ws).waiting)
