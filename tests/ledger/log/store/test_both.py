"""One suite for both stores: whatever holds for a log holds on SQLite and on PostgreSQL."""

from __future__ import annotations

import multiprocessing
import re
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from ledger.errors import ConflictError, SettleError, VerificationError
from ledger.ingest import quarantine
from ledger.ingest.erasure import erase
from ledger.log.append import Log
from ledger.log.export import export
from ledger.log.fsck import fsck
from ledger.log.opening import open_log
from ledger.log.recover import Static, replay
from ledger.log.store import queries
from ledger.proofs import leaf, member, tree
from ledger.proofs.keyring import Key
from ledger.types import Head
from tests.ledger.ingest.streams import VECTOR, events, lines, row, take
from tests.ledger.log.store.both import Place
from tests.ledger.logs import KEY, ORIGIN, TickingClock, event, note


def prepared(place: Place) -> Log:
    log = place.open()
    now = log.clock()
    log.append(
        [leaf.make("track", now, id="trk-1"), leaf.assign(now, track="trk-1", vector=VECTOR, signer=KEY)],
        blobs=[b"matter"],
    )
    return log


def test_append_read_prove(place: Place) -> None:
    """If this fails, a store is not a log."""
    log = prepared(place)
    for batch in range(3):
        log.append([event(f"e-{batch}-{i}", vector=VECTOR) for i in range(300)])
    bodies = [entry.body for entry in log.entries()]
    assert log.head().root == tree.root_of(tree.leaf_hashes(bodies)) == place.open().check().root
    assert [entry.index for entry in log.entries(types=["assign", "log"])] == [0, 2]
    assert log.find_event("acme", "e-1-7") == 310
    assert log.assignments() == {"trk-1": (VECTOR, 2)}
    tree.check_consistency(303, 903, log.consistency(303, 903), tree.root(303, log.read), log.head().root)
    assert fsck(log).ok


def test_a_database_of_0_1_is_shut_to_it_in_a_transaction(place: Place) -> None:
    """If this fails, a store of release 0.1 cannot be upgraded, or is half upgraded after a crash."""
    log = prepared(place)
    with log.store.reading() as connection:
        assert not log.store.opens_in_0_1(connection), "a new database is not for release 0.1"
    old = {"sqlite": "PRAGMA user_version = 1", "postgres": "UPDATE alembic_version SET version_num = '0002'"}
    place.edit(old[place.kind])
    log = place.open()
    with suppress(KeyboardInterrupt), log.store.writing() as tx:
        log.store.shut_to_0_1(tx)
        raise KeyboardInterrupt
    with log.store.writing() as tx:
        assert log.store.opens_in_0_1(tx)
        log.store.shut_to_0_1(tx)
    with log.store.reading() as connection:
        assert not log.store.opens_in_0_1(connection)
    assert place.open().check().size == log.head().size


def test_duplicates_conflicts_and_quarantine(place: Place) -> None:
    """If this fails, a store counts or keeps rows in its own way."""
    log = prepared(place)
    data = lines(row("e-1"), row("e-2", track="nobody"), row("e-3"), row("e-3", units=2), b"{")
    first, again = take(log, data), take(log, data)
    assert (first.accepted, first.conflicts, first.quarantined) == (2, 1, 2)
    assert (again.accepted, again.duplicates, again.conflicts, again.quarantined) == (0, 2, 1, 2)
    with log.store.reading() as connection:
        assert [kept.kind for kept in quarantine.listed(connection)] == ["unknown-track", "conflict", "invalid"]
    assert [found["vector"] for found in events(log)] == [VECTOR, VECTOR]


def test_quarantine_is_read_in_parts(place: Place) -> None:
    """If this fails, a file of rows without a track, or with a reason each, fills the memory of who looks at them."""
    log = prepared(place)
    long = lines(row("e-0", track="nobody")).rstrip(b"\n").ljust(10_000)
    other = [row(f"e-{number}", track=f"other-{number}") for number in range(1, 4)]
    take(log, lines(*(row(f"n-{number}", track="nobody") for number in range(5)), long, *other), name="acme.ndjson")
    take(log, lines(b"{"), name="else.ndjson")
    with log.store.reading() as connection:
        assert (quarantine.count(connection), quarantine.count(connection, name="else.ndjson")) == (10, 1)
        assert quarantine.count_by_kind(connection) == {"invalid": 1, "unknown-track": 9}
        groups, total = quarantine.grouped(connection, most=2, most_ids=4, examples=2)
        everything, _ = quarantine.grouped(connection, most=100, most_ids=100, examples=100)
        ids = [kept.id for kept in quarantine.listed(connection)]

        def page(after: int, most: int, most_bytes: int) -> list[int]:
            rows = quarantine.waiting_page(connection, "acme.ndjson", after=after, most=most, most_bytes=most_bytes)
            return [kept.id for kept in rows]

        assert page(0, 4, 1 << 20) == ids[:4]
        assert page(ids[3], 100, 1 << 20) == ids[4:9]
        assert page(ids[4], 100, 1) == [ids[5]]
        assert page(2**63, 1, 1) == []
    assert [(group.count, len(group.ids), len(group.examples)) for group in groups] == [(6, 4, 2), (1, 1, 1)]
    assert (total, len(everything), sum(group.count for group in everything)) == (5, 5, 10)
    assert sorted(number for group in everything for number in group.ids) == ids
    assert max(len(kept.raw) for kept in everything[0].examples) == quarantine.RAW_SHOWN


