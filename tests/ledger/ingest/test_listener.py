"""Listeners: the same within a month, strangers across months and sources, and forgotten on demand."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ledger.ingest import quarantine
from ledger.ingest.erasure import erase, strike
from ledger.ingest.listener import commit
from ledger.log.anchor import content
from ledger.log.append import Log
from ledger.log.fsck import fsck
from ledger.proofs import leaf, tlog_proof, tree
from tests.ledger.ingest.streams import events, known_log, lines, row, take
from tests.ledger.logs import log_in


def commitments(log: Log) -> list[str | None]:
    return [event.get("listener") for event in events(log)]


def test_a_commitment_names_nobody(tmp_path: Path) -> None:
    """If this fails, a listener's id is in the log for ever."""
    log = known_log(tmp_path)
    take(log, lines(row("e-1")))
    assert all(b"u-77" not in entry.body for entry in log.entries())
    assert len(commitments(log)[0] or "") == 64


def test_a_listener_is_one_person_within_a_month_of_a_source(tmp_path: Path) -> None:
    """If this fails, user-centric rules count one listener twice, or follow them for years."""
    log = known_log(tmp_path)
    take(log, lines(row("a"), row("b"), row("c", listener="u-78"), row("d", source="other"), row("e", listener=None)))
    take(log_in(tmp_path), lines(row("f"), row("g", occurred_at="2026-05-31T23:59:59Z")))
    a, b, c, d, e, f, g = commitments(log)
    assert a == b == f
    assert len({a, c, d, g}) == 4
    assert e is None


def test_erasing_forgets_the_person_and_breaks_no_proof(tmp_path: Path) -> None:
    """If this fails, the right to be forgotten costs the auditor a proof, or is not kept."""
    log = known_log(tmp_path)
    take(log, lines(row("a"), row("b", occurred_at="2026-05-01T00:00:00Z")))
    take(log, lines(row("a", units=2), row("x", track="nobody"), b'{"source": "acme", "listener": "u-77", "units": '))
    take(log, lines(row("y", track="nobody", listener="u-78")))
    index = log.find_event("acme", "a")
    assert index is not None
    before = tlog_proof.parse(log.inclusion(index))
    gone = erase(log.store, "acme", "u-77")
    assert (gone.salts, gone.rows) == (2, 3)
    assert erase(log.store, "acme", "u-77") == type(gone)(source="acme", salts=0, rows=0)
    with log.store.reading() as connection:
        kept = quarantine.listed(connection)
    assert ["u-78" in one.raw for one in kept] == [False, False, False, True]
    assert not any("u-77" in one.raw for one in kept)
    said = content(before.checkpoint)
    tree.check_inclusion(index, said.size, tree.leaf_hash(log.entry(index).body), before.hashes, said.root)
    assert fsck(log).ok
    take(log, lines(row("c")))
    assert commitments(log)[-1] not in commitments(log)[:-1]


def test_nothing_of_an_erased_salt_is_left_in_the_file(tmp_path: Path) -> None:
    """If this fails, a copy of the database still ties the person to the log."""
    log = known_log(tmp_path)
    take(log, lines(row("a", listener="a-very-recognisable-listener")))
    with sqlite3.connect(tmp_path / "settle.db") as plain:
        salt = plain.execute("SELECT salt FROM listener_salt").fetchone()[0]
    plain.close()
    erase(log.store, "acme", "a-very-recognisable-listener")
    left = b"".join(place.read_bytes() for place in tmp_path.iterdir() if place.is_file())
    assert b"a-very-recognisable-listener" not in left
    assert salt not in left


def test_erased_rows_can_still_be_replayed(tmp_path: Path) -> None:
    """If this fails, forgetting a listener costs a stream."""
    log = known_log(tmp_path)
    take(log, lines(row("x", track="trk-9")))
    erase(log.store, "acme", "u-77")
    log.append([leaf.make("track", log.clock(), id="trk-9")])
    with log.store.reading() as connection:
        raw = quarantine.raw_of(connection, quarantine.listed(connection)[0].id)
    assert take(log, raw + b"\n").accepted == 1
    assert commitments(log) == [None]


def test_strike_leaves_others_alone() -> None:
    """If this fails, erasing one listener damages another's row."""
    assert strike(b'{"source": "acme", "listener": "u-770"}', "", "acme", "u-77") is None
    assert strike(b'{"source": "other", "listener": "u-77"}', "", "acme", "u-77") is None
    struck = strike(b"acme,e,u-77,u-770,xu-77", "listener u-77: odd", "acme", "u-77")
    assert struck == (b"acme,e,[erased],u-770,xu-77", "listener [erased]: odd")


def test_a_commitment_is_hmac_sha256() -> None:
    """If this fails, nobody with the salt can check a commitment (RFC 4231 test case 2)."""
    assert commit(b"Jefe", "what do ya want for nothing?").startswith("5bdcc146bf60754e6a042426089575c7")
