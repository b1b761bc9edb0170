"""Several logs under one home: each takes its own sources, a close lists them all, and a run stops without one."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.errors import ConflictError, InputError, SettleError, StateError, VerificationError
from ledger.log.append import Log
from ledger.log.fsck import fsck
from ledger.proofs import leaf, member
from ledger.proofs.keys import PrivateKey
from ledger.proofs.verify import verify_bundle
from ledger.segments.seal import seal
from service.attribution.vectors import declare
from service.log import batches, following, growth, members
from service.log.ingesting import Ingested, ingest_file, replay
from service.log.sources import settle_source
from service.operating import fsck as examine
from service.operating import prove
from service.scheduler.jobs import Did, job_named
from service.settlement import life
from service.settlement.step import read_book
from service.settlement.usage import folder_of
from service.setup import create
from service.statements import recomputing
from service.statements.explaining import explain
from service.statements.statements import state
from service.workspace import Workspace
from tests.ledger.logs import event
from tests.service.month import DECLARED, EARLY, NOW, Month, asked, month

SECOND = "example.org/second"


@dataclass
class Two:
    """A home log with June in it, and a second log that takes the source beta."""

    june: Month
    place: Path

    @property
    def home(self) -> Workspace:
        return self.june.ws

    def second(self) -> Workspace:
        return Workspace.open(self.place, clock=lambda: self.june.now)

    def ingest(self, ws: Workspace, source: str, *tracks: str, at: str = "2026-06-05T11:05:00Z") -> Ingested:
        """A file of one event of each of these tracks."""
        rows = [
            {
                "source": source,
                "event_id": f"b-{n}-{at[:10]}",
                "track": track,
                "occurred_at": at,
                "territory": "SE",
                "units": 1,
                "gross_micros": 4200,
                "currency": "EUR",
            }
            for n, track in enumerate(tracks)
        ]
        path = self.place.parent / f"{source}.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return ingest_file(ws, path)


@pytest.fixture
def two(june: Month, tmp_path: Path) -> Iterator[Two]:
    place = tmp_path / "second"
    create(place, origin=SECOND, operator="operator", passphrase=None, clock=lambda: EARLY)
    found = Two(june, place)
    june.now = NOW + timedelta(hours=1)
    members.add(june.ws, place)
    settle_source(june.ws, "beta", log=SECOND)
    yield found
    june.ws.reopen()


def test_a_run_over_two_logs_is_the_run_over_one(two: Two, tmp_path: Path) -> None:
    """If this fails, what somebody is paid depends on which log a platform's events went into."""
    tracks = ("trk-1", "trk-2", "trk-2", "trk-3")
    done = two.ingest(two.second(), "beta", *tracks)
    assert (done.accepted, done.unresolved) == (4, 1)
    alone = Two(month(tmp_path / "alone" / "home"), tmp_path / "alone" / "none")
    assert alone.ingest(alone.home, "beta", *tracks).accepted == 4
    closed = life.close(two.home, "2026-06")
    assert [log.origin for log in closed.logs] == ["example.org/test", SECOND]
    assert closed.logs[1].size == two.second().log.head().size
    life.close(alone.home, "2026-06")
    split, whole = (life.run(ws, asked(), dry_run=True) for ws in (two.home, alone.home))
    assert (split.lines, split.units, split.suspense_micros) == (whole.lines, whole.units, whole.suspense_micros)
    seal(two.second().log, folder_of(two.second()))
    assert life.run(two.home, asked(engine="duckdb"), dry_run=True).run == split.run
    done_run = life.run(two.home, asked(engine="duckdb"))
    assert (done_run.engine, done_run.run) == ("duckdb", split.run)
    explained = explain(two.home, done_run.run, "ann", "trk-1")
    assert {(one.log, one.source) for one in explained.events} == {("example.org/test", "acme"), (SECOND, "beta")}
    assert explained.streams == 7
    (ann,) = state(two.home, "ann", "2026-06").pools
    assert [(one.source, one.count) for one in ann.streams] == [("acme", 6), ("beta", 1)]