def test_many_events_at_once(place: Place) -> None:
    """If this fails, the bulk way writes something else than the small one."""
    log = prepared(place)
    take(log, lines(*(row(f"e-{i}", listener=f"u-{i % 100}") for i in range(12_000))))
    found = fsck(log)
    assert (found.ok, found.entries) == (True, 12_003)
    assert len({event["listener"] for event in events(log)}) == 100


def test_tracks_that_a_home_log_registers(place: Place) -> None:
    """If this fails, a log that follows another refuses the events of its tracks, or fsck its entries."""
    log = place.open()
    home = Head("example.org/home", 7, bytes(32), bytes(32))
    names = [f"trk-{n}" for n in range(450)]
    log.append(
        [
            *member.follow(log.clock(), home, names, KEY),
            leaf.assign(log.clock(), track="trk-3", vector=VECTOR, signer=KEY),
        ]
    )
    counts = take(log, lines(row("e-1", track="trk-3"), row("e-2", track="trk-449"), row("e-3", track="trk-450")))
    assert (counts.accepted, counts.unresolved, counts.quarantined) == (2, 1, 1)
    take(log, lines(row("e-4", source="zeta", track="trk-1"), row("e-5", source="beta", track="trk-1")))
    with log.store.reading() as connection:
        assert queries.sources(connection) == ["acme", "beta", "zeta"]
    assert fsck(log).ok


def test_erasing_a_listener(place: Place) -> None:
    """If this fails, forgetting works on one store only."""
    log = prepared(place)
    take(log, lines(row("e-1"), row("e-2", track="nobody")))
    assert (erase(log.store, "acme", "u-77").salts, erase(log.store, "acme", "u-77").salts) == (1, 0)
    with log.store.reading() as connection:
        assert "u-77" not in quarantine.listed(connection)[0].raw
    assert fsck(log).ok


def test_a_moved_log_is_a_conflict(place: Place) -> None:
    """If this fails, two decisions are taken on one state."""
    log, other = prepared(place), place.open()
    size = log.head().size
    other.append([note()])
    with pytest.raises(ConflictError, match="moved meanwhile"):
        log.append([note()], expect_size=size)
    with pytest.raises(ConflictError):
        log.append([event("a"), event("a")])
    assert log.append([note()]).size == size + 2


def execute(log: Log, *statements: str) -> None:
    """Run statements on the writers' connection."""
    with log.store.writing() as tx:
        for statement in statements:
            tx.execute(text(statement))


REFUSED = [
    "UPDATE entry SET body = '\\x00' WHERE idx = 1",
    "DELETE FROM entry WHERE idx = 1",
    "TRUNCATE entry",
    "INSERT INTO entry (idx, type, body) VALUES (9, 'event', '\\x00')",
    "INSERT INTO entry (idx, type, body) VALUES (1, 'x', '\\x00') ON CONFLICT (idx) DO UPDATE SET body = excluded.body",
    "UPDATE event SET idx = 0",
    "DELETE FROM event",
    "TRUNCATE event",
    "INSERT INTO event (source, event_id, idx) VALUES ('acme', 'e-1', 0)",
    "INSERT INTO event VALUES ('acme', 'e-1', 0) ON CONFLICT (source, event_id) DO UPDATE SET idx = 0",
    "UPDATE checkpoint SET root = '\\x00'",
    "DELETE FROM checkpoint",
    "TRUNCATE checkpoint",
    "INSERT INTO checkpoint (size, root, chain, note) VALUES (99, '\\x00', '\\x00', '\\x00')",
    "UPDATE tile SET hashes = '\\x00'",
    "UPDATE tile SET n = 7",
    "DELETE FROM tile",
    "TRUNCATE tile",
    "UPDATE blob SET data = '\\x00'",
    "DELETE FROM blob",
    "TRUNCATE blob",
]


@pytest.mark.postgres
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_postgres_refuses_changes(tmp_path: Path, role: str) -> None:
    """If this fails, the log can be changed by accident, or by whoever sets session_replication_role."""
    from tests.ledger.log.store.both import places

    for place in places("postgres", tmp_path):
        log = prepared(place)
        log.append([event("e-1", vector="ab" * 32)])
        for statement in REFUSED:
            with pytest.raises(SettleError, match=r"append-only|unique constraint"):
                execute(log, f"SET LOCAL session_replication_role = {role}", statement)
        assert fsck(log).ok


