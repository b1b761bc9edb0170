"""The anchor: forward only, whole or not at all, one holder at a time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from ledger.errors import TransientError, VerificationError
from ledger.log.anchor import FileAnchor
from ledger.proofs import checkpoint
from tests.ledger.logs import KEY, ORIGIN


def signed(size: int, root: bytes = b"\1" * 32, origin: str = ORIGIN) -> bytes:
    return checkpoint.sign(origin, size, root, KEY)


def move(anchor: FileAnchor, to: bytes) -> None:
    with anchor.held() as held:
        held.advance(to)


def test_it_holds_the_signed_checkpoint(tmp_path: Path) -> None:
    """If this fails, an anchor cannot be checked by anyone else."""
    anchor = FileAnchor(tmp_path / "a")
    assert anchor.read() is None
    move(anchor, signed(5))
    assert anchor.read() == signed(5)
    assert [place.name for place in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (signed(4), "will not move"),
        (signed(5, b"\2" * 32), "will not move"),
        (signed(6, origin="example.org/other"), "belongs to log"),
        (b"nonsense", "note"),
    ],
)
def test_it_moves_neither_back_nor_sideways(tmp_path: Path, new: bytes, reason: str) -> None:
    """If this fails, a rollback or a fork is anchored."""
    anchor = FileAnchor(tmp_path / "a")
    move(anchor, signed(5))
    with pytest.raises(VerificationError, match=reason):
        move(anchor, new)
    assert anchor.read() == signed(5)
    move(anchor, signed(5))
    move(anchor, signed(6, b"\2" * 32))


def test_it_is_synced_before_it_is_answered_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a power cut after the acknowledgement loses the anchor."""
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def syncing(descriptor: int) -> None:
        calls.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))  # noqa: PTH115, PTH119
        fsync(descriptor)

    def replacing(place: Path, target: Path) -> Path:
        calls.append("replace")
        return replace(place, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", replacing)
    move(FileAnchor(tmp_path / "a"), signed(5))
    written, *after = calls
    assert written.startswith(".a."), "synced under another name than it gets"
    assert after == ["replace", tmp_path.name]


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """If this fails, two writers can sign from the same size."""
    anchor = FileAnchor(tmp_path / "a")
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with anchor.held() as held:
            order.append("second")
            held.advance(signed(7))

    with anchor.held() as held:
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait()
        held.advance(signed(6))
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert anchor.read() == signed(7)


def test_a_folder_that_is_not_there_is_a_passing_fault(tmp_path: Path) -> None:
    """If this fails, an unmounted volume looks like a new log."""
    with pytest.raises(TransientError), FileAnchor(tmp_path / "gone" / "a").held():
        pass
