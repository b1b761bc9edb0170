"""Export and recovery: static tiles stand for the log, and bring a rolled-back database up to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.errors import InputError, VerificationError
from ledger.log.anchor import content
from ledger.log.append import Log
from ledger.log.export import export
from ledger.log.fsck import fsck
from ledger.log.recover import Static, replay, surviving
from ledger.proofs import tree
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey
from ledger.proofs.tile import format_path, reader, tiles_of
from ledger.proofs.trust import make
from tests.ledger.logs import KEY, ORIGIN, event, log_in

TRUSTED = [Key(role="log", party="operator", public=KEY.public)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def grow(log: Log, name: str, count: int = 300) -> None:
    log.append([event(f"{name}-{i}") for i in range(count)], blobs=[name.encode()])


def rolled_back(home: Path, tmp_path: Path) -> tuple[Log, Path]:
    """A log with an old database, and the export of its newest state."""
    log = log_in(home)
    grow(log, "a")
    log.close()
    shutil.copytree(home, tmp_path / "backup")
    log = log_in(home)
    grow(log, "b")
    exported = tmp_path / "export"
    export(log, exported)
    log.close()
    for place in home.glob("settle.db*"):
        place.unlink()
    for place in (tmp_path / "backup").glob("settle.db*"):
        shutil.copy(place, home)
    return log_in(home, check=False), exported


def test_an_export_is_the_tree(home: Path, tmp_path: Path) -> None:
    """If this fails, other people's clients cannot verify us."""
    log = log_in(home)
    grow(log, "a", 700)
    export(log, tmp_path / "x", trust=make(ORIGIN, TRUSTED).encode())
    static = Static.open(tmp_path / "x", ORIGIN, TRUSTED)
    assert static.note == log.checkpoint()
    assert [body for _, bodies in static.entries(0) for body in bodies] == [one.body for one in log.entries()]
    assert tree.root(701, reader(static.tile)) == log.head().root
    expected = {format_path(level, n, width) for level, n, width in tiles_of(701)}
    found = {
        str(place.relative_to(tmp_path / "x")) for place in (tmp_path / "x" / "tile").rglob("*") if place.is_file()
    }
    assert {one for one in found if "entries" not in one} == expected
    assert b"quorum none" in (tmp_path / "x" / "policy").read_bytes()


def test_an_export_is_extended(home: Path, tmp_path: Path) -> None:
    """If this fails, publishing a grown log copies it whole, or leaves old and new tiles mixed."""
    log = log_in(home)
    grow(log, "a")
    first = export(log, tmp_path / "x")
    grow(log, "b", 10)
    second = export(log, tmp_path / "x")
    assert (first.size, second.size) == (301, 311)
    assert second.files < first.files
    Static.open(tmp_path / "x", ORIGIN, TRUSTED)


def test_an_export_does_not_overwrite_another_log(home: Path, tmp_path: Path) -> None:
    """If this fails, publishing into the wrong folder destroys what is there."""
    log = log_in(home)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no checkpoint"):
        export(log, tmp_path / "x")


def test_replay_brings_the_database_back(home: Path, tmp_path: Path) -> None:
    """If this fails, an operator with a good export still loses acknowledged events."""
    log, exported = rolled_back(home, tmp_path)
    with pytest.raises(VerificationError, match="rolled back"):
        log.check()
    done = replay(log, Static.open(exported, ORIGIN, TRUSTED))
    assert (done.size, done.replayed) == (601, 300)
    assert fsck(log).ok
    assert log.find_event("acme", "b-299") == 600
    assert replay(log_in(home), Static.open(exported, ORIGIN, TRUSTED)).replayed == 0


def test_replay_refuses_an_export_older_than_the_anchor(home: Path, tmp_path: Path) -> None:
    """If this fails, recovery itself rolls acknowledged events back."""
    log, exported = rolled_back(home, tmp_path)
    replay(log, Static.open(exported, ORIGIN, TRUSTED))
    grow(log, "c")
    log.close()
    for place in (tmp_path / "backup").glob("settle.db*"):
        shutil.copy(place, home)
    log = log_in(home, check=False)
    with pytest.raises(VerificationError, match="find a newer export"):
        replay(log, Static.open(exported, ORIGIN, TRUSTED))


def test_replay_refuses_another_branch(home: Path, tmp_path: Path) -> None:
    """If this fails, recovery joins two different histories."""
    (tmp_path / "fork").mkdir()
    fork = log_in(tmp_path / "fork")
    grow(fork, "other", 900)
    export(fork, tmp_path / "forked")
    log, _ = rolled_back(home, tmp_path)
    before = log.head()
    with pytest.raises(VerificationError, match=r"root|differ"):
        replay(log, Static.open(tmp_path / "forked", ORIGIN, TRUSTED))
    assert log.head() == before


@pytest.mark.parametrize("damage", ["tile", "entries", "checkpoint", "blob"])
def test_a_damaged_export_is_refused_and_nothing_is_kept(home: Path, tmp_path: Path, damage: str) -> None:
    """If this fails, recovery believes files."""
    log, exported = rolled_back(home, tmp_path)
    place = {
        "tile": exported / "tile/1/000.p/2",
        "entries": exported / "tile/entries/002.p/89",
        "checkpoint": exported / "checkpoint",
        "blob": next((exported / "blob").glob("*/*")),
    }[damage]
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(bytes(data))
    with pytest.raises(VerificationError):
        replay(log, Static.open(exported, ORIGIN, TRUSTED))
    assert log.head().size == 301


def test_an_outsiders_export_is_refused(home: Path, tmp_path: Path) -> None:
    """If this fails, anyone can hand the operator a history."""
    _, exported = rolled_back(home, tmp_path)
    stranger = [Key(role="log", party="operator", public=PrivateKey.generate().public)]
    with pytest.raises(VerificationError, match="you trust"):
        Static.open(exported, ORIGIN, stranger)


def test_a_lost_anchor_is_set_again_from_an_export(home: Path, tmp_path: Path) -> None:
    """If this fails, losing one small file ends the log."""
    log = log_in(home)
    grow(log, "a")
    export(log, tmp_path / "x")
    (home / "settle.anchor").unlink()
    replay(log_in(home, check=False), Static.open(tmp_path / "x", ORIGIN, TRUSTED))
    assert log_in(home).head().size == 301


def test_a_successor_names_both_heads(home: Path, tmp_path: Path) -> None:
    """If this fails, giving a log up hides how much was lost."""
    log, _ = rolled_back(home, tmp_path)
    anchored = log.anchor.read()
    assert anchored is not None
    assert [head["size"] for head in surviving(log)] == [301, content(anchored).size]