@pytest.mark.postgres
def test_a_writer_needs_no_more_than_its_grants(tmp_path: Path) -> None:
    """If this fails, the service must run as the owner, or the owner's rights leak to it."""
    from ledger.log.store.guards_postgres import grants
    from tests.ledger.log.store.both import places

    for place in places("postgres", tmp_path):
        owner = prepared(place)
        writer = f"writer_{uuid4().hex}"  # roles belong to the server, not to this test's database
        with owner.store.writers.begin() as connection:
            connection.execute(text(f"CREATE ROLE {writer} LOGIN"))
            for statement in grants(writer, writer=True):
                connection.execute(text(statement))
        log = open_log(
            re.sub("//[^@]*@", f"//{writer}@", place.store),
            origin=ORIGIN,
            signer=KEY,
            anchor=place.anchor,
            clock=TickingClock(),
        )
        try:
            assert take(log, lines(row("e-1"), row("e-2", track="nobody"))).accepted == 1
            erase(log.store, "acme", "u-77")
            for statement in ("DELETE FROM entry", "DROP TABLE entry", "ALTER TABLE entry DISABLE TRIGGER ALL"):
                with pytest.raises(SettleError, match=r"permission denied|must be owner"):
                    execute(log, statement)
        finally:
            log.close()
        with owner.store.writers.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {writer}"))
            connection.execute(text(f"DROP ROLE {writer}"))


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("UPDATE entry SET body = (SELECT body FROM entry WHERE idx = 4) WHERE idx = 5", 5),
        ("UPDATE entry SET type = 'note' WHERE idx = 7", 7),
        ("DELETE FROM entry WHERE idx = 6", 6),
        ("UPDATE event SET idx = 8 WHERE event_id = 'e-1'", 4),
        ("DELETE FROM event WHERE event_id = 'e-1'", 4),
        ("UPDATE checkpoint SET chain = root", None),
        ("DELETE FROM tile", None),
        ("DELETE FROM log_track", None),
    ],
)
def test_fsck_names_what_was_edited(place: Place, statement: str, first_bad: int | None) -> None:
    """If this fails, the owner of a database can change history without fsck saying where."""
    prepared(place).append([event(f"e-{i}", vector=VECTOR) for i in range(10)])
    place.edit(statement)
    found = fsck(place.open(check=False))
    assert (found.ok, found.first_bad) == (False, first_bad)
    assert found.problems


def test_rollback_and_recovery(place: Place, tmp_path: Path) -> None:
    """If this fails, a restored backup forks the log, or cannot be brought forward again."""
    log = prepared(place)
    log.append([event(f"e-{i}", vector=VECTOR) for i in range(10)])
    export(log, tmp_path / "x")
    place.edit(
        "DELETE FROM entry WHERE idx >= 3",
        "DELETE FROM event WHERE idx >= 3",
        "DELETE FROM checkpoint WHERE size > 3",
        "UPDATE tile SET hashes = substr(hashes, 1, 96)",
    )
    with pytest.raises(VerificationError, match="rolled back"):
        place.open()
    broken = place.open(check=False)
    with pytest.raises(VerificationError, match="rolled back"):
        broken.append([note()])
    trusted = [Key(role="log", party="operator", public=KEY.public)]
    assert replay(broken, Static.open(tmp_path / "x", ORIGIN, trusted)).replayed == 10
    assert fsck(place.open()).ok


WRITERS, EACH = 4, 500


def write(store: str, anchor: str, number: int) -> None:
    """One writer process: its own events, and the same hundred as everybody else's."""
    log = open_log(store, origin=ORIGIN, signer=KEY, anchor=anchor, clock=TickingClock())
    shared = [row(f"shared-{i}", listener="u-1") for i in range(100)]
    own = [row(f"w{number}-{i}", listener=f"u-{i % 50}") for i in range(EACH)]
    for start in range(0, EACH, 250):
        take(log, lines(*own[start : start + 250], *shared))
    log.close()


def test_four_writers_make_one_log(place: Place) -> None:
    """If this fails, writer processes lose, double or misplace each other's events."""
    prepared(place)
    place.close()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(place.store, place.anchor, n)) for n in range(WRITERS)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
        assert one.exitcode == 0
    log = place.open()
    found = fsck(log)
    assert found.ok, found.problems
    assert found.entries == 3 + WRITERS * EACH + 100
    assert {event["vector"] for event in events(log)} == {VECTOR}


@pytest.mark.postgres
def test_an_anchor_in_a_second_database(tmp_path: Path) -> None:
    """If this fails, several hosts share no anchor, or one that moves back."""
    from tests.postgres import database, server_url

    with database(server_url()) as first, database(server_url()) as second:
        place = Place("postgres", first, second)
        log = prepared(place)
        log.append([event("e-1")])
        assert place.open().anchor.read() == log.checkpoint()
        old = log.checkpoint(3)
        with pytest.raises(VerificationError, match="will not move"), log.anchor.held() as held:
            held.advance(old)
        place.close()
