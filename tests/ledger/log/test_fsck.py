"""fsck names the first entry that is not what was appended, whoever changed it and whatever else they changed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.log.append import Log
from ledger.log.fsck import fsck
from ledger.log.opening import open_log
from ledger.proofs import form, keyring, leaf, tree
from ledger.proofs.keyring import Key
from ledger.types import Head
from tests.ledger.ingest.streams import lines, row, take
from tests.ledger.log.store.test_edge import edit
from tests.ledger.logs import KEY, ORIGIN, TickingClock, event, log_in, note
from tests.ledger.world import World, seeded


@pytest.fixture
def grown(tmp_path: Path) -> Log:
    log = log_in(tmp_path)
    now = log.clock()
    log.append([leaf.make("track", now, id="trk-1"), leaf.assign(now, track="trk-1", vector="11" * 32, signer=KEY)])
    for batch in range(3):
        log.append([event(f"e-{batch}-{i}", vector="11" * 32) for i in range(300)], blobs=[b"matter %d" % batch])
    log.seal()
    log.append([note()])
    return log


def test_a_good_log_is_good(grown: Log) -> None:
    """If this fails, operators learn to ignore fsck."""
    found = fsck(grown)
    head = grown.head()
    assert (found.ok, found.first_bad, found.problems) == (True, None, [])
    assert (found.entries, found.root, found.chain) == (head.size, head.root.hex(), head.chain.hex())
    assert (found.checkpoints, found.blobs) == (7, 3)


@pytest.mark.parametrize(
    ("statement", "first_bad", "reason"),
    [
        (
            "UPDATE entry SET body = CAST(replace(body, 'SE', 'DE') AS BLOB) WHERE idx IN (500, 700)",
            500,
            "entry 500 is not the one",
        ),
        (
            "UPDATE entry SET body = CAST(replace(body, '\"units\":1', '\"units\":1.0') AS BLOB) WHERE idx = 40",
            40,
            "not an integer",
        ),
        (
            "UPDATE entry SET body = CAST(replace(body, ',\"v\":1', ', \"v\":1') AS BLOB) WHERE idx = 40",
            40,
            "not canonical",
        ),
        ("UPDATE entry SET type = 'note' WHERE idx = 40", 40, "is filed as 'note'"),
        ("UPDATE entry SET body = x'7b7d' WHERE idx = 0", 0, "entry 0"),
        ("DELETE FROM entry WHERE idx = 77", 77, "entries 77 to 77 are missing"),
        ("DELETE FROM entry WHERE idx >= 900", 900, "are missing"),
        ("UPDATE event SET idx = 6 WHERE event_id = 'e-0-2'", 5, "its id leads to 6"),
        ("DELETE FROM event WHERE event_id = 'e-0-2'", 5, "its id leads to None"),
        (
            "INSERT INTO event (source, event_id, idx) VALUES ('acme', 'ghost', 9)",
            None,
            "901 event ids are stored for 900",
        ),
        (
            "UPDATE tile SET hashes = CAST(x'00' || substr(hashes, 2) AS BLOB) WHERE level = 0 AND n = 1",
            256,
            "entry 256",
        ),
        ("DELETE FROM tile WHERE level = 0 AND n = 1", None, "tile 0/1 is missing"),
        ("UPDATE checkpoint SET root = zeroblob(32) WHERE size = 303", None, "checkpoint 303 has root"),
        ("UPDATE checkpoint SET chain = zeroblob(32) WHERE size = 303", None, "checkpoint 303 has chain"),
        ("UPDATE checkpoint SET note = x'00' WHERE size = 303", None, "checkpoint 303: note"),
        ("DELETE FROM checkpoint WHERE size = 905", 904, "covered by no checkpoint"),
        ("UPDATE blob SET data = x'00' WHERE data = CAST('matter 1' AS BLOB)", None, "has another"),
        ("UPDATE log_track SET vector = NULL", None, "projection of track 'trk-1'"),
        ("DELETE FROM log_track", None, "projection of track 'trk-1'"),
    ],
)
def test_a_hand_edited_row_is_named(
    grown: Log, tmp_path: Path, statement: str, first_bad: int | None, reason: str
) -> None:
    """If this fails, someone with the database can change history without fsck saying where."""
    grown.close()
    edit(tmp_path, statement)
    found = fsck(log_in(tmp_path, check=False))
    assert not found.ok
    assert found.first_bad == first_bad
    assert any(reason in problem for problem in found.problems), found.problems


def test_a_consistent_forgery_is_caught_by_the_checkpoints(grown: Log, tmp_path: Path) -> None:
    """If this fails, whoever rewrites an entry and its tile together goes unnoticed."""
    body = grown.entry(500).body.replace(b"SE", b"DE")
    grown.close()
    plain = sqlite3.connect(tmp_path / "settle.db")
    tile = plain.execute("SELECT hashes FROM tile WHERE level = 0 AND n = 1").fetchone()[0]
    plain.close()
    place = (500 - 256) * 32
    forged = tile[:place] + tree.leaf_hash(body) + tile[place + 32 :]
    entry_edit = f"UPDATE entry SET body = x'{body.hex()}' WHERE idx = 500"  # noqa: S608  our own hex
    tile_edit = f"UPDATE tile SET hashes = x'{forged.hex()}' WHERE level = 0 AND n = 1"  # noqa: S608
    edit(tmp_path, entry_edit, tile_edit)
    found = fsck(log_in(tmp_path, check=False))
    assert any("checkpoint 603 has root" in problem for problem in found.problems)


def test_a_vector_slipped_in_beside_the_log_is_named(grown: Log, tmp_path: Path) -> None:
    """If this fails, whoever can write to the projection decides for good whom events pay."""
    log, size = grown, grown.head().size
    edit(tmp_path, "UPDATE log_track SET vector = replace(vector, '1', '2')")
    take(log, lines(row("late-1"), row("late-2")))
    edit(tmp_path, "UPDATE log_track SET vector = replace(vector, '2', '1')")
    found = fsck(log)
    assert (found.ok, found.first_bad) == (False, size)
    assert "binds track 'trk-1' to vector 2222222222222222; assigned to it there is vector 1111" in found.problems[0]


def test_a_vector_that_came_with_its_event_is_its_own(tmp_path: Path) -> None:
    """If this fails, fsck cries over events that carry their vectors, or takes another batch's evidence."""
    log = log_in(tmp_path)
    now = log.clock()
    log.append([leaf.make("track", now, id=track) for track in ("trk-1", "trk-2")])
    evidence = leaf.vector(now, track="trk-1", statement="33" * 32, method="declared")
    log.append([evidence, event("e-1", vector="33" * 32), event("e-2", vector="33" * 32)])
    assert fsck(log).ok
    size = log.head().size
    log.append([event("e-3", vector="33" * 32)])
    log.append([evidence, event("e-4", track="trk-2", vector="33" * 32)])
    found = fsck(log)
    assert (found.first_bad, len(found.problems)) == (size, 2)


