"""Single events from many threads: a receipt for each, few commits, and no belief in what failed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.errors import InputError, TransientError
from ledger.ingest.singles import Answered, Singles
from ledger.log.anchor import AnchorLock, FileAnchor, content
from ledger.log.append import Log
from ledger.log.fsck import fsck
from ledger.proofs import leaf, proof, tree
from tests.ledger.ingest.streams import entropy, events, known_log, row
from tests.ledger.log.store.both import Place
from tests.ledger.logs import log_in

THREADS, EACH = 64, 4


def line(event_id: str) -> bytes:
    return json.dumps(row(event_id)).encode()


def commits(log: Log) -> int:
    return fsck(log).checkpoints


def check_receipt(answered: Answered, event_id: str) -> None:
    """The receipt alone shows this event to stand in the log where it says."""
    assert answered.receipt is not None
    found = proof.parse(answered.receipt)
    assert found.extra is not None
    said = content(found.checkpoint)
    tree.check_inclusion(found.index, said.size, tree.leaf_hash(found.extra), found.hashes, said.root)
    assert (found.index, leaf.decode(found.extra)["event_id"]) == (answered.index, event_id)


def by_many(singles: Singles, names: list[str]) -> list[Answered]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(singles.take, map(line, names)))


@pytest.mark.slow
def test_many_callers_wait_for_a_tenth_of_the_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a platform that sends single events gets as many a second as the disk has commits."""
    log = known_log(tmp_path)
    held = FileAnchor.held

    @contextmanager
    def slow(anchor: FileAnchor) -> Iterator[AnchorLock]:
        """A commit as a disk makes it that does not lie about having synced: 20 ms."""
        with held(anchor) as found:
            time.sleep(0.02)
            yield found

    monkeypatch.setattr(FileAnchor, "held", slow)
    names = [f"b-{i}" for i in range(THREADS * 20)]
    before = commits(log)
    by_many(Singles(log, name="singles", entropy=entropy()), names)
    assert len(names) >= 10 * (commits(log) - before)


def test_each_of_many_callers_gets_their_own_receipt(place: Place) -> None:
    """If this fails, sharing a commit mixes up who sent what, or every event still costs a commit."""
    log = place.open()
    log.append([leaf.make("track", log.clock(), id="trk-1")])
    before = commits(log)
    names = [f"e-{i}" for i in range(THREADS * EACH)]
    found = by_many(Singles(log, name="singles", entropy=entropy()), names)
    for name, answered in zip(names, found, strict=True):
        check_receipt(answered, name)
    assert sorted(one["event_id"] for one in events(log)) == sorted(names)
    assert commits(log) - before <= len(names) / 4
    assert fsck(log).ok


def test_what_is_wrong_with_one_is_nobody_elses(tmp_path: Path) -> None:
    """If this fails, one bad row takes others' events down, or is answered with their receipt."""
    singles = Singles(known_log(tmp_path), name="singles", entropy=entropy())
    rows = [row("a"), row("b", track="nobody"), row("a"), row("a", units=9), row("c", units=-1)]
    first, unknown, again, conflict, odd = singles._commit([json.dumps(one).encode() for one in rows])
    check_receipt(first, "a")
    assert again == first
    assert "not registered" in (unknown.refused or "")
    assert "with another body" in (conflict.refused or "")
    assert "negative" in (odd.refused or "")
    assert singles.take(line("a")).index == first.index
    assert "not JSON" in (singles.take(b"{").refused or "")
    for bad in (b"", b"{}\n{}", b"x" * (1 << 20) + b"x"):
        with pytest.raises(InputError, match="one event on one line"):
            singles.take(bad)


def test_a_crash_between_commit_and_acknowledgement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, callers believe a commit that nobody has answered for, or lose it, or double it."""
    log = known_log(tmp_path)
    size = log.head().size
    singles = Singles(log, name="singles", entropy=entropy())
    names = [f"e-{i}" for i in range(THREADS)]

    def fail(_held: AnchorLock, _signed: bytes) -> None:
        raise TransientError("the anchor's disk is gone")

    with monkeypatch.context() as patched, ThreadPoolExecutor(THREADS) as pool:
        patched.setattr(AnchorLock, "advance", fail)
        heard = [one.exception() for one in [pool.submit(singles.take, line(name)) for name in names]]
    assert {(type(one), str(one)) for one in heard} == {(TransientError, "the anchor's disk is gone")}
    assert content(log.anchor.read() or b"").size == size
    found = by_many(Singles(log_in(tmp_path), name="singles", entropy=entropy()), names)
    for name, answered in zip(names, found, strict=True):
        check_receipt(answered, name)
    assert len(events(log)) == len(names)
    assert fsck(log).ok
