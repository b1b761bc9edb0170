"""V5, V7, R1: keys that no longer count, rows that nobody signed, and a key rotated under a writer."""

from __future__ import annotations

from ledger.proofs import canon, dsse, keyfile, keyring, leaf, vector
from ledger.proofs.keys import PrivateKey
from ledger.registry import facts, statement
from ledger.registry.statement import Signer
from ledger.types import AspectVector, Influence, InfluenceVector, format_time
from payouts.life.binding import PUBLICATION_TYPE
from payouts.life.records import Approve, Publish
from payouts.tables import SealedTable
from service.bundles import verify_bundle
from service.log.ingesting import ingest_file
from service.settlement import life
from service.settlement.step import read_book, signed
from service.settlement.stored import load
from tests.attacks.forge.history import History
from tests.attacks.forge.judge import bundles_of, published
from tests.attacks.victim import Victim, allocated


def test_v5_a_revoked_approvers_key_counts_no_more(victim: Victim) -> None:
    """If this fails, an operator who steals an approver's revoked key approves alone, and the newest trust says OK."""
    run = victim.calculate()["run"]
    key = next(key["key"] for key in victim.do("key", "show") if key["party"] == "carol")
    victim.do("key", "revoke", key, "--by", "approver")
    assert victim.settle("approve", run, "--as", "carol").code != 0
    ws = victim.open()
    carol, operator, at = ws.key("approver-carol"), ws.signer("operator"), format_time(ws.clock())
    record = read_book(ws).runs[run]
    approve = Approve(at=at, by="carol", key=carol.public.id, subject=run, document=record.statement, demo=False)
    stored = load(ws.log, record)
    table = SealedTable.of(life._intents(ws, stored, None))
    payload = {"v": stored.v, "run": run, "document": record.statement, "intents": table.payload()}
    envelope = dsse.sign(PUBLICATION_TYPE, canon.encode(payload), [operator])
    publish = Publish(at=at, by=ws.operator, key=operator.public.id, run=run, statement=envelope.digest)
    ws.log.append([signed(approve, carol), signed(publish, operator)], blobs=[envelope.encode(), table.data])
    until = next(one.until for one in ws.trust.logs[0].keys if one.public.id == carol.public.id)
    assert until is not None
    last = ws.log.append([keyring.revoke(ws.clock(), signer=carol, key_id=carol.public.id, until=until)]).first
    history = History.of(ws)
    ws.close()
    (place,) = published(history)
    for shown in ([last], history.places("key"), []):
        for name, data in bundles_of(history, place, shown):
            assert not verify_bundle(data, history.trust).ok, (name, shown)
    assert victim.recompute().code != 0


def test_v7_registry_rows_and_vectors_that_nobody_signed_pay_nobody(victim: Victim) -> None:
    """If this fails, whoever holds the log key registers themselves as an owner, and every audit says OK."""
    ws, stranger = victim.open(), PrivateKey.generate()
    at = format_time(ws.clock())
    rows: list[facts.AnyFact] = [
        facts.PartyFact(id="p-mal", kind="person"),
        facts.RecordingFact(id="rec-mal", title="M"),
        facts.ShareFact(
            id="shr-mal",
            subject="rec-mal",
            party="p-mal",
            right="master",
            ppm=1_000_000,
            territory="WORLD",
            state="confirmed",
        ),
        facts.GrantFact(
            id="g-mal", grantor="p-mal", subject="rec-mal", uses=("condition",), decision="allow", territory="WORLD"
        ),
    ]
    signer = Signer(key=stranger, party="operator", role="operator")
    envelope = statement.sign([facts.encode(row) for row in rows], signer, ws.log.origin)
    influence = Influence(id="rec-mal", ppm=1_000_000, basis="declared", low=1_000_000, high=1_000_000, use="condition")
    aspect = AspectVector(sources=(influence,), unattributed=0)
    forged = vector.sign(InfluenceVector(track="trk-1", recording=aspect, method="declared", version="1"), stranger)
    event = leaf.event(
        source="acme",
        event_id="e-8",
        track="trk-1",
        occurred_at="2026-06-13T11:05:00Z",
        territory="SE",
        units=997,
        vector=forged.digest,
    )
    bodies = [
        leaf.decode(facts.encode_leaf(row, at=at, statement=envelope.digest, row=n)) for n, row in enumerate(rows)
    ]
    ws.log.append([*bodies, event], blobs=[envelope.encode(), forged.encode()])
    ws.close()
    victim.do("period", "close", "2026-06")
    run = victim.settle("run", "--period", "2026-06", "--pool", "1000.00", "--currency", "EUR", "--engine", "log")
    assert run.code != 0 or "p-mal" not in allocated(run.json)
    assert victim.settle("ledger", "fsck").code != 0
    assert victim.settle("registry", "audit").json["violations"]


def test_r1_a_key_rotated_under_a_writer_loses_no_event(victim: Victim) -> None:
    """If this fails, a process that keeps the log open signs with the retired key, and the log opens no more."""
    writer = victim.open()
    row = {"source": "acme", "track": "trk-1", "occurred_at": "2026-06-06T11:05:00Z", "territory": "SE", "units": 1}
    first = ingest_file(writer, victim.write("one.ndjson", row | {"event_id": "pipe-1"}))
    retired = keyfile.load(victim.home / "keys" / "log.json", lambda: b"").public
    victim.do("key", "rotate", "log")
    second = ingest_file(writer, victim.write("two.ndjson", row | {"event_id": "pipe-2"}))
    assert (first.accepted, second.accepted) == (1, 1)
    writer.close()
    assert victim.do("ledger", "fsck")["ok"]
    fresh = victim.open()
    assert fresh.signer("log").public != retired
    assert {leaf.decode(entry.body)["event_id"] for entry in fresh.log.entries(types={"event"})} >= {"pipe-1", "pipe-2"}
    fresh.close()


def test_v14_a_source_that_signs_has_no_unsigned_event(victim: Victim) -> None:
    """If this fails, whoever holds the log key alters a platform's signed event, and it counts as an unsigned one."""
    victim.do("registry", "import", victim.write("p.json", {"parties": [{"id": "p-acme", "kind": "platform"}]}))
    public = victim.do("batch", "key", victim.home.parent / "acme.key", "--no-passphrase")["public"]
    victim.do("source", "set", "acme", "--party", "p-acme", "--signed", "--public", public)
    assert victim.do("ledger", "fsck")["ok"]
    ws = victim.open()
    ws.log.append(
        [
            leaf.event(
                source="acme",
                event_id="altered",
                track="trk-1",
                occurred_at="2026-06-13T11:05:00Z",
                territory="SE",
                units=997,
                vector=ws.log.reading().assigned["trk-1"][1],
            )
        ]
    )
    ws.close()
    assert victim.settle("ledger", "fsck").code != 0