def test_each_source_has_one_log(two: Two) -> None:
    """If this fails, one event can stand in two logs and be paid for twice."""
    second = two.second()
    for ws, source in ((two.home, "beta"), (second, "acme"), (second, "never-heard-of")):
        refused = two.ingest(ws, source, "trk-1")
        assert (refused.accepted, refused.quarantined) == (0, 1)
    two.june.assign(DECLARED[0])
    assert replay(two.home).accepted == 0
    with pytest.raises(ConflictError, match="holds events of source acme"):
        settle_source(two.home, "acme", log=SECOND)
    with pytest.raises(ConflictError, match=r"is assigned to log .* and stays there"):
        settle_source(two.home, "beta", log="example.org/test")
    with pytest.raises(InputError, match="is not registered here"):
        settle_source(two.home, "gamma", log="example.org/nowhere")
    with pytest.raises(StateError, match="only that assigns sources to logs"):
        settle_source(second, "gamma", log=SECOND)
    with pytest.raises(StateError, match="only that closes periods"):
        life.close(second, "2026-06")
    assert job_named("close").work(second, NOW) == Did("only the home log closes periods", nothing=True)
    assert [shown.sources for shown in members.show(two.home)] == [(), ("beta",)]


def test_events_of_a_member_bind_and_are_proven_there(two: Two) -> None:
    """If this fails, an event in a second log pays by another vector than the home log assigned, or cannot be shown."""
    second = two.second()
    two.ingest(second, "beta", "trk-1")
    two.june.assign({**DECLARED[0], "sources": [{"recording": "rec-3", "ppm": 400_000}]})
    two.ingest(second, "beta", "trk-1", at="2026-06-09T11:05:00Z")
    before = second.log.head().size
    assert following.follow(second) is not None
    assert second.log.head().size == before
    two.ingest(second, "beta", "trk-1", at="2026-07-01T11:05:00Z")
    bound = [leaf.decode(entry.body)["vector"] for entry in second.log.entries(types={"event"})]
    assigned = [leaf.decode(entry.body)["vector"] for entry in two.home.log.entries(types={"assign"})]
    assert bound == [assigned[0], assigned[2], assigned[2]]
    for index in [entry.index for entry in second.log.entries(types={"event"})]:
        report = verify_bundle(prove(second, index=index).bundle, second.trust)
        assert report.ok, report.steps[-1]
    examined = fsck(second.log)
    assert examined.ok, examined.problems


def test_a_member_takes_over_that_a_track_went_back_to_a_vector(two: Two) -> None:
    """If this fails, a member pays by the vector that the home log took back: it signs both assignments at one time."""
    for declared in ({**DECLARED[0], "sources": [{"recording": "rec-3", "ppm": 400_000}]}, DECLARED[0]):
        two.june.now += timedelta(days=1)
        two.june.assign(declared)
    second = two.second()
    assert following.follow(second) is not None
    assigned = two.home.log.assignments()["trk-1"][0]
    assert second.log.assignments()["trk-1"][0] == assigned
    assert second.log.reading().assigned["trk-1"][1] == assigned
    examined = fsck(second.log)
    assert examined.ok, examined.problems


def test_a_run_stops_without_a_listed_log(two: Two, tmp_path: Path) -> None:
    """If this fails, a period is settled over part of its events and nobody is told."""
    second = two.second()
    two.ingest(second, "beta", "trk-1", "trk-2")
    early = tmp_path / "early"
    shutil.copytree(two.place, early)
    two.ingest(second, "beta", "trk-1", "trk-2", at="2026-06-07T11:05:00Z")
    second.reopen()
    life.close(two.home, "2026-06")
    away = tmp_path / "away"

    def stopped(kind: type[SettleError], said: str) -> None:
        two.home.reopen()
        with pytest.raises(kind, match=said):
            life.run(two.home, asked())
        with pytest.raises(kind, match=said):
            life.run(two.home, asked(), dry_run=True)

    two.place.rename(away)
    stopped(StateError, "no workspace in")
    early.rename(two.place)
    stopped(VerificationError, r"was seen with .* rolled back, or this is an old copy")
    (two.home.home / growth.SEEN).unlink()
    stopped(VerificationError, r"was listed with .* rolled back, or this is an old copy")
    other = two.second()
    two.ingest(other, "beta", "trk-3", "trk-3", "trk-3", at="2026-06-08T11:05:00Z")
    other.reopen()
    stopped(VerificationError, "a fork")
    two.place.rename(early)
    away.rename(two.place)
    (two.place / "settle.db").rename(tmp_path / "aside.db")
    stopped(StateError, "is missing")
    (tmp_path / "aside.db").rename(two.place / "settle.db")
    two.home.reopen()
    assert life.run(two.home, asked()).units == 14