def test_the_whole_projection_is_rebuilt_and_compared(grown: Log, tmp_path: Path) -> None:
    """If this fails, an assignment's place in the log can be changed where readers look it up."""
    edit(tmp_path, "UPDATE log_track SET assigned_idx = 7")
    assert fsck(grown).problems == ["the projection of track 'trk-1' differs from the log"]


WORLD = World()
SECOND = seeded("second")


def stating(kind: str, log: Log, head: Head, second: Key) -> dict[str, Any]:
    """A leaf that states this tree: the end of the second log key, or the line of form 2."""
    if kind == "form":
        return form.draw(log.clock(), head, WORLD.operator_key)
    if kind == "revoke":
        return keyring.revoke(
            log.clock(), signer=KEY.for_log(ORIGIN), key_id=second.public.id, until=head.size, head=head
        )
    return keyring.rotate(
        log.clock(),
        signer=SECOND.for_log(ORIGIN),
        role="log",
        party="operator",
        public=seeded("third").public,
        until=head.size,
        head=head,
    )


@pytest.mark.parametrize("odd", [{"gross_micros": -1, "currency": "EUR"}, {"remark": "none"}, {"units": -1}])
def test_an_event_in_a_form_of_its_own_is_named(tmp_path: Path, odd: dict[str, Any]) -> None:
    """If this fails, an event that no reader takes for one is asked for no batch, though its source signs (V14)."""
    log = log_in(tmp_path)
    log.append([event("e-1")])
    log.append([event("e-2") | odd])
    found = fsck(log)
    assert found.first_bad == 2
    assert "form of its own" in found.problems[0]


@pytest.mark.parametrize("kind", ["rotate", "revoke", "form"])
def test_a_tree_that_a_leaf_states_is_derived(tmp_path: Path, kind: str) -> None:
    """If this fails, a log key ends, or the line of form 2 is drawn, with a tree that the log never had."""
    keys = [each for each in WORLD.trust().logs[0].keys if each.role != "log"]
    own = Key(role="log", party="operator", public=KEY.public)
    second = Key(role="log", party="operator", public=SECOND.public)
    for true in (True, False):
        log = open_log(
            tmp_path / f"{true}.db",
            origin=ORIGIN,
            signer=KEY,
            anchor=tmp_path / f"{true}.anchor",
            clock=TickingClock(),
            trusted=[*keys, own, second],
        )
        log.append([note()])
        at = log.head()
        log.append([stating(kind, log, at if true else replace(at, root=bytes(32)), second)])
        examined = fsck(log)
        assert examined.ok == true, examined.problems
        if not true:
            assert [problem.split(" at size")[0] for problem in examined.problems] == [
                f"{'form' if kind == 'form' else 'key'} {at.size} commits to another tree or chain"
            ]
        log.close()
