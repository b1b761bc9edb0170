"""The log as a whole: append, read, prove, on SQLite."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ledger.errors import ConflictError, InputError, StateError, VerificationError
from ledger.log import anchor
from ledger.proofs import checkpoint, leaf, note, tlog_proof, tree
from tests.ledger.logs import KEY, ORIGIN, TickingClock, event, log_in
from tests.ledger.logs import note as remark

NOW = TickingClock()()


def test_a_new_log_holds_its_own_name(tmp_path: Path) -> None:
    """If this fails, a log cannot be told from another with the same entries."""
    log = log_in(tmp_path)
    first = leaf.decode(log.entry(0).body)
    assert (first["type"], first["origin"], log.head().size) == ("log", ORIGIN, 1)


def test_an_append_is_signed_anchored_and_there(tmp_path: Path) -> None:
    """If this fails, an acknowledgement does not mean committed, anchored and covered by a signed checkpoint."""
    log = log_in(tmp_path)
    done = log.append([event("e-1"), event("e-2")])
    signed = checkpoint.open(done.checkpoint, ORIGIN, [note.Vkey(ORIGIN, KEY.public)])
    assert (done.first, done.size) == (1, 3)
    assert (signed.size, signed.root) == (3, tree.root_of([tree.leaf_hash(e.body) for e in log.entries()]))
    assert log.anchor.read() == done.checkpoint == log.checkpoint()
    assert log_in(tmp_path).head() == log.head()


def test_appending_nothing_is_refused(tmp_path: Path) -> None:
    """If this fails, an empty batch signs a checkpoint that says nothing new."""
    with pytest.raises(InputError, match="at least one leaf"):
        log_in(tmp_path).append([])


def test_an_event_id_is_used_once(tmp_path: Path) -> None:
    """If this fails, one stream can be paid twice."""
    log = log_in(tmp_path)
    log.append([event("e-1")])
    with pytest.raises(ConflictError, match="has used this event id"):
        log.append([event("e-2"), event("e-1")])
    assert log.head().size == 2
    assert log.find_event("acme", "e-2") is None
    assert log.append([event("e-2"), event("e-1", source="other")]).size == 4


def test_a_moved_log_is_a_conflict(tmp_path: Path) -> None:
    """If this fails, a decision taken on an old state is written over a newer one."""
    log, other = log_in(tmp_path), log_in(tmp_path)
    size = log.head().size
    other.append([remark()])
    with pytest.raises(ConflictError, match="moved meanwhile"):
        log.append([remark()], expect_size=size)
    log.append([remark()], expect_size=size + 1)


def test_two_writers_share_one_tree(tmp_path: Path) -> None:
    """If this fails, a second process appends to a tree that is no longer there."""
    logs = [log_in(tmp_path), log_in(tmp_path)]
    for i in range(60):
        logs[i % 2].append([event(f"e-{i}-{j}") for j in range(i)] or [remark()])
    bodies = [entry.body for entry in logs[0].entries()]
    assert logs[0].head().root == tree.root_of(tree.leaf_hashes(bodies))
    assert logs[0].check() == logs[1].head()


def test_entries_by_type_and_range(tmp_path: Path) -> None:
    """If this fails, a room reads leaves that are not its own, or misses some."""
    log = log_in(tmp_path)
    log.append([event(f"e-{i}") for i in range(5000)])
    log.append([remark(str(i)) for i in range(5000)])
    assert [e.index for e in log.entries(types=["log", "note"], start=0, stop=5003)] == [0, 5001, 5002]
    assert sum(1 for _ in log.entries(types=["note"])) == 5000
    assert [e.index for e in log.entries(start=4999)] == list(range(4999, 10001))
    assert list(log.entries(start=7, stop=7)) == []


def test_proofs_lead_to_signed_roots(tmp_path: Path) -> None:
    """If this fails, a receipt proves nothing."""
    log = log_in(tmp_path)
    sizes = [log.append([event(f"e-{size}-{i}") for i in range(size)]).size for size in (1, 254, 300, 1000)]
    for size in sizes:
        signed = checkpoint.parse(note.parse(log.checkpoint(size)).text)
        for index in range(0, size, 37):
            found = tlog_proof.parse(log.inclusion(index, size))
            tree.check_inclusion(index, size, tree.leaf_hash(log.entry(index).body), found.hashes, signed.root)
    for old, new in itertools.pairwise(sizes):
        roots = [anchor.content(log.checkpoint(size)).root for size in (old, new)]
        tree.check_consistency(old, new, log.consistency(old, new), *roots)


def test_a_receipt_is_given_again_as_it_was(tmp_path: Path) -> None:
    """If this fails, a duplicate is answered with another receipt than the original."""
    log = log_in(tmp_path)
    first = log.append([event("e-1"), event("e-2")])
    log.append([event("e-3")])
    assert log.covering(1) == log.covering(2) == first.checkpoint
    assert tlog_proof.parse(log.inclusion(1, first.size)).checkpoint == first.checkpoint


def test_assignments_follow_the_newest_leaf(tmp_path: Path) -> None:
    """If this fails, an event binds to a vector that no longer pays."""
    log = log_in(tmp_path)
    log.append([leaf.make("track", NOW, id="trk-1"), leaf.make("track", NOW, id="trk-2")])
    for digest in ("11" * 32, "22" * 32):
        log.append([leaf.assign(NOW, track="trk-1", vector=digest, signer=KEY)])
    assert log.assignments() == {"trk-1": ("22" * 32, 4)}


def test_blobs_are_named_by_content(tmp_path: Path) -> None:
    """If this fails, a statement can be swapped for another behind its digest."""
    log = log_in(tmp_path)
    digest = log.put_blob(b"matter")
    assert log.put_blob(b"matter") == digest
    assert log.blob(digest) == b"matter"
    with pytest.raises(InputError, match="keeps nothing"):
        log.blob("00" * 32)


def test_seal_commits_the_tree_to_the_chain(tmp_path: Path) -> None:
    """If this fails, the chain can be rewritten without the tree noticing."""
    log = log_in(tmp_path)
    log.append([event("e-1")])
    head = log.head()
    log.seal()
    sealed = leaf.decode(log.entry(2).body)
    assert (sealed["size"], sealed["root"], sealed["chain"]) == (2, head.root.hex(), head.chain.hex())


def test_a_clock_set_back_writes_nothing(tmp_path: Path) -> None:
    """If this fails, setting the machine's clock back uses grants that have ended and dates what is late as early."""
    clock = TickingClock()
    log = log_in(tmp_path, clock=clock)
    clock.advance(days=30)
    log.seal()
    log.append([event(f"e-{i}") for i in range(3)])
    clock.advance(seconds=-50)
    log.seal()
    clock.advance(seconds=-50)
    for found in (log, log_in(tmp_path, clock=clock)):
        with pytest.raises(StateError, match=r"says 2026-07-31T11:58:20Z, .* at 2026-07-31T12:00:00Z; set"):
            found.append([leaf.make("note", clock())])
        with pytest.raises(StateError, match="set the clock right"):
            found.append([event("e-9"), leaf.make("note", clock())])
    size = log.head().size
    log.append([event("e-9")])
    other = log_in(tmp_path, clock=clock)
    clock.advance(days=1)
    other.seal()
    clock.advance(hours=-1)
    with pytest.raises(StateError, match="2026-08-01T11:58:20Z; set the clock"):
        log.append([leaf.make("note", clock())])
    assert log.head().size == size + 2


def test_another_origin_is_refused(tmp_path: Path) -> None:
    """If this fails, one log signs for another."""
    log_in(tmp_path)
    from ledger.log.opening import open_log

    with pytest.raises(VerificationError, match=r"example\.org/log"):
        open_log(
            tmp_path / "settle.db",
            origin="x.org/b",
            signer=KEY,
            anchor=tmp_path / "settle.anchor",
            clock=TickingClock(),
        )