def test_a_close_stops_at_a_log_that_went_back(two: Two, tmp_path: Path) -> None:
    """If this fails, a member can drop events between two closes."""
    second = two.second()
    two.ingest(second, "beta", "trk-1")
    second.reopen()
    early = tmp_path / "early"
    shutil.copytree(two.place, early)
    two.ingest(two.second(), "beta", "trk-1", "trk-2", at="2026-06-07T11:05:00Z")
    life.close(two.home, "2026-06")
    two.june.now = NOW.replace(month=8)
    two.place.rename(tmp_path / "away")
    early.rename(two.place)
    two.home.reopen()
    with pytest.raises(VerificationError, match="was rolled back, or this is an old copy"):
        life.close(two.home, "2026-07")
    assert read_book(two.home).close("2026-07") is None


def test_a_member_set_back_after_its_last_close_is_noticed(two: Two, tmp_path: Path) -> None:
    """If this fails, a member drops what it took since the last close, its anchor set back too, and nobody is told."""
    second = two.second()
    two.ingest(second, "beta", "trk-1")
    second.reopen()
    life.close(two.home, "2026-06")
    early = tmp_path / "early"
    shutil.copytree(two.place, early)
    two.ingest(two.second(), "beta", "trk-1", "trk-2", at="2026-07-01T11:05:00Z")
    assert examine(two.home).ok
    looked = job_named("logs").work(two.home, NOW)
    assert not looked.nothing
    two.place.rename(tmp_path / "away")
    early.rename(two.place)
    two.second().log.check()
    two.home.reopen()
    examined = examine(two.home)
    assert not examined.ok
    assert "was seen with" in examined.problems[0]
    two.june.now = NOW.replace(month=8)
    for use in (lambda: life.close(two.home, "2026-07"), lambda: job_named("logs").work(two.home, NOW)):
        with pytest.raises(VerificationError, match=r"was seen with .* rolled back, or this is an old copy"):
            use()
    two.ingest(two.second(), "beta", *["trk-3"] * 9, at="2026-07-08T11:05:00Z")
    two.home.reopen()
    with pytest.raises(VerificationError, match="a fork"):
        members.look(two.home)
    (two.home.home / growth.SEEN).write_text("{]")
    with pytest.raises(StateError, match="restore it from a copy"):
        members.look(two.home)


def test_events_in_the_wrong_log_are_not_settled(two: Two) -> None:
    """If this fails, a member that ignores its home has another log's streams paid a second time."""
    config = two.place / "settle.toml"
    text = config.read_text()
    config.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("home =")))
    stray = two.second()
    stray.log.append([leaf.make("track", two.june.now, id="trk-1")])
    assert two.ingest(stray, "acme", "trk-1").accepted == 1
    with pytest.raises(VerificationError, match="holds events of source acme, which is assigned to log example"):
        life.close(two.home, "2026-06")
    third = two.place.parent / "third"
    create(third, origin="example.org/third", operator="operator", passphrase=None, clock=lambda: EARLY)
    used = Workspace.open(third, clock=lambda: two.june.now)
    used.log.append([leaf.make("track", two.june.now, id="trk-1")])
    two.ingest(used, "gamma", "trk-1")
    with pytest.raises(StateError, match="is registered before its first event"):
        members.add(two.home, third)


