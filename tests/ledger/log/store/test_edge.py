"""The right edge: what opening a log notices before anything is signed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ledger.errors import ConflictError, VerificationError
from ledger.log.anchor import content
from ledger.log.append import Log
from ledger.log.fsck import fsck
from ledger.log.opening import open_log
from ledger.proofs.keyring import Key
from ledger.proofs.keys import PrivateKey
from tests.ledger.logs import KEY, ORIGIN, TickingClock, event, log_in


def edit(folder: Path, *statements: str) -> None:
    """Change the database as its owner can: without the guards."""
    plain = sqlite3.connect(folder / "settle.db")
    for name in [row[0] for row in plain.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
        plain.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        plain.execute(statement)
    plain.commit()
    plain.close()


@pytest.fixture
def grown(tmp_path: Path) -> Log:
    log = log_in(tmp_path)
    for batch in range(3):
        log.append([event(f"e-{batch}-{i}") for i in range(300)])
    return log


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE entry SET body = CAST(replace(body, 'SE', 'DE') AS BLOB) WHERE idx = 900", "entry 900 is not the one"),
        ("DELETE FROM entry WHERE idx = 900", "900 entries are stored, the last checkpoint covers 901"),
        ("UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND n = 3", "has root"),
        ("UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE level = 1", "has root"),
        ("DELETE FROM tile WHERE level = 1", "tile 1/0 is missing"),
        ("UPDATE tile SET hashes = x'00' WHERE level = 0 AND n = 3", "partial tiles"),
        ("UPDATE checkpoint SET root = zeroblob(32) WHERE size = 901", "has root"),
        ("UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 601) WHERE size = 901", "at size 601"),
        ("DELETE FROM checkpoint WHERE size = 901", "901 entries are stored, the last checkpoint covers 601"),
    ],
)
def test_a_damaged_edge_is_refused(grown: Log, tmp_path: Path, statement: str, reason: str) -> None:
    """If this fails, the next checkpoint is signed over a tree that does not hold what was acknowledged."""
    grown.close()
    edit(tmp_path, statement)
    with pytest.raises(VerificationError, match=reason):
        log_in(tmp_path)
    unchecked = log_in(tmp_path, check=False)
    with pytest.raises((VerificationError, ConflictError)):
        unchecked.append([event("e-new")])


def test_a_rollback_is_refused_and_signs_nothing(grown: Log, tmp_path: Path) -> None:
    """If this fails, a restored backup forks the log."""
    anchored = grown.anchor.read()
    grown.close()
    edit(
        tmp_path,
        "DELETE FROM entry WHERE idx >= 601",
        "DELETE FROM event WHERE idx >= 601",
        "DELETE FROM checkpoint WHERE size > 601",
        "DELETE FROM tile WHERE level = 0 AND n = 3",
        "UPDATE tile SET hashes = substr(hashes, 1, 89 * 32) WHERE level = 0 AND n = 2",
        "UPDATE tile SET hashes = substr(hashes, 1, 2 * 32) WHERE level = 1",
    )
    with pytest.raises(VerificationError, match="ends at size 601, but size 901 has been acknowledged"):
        log_in(tmp_path)
    unchecked = log_in(tmp_path, check=False)
    with pytest.raises(VerificationError, match="rolled back"):
        unchecked.append([event("e-new")])
    assert unchecked.head().size == 601
    assert unchecked.anchor.read() == anchored


def test_a_fork_behind_the_head_is_refused(grown: Log, tmp_path: Path) -> None:
    """If this fails, a database on another branch goes on signing once it is longer than the anchor."""
    other = tmp_path / "other"
    other.mkdir()
    fork = log_in(other)
    fork.append([event(f"x-{i}") for i in range(1000)])
    (other / "settle.anchor").write_bytes(grown.checkpoint(301))
    with pytest.raises(VerificationError, match="it is a fork"):
        log_in(other)
    with pytest.raises(VerificationError, match="it is a fork"):
        fork.append([event("e-new")])


def test_a_missing_anchor_is_refused(grown: Log, tmp_path: Path) -> None:
    """If this fails, deleting one file makes a rollback invisible."""
    (tmp_path / "settle.anchor").unlink()
    with pytest.raises(VerificationError, match="no anchor to compare"):
        log_in(tmp_path)
    with pytest.raises(VerificationError, match="no anchor to compare"):
        grown.append([event("e-new")])


def test_an_anchor_of_another_log_is_refused(grown: Log, tmp_path: Path) -> None:
    """If this fails, two logs that share an anchor by mistake unlock each other."""
    text = (tmp_path / "settle.anchor").read_bytes()
    (tmp_path / "settle.anchor").write_bytes(text.replace(b"example.org/log", b"example.org/other"))
    with pytest.raises(VerificationError, match=r"belongs to log 'example\.org/other'"):
        log_in(tmp_path)
    grown.close()


def test_a_database_ahead_of_its_anchor_is_fine(grown: Log, tmp_path: Path) -> None:
    """If this fails, a crash between commit and acknowledgement stops the log for good."""
    (tmp_path / "settle.anchor").write_bytes(grown.checkpoint(301))
    log = log_in(tmp_path)
    log.append([event("e-new")])
    anchored = log.anchor.read()
    assert anchored is not None
    assert content(anchored).size == log.head().size == 902


def test_a_lost_database_is_not_begun_again(grown: Log, tmp_path: Path) -> None:
    """If this fails, an operator who loses the database starts a second log under the first one's name."""
    grown.close()
    for place in tmp_path.glob("settle.db*"):
        place.unlink()
    with pytest.raises(VerificationError, match="ends at size 0, but size 901"):
        log_in(tmp_path)


def test_entries_that_nobody_signed_for_are_not_vouched_for(tmp_path: Path) -> None:
    """If this fails, whoever can write to the database has entries signed by appending them himself."""
    trusted = [Key(role="log", party="operator", public=KEY.public)]
    stranger = PrivateKey.from_seed(b"7" * 32)
    place, held = tmp_path / "settle.db", tmp_path / "settle.anchor"
    log = open_log(place, origin=ORIGIN, signer=KEY, anchor=held, clock=TickingClock(), trusted=trusted)
    log.append([event("e-1")])
    log.close()
    anchored = held.read_bytes()
    forger = open_log(place, origin=ORIGIN, signer=stranger, anchor=held, clock=TickingClock())
    forger.append([event("forged")])
    forger.close()
    held.write_bytes(anchored)
    with pytest.raises(VerificationError, match="you trust"):
        open_log(place, origin=ORIGIN, signer=KEY, anchor=held, clock=TickingClock(), trusted=trusted)
    unchecked = open_log(
        place, origin=ORIGIN, signer=KEY, anchor=held, clock=TickingClock(), trusted=trusted, check=False
    )
    with pytest.raises(VerificationError, match="you trust"):
        unchecked.append([event("e-2")])
    assert any("you trust" in problem for problem in fsck(unchecked).problems)
    unchecked.close()