@pytest.mark.parametrize(("source", "reason"), [("beta", "never assigned"), ("acme", "assigned to log example")])
def test_a_member_writes_its_own_leaves_and_settles_nothing_by_them(
    two: Two, tmp_path: Path, source: str, reason: str
) -> None:
    """If this fails, a member pays by a vector of its choice, or another log's streams twice."""
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"track": "trk-1", "sources": [{"recording": "rec-4", "ppm": 1_000_000}]}))
    (evidence,) = declare(two.home, other, assign=False)
    second = two.second()
    two.ingest(second, "beta", "trk-2")
    second.log.append([event("e-forged", source=source, track="trk-1", vector=evidence.digest)])
    second.log.close()
    with closing(sqlite3.connect(two.place / "settle.db")) as database:
        for trigger in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger[0]}")
        database.execute("DELETE FROM event WHERE event_id = 'e-forged'")
        database.commit()
    life.close(two.home, "2026-06")
    with pytest.raises(VerificationError, match=reason):
        life.run(two.home, asked())


def test_who_speaks_and_which_logs_belong_here_takes_no_vector_to_say(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, listing sources and taking a batch check the signature of every vector that was ever logged."""
    ws = two.june.reopened()
    acts = ws.log.reading()
    monkeypatch.setattr(Log, "blob", lambda _, digest: pytest.fail(f"reads {digest}"))
    again = two.june.reopened()
    assert members.sources_of(again.log) == acts.sources != {}
    assert members.members(again) == acts.members != {}


def test_only_the_operator_registers_a_log(two: Two) -> None:
    """If this fails, whoever can write to the log can have another log's events paid."""
    false = Workspace.open(two.place, clock=lambda: two.june.now)
    trusted = false.trust.logs[0]
    home = two.home
    home.log.append([member.make(two.june.now, trusted, false.signer("operator"))])
    assert list(members.members(home)) == [SECOND]
    assert members.add(home, two.place).sources == ("beta",)
    assert len(list(home.log.entries(types={member.TYPE}))) == 2
    with pytest.raises(StateError, match="only that registers other logs"):
        members.add(two.second(), home.home)
    with pytest.raises(StateError, match="no workspace in"):
        members.add(home, two.place / "nothing")


def test_a_signed_batch_goes_to_the_log_of_its_source(two: Two, tmp_path: Path) -> None:
    """If this fails, a platform's batch is taken into a log that must not take its events."""
    key = PrivateKey.from_seed(b"p" * 32)
    second = two.second()
    settle_source(second, "beta", party="ann", public=key.public.raw.hex(), signed=True)
    assert two.ingest(second, "beta", "trk-1", "trk-2").quarantined == 2
    file, signed = tmp_path / "beta.ndjson", tmp_path / "beta.batch"
    batches.sign_file(file, key, source="beta", log=SECOND, previous=None, out=signed)
    with pytest.raises(StateError, match="is assigned to another log"):
        ingest_file(two.home, file, batch_file=signed)
    assert ingest_file(second, file, batch_file=signed).accepted == 2
    second.reopen()
    life.close(two.home, "2026-06")
    life.run(two.home, asked())
    (ann,) = state(two.home, "ann", "2026-06").pools
    assert [(one.source, one.platform) for one in ann.streams] == [("acme", "unsigned"), ("beta", "signed by ann")]


def test_an_outsider_computes_a_period_of_two_logs_again(two: Two, tmp_path: Path) -> None:
    """If this fails, a period over several logs can be checked by its operator alone."""
    two.ingest(two.second(), "beta", "trk-1", "trk-2", "trk-3")
    life.close(two.home, "2026-06")
    run = life.run(two.home, asked()).run
    life.approve(two.home, run, "approver")
    life.publish(two.home, run)
    out = tmp_path / "out"
    exported = recomputing.export(two.home, "2026-06", out)
    assert exported.logs == ("example.org/test", SECOND)
    trust = two.home.trust
    again = recomputing.recompute(out, trust)
    assert (again.ok, [one.run for one in again.runs]) == (True, [run])
    tile = next((out / "logs").glob("*/tile/entries/*.p/*"))
    data = tile.read_bytes()
    tile.write_bytes(data.replace(b"trk-1", b"trk-2"))
    with pytest.raises(VerificationError):
        recomputing.recompute(out, trust)
    shutil.rmtree(out / "logs")
    with pytest.raises(InputError, match="not an exported log"):
        recomputing.recompute(out, trust)
