"""Every fault at every step of sealing a segment, whether what it interrupted was kept or not.

In every row: no index is ever in two segments or in none, what is left of the attempt is not in the
way, and sealing again ends with segments that lead back to the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import TransientError
from ledger.log.append import Log
from ledger.log.fsck import fsck
from ledger.segments import files
from ledger.segments import seal as sealing
from ledger.segments.check import check_tree, read_back, verify_segments
from ledger.segments.manifest import manifests
from ledger.segments.seal import seal
from tests.faults.injected import Faults, cases
from tests.ledger.logs import event, log_in, note

FILES = ("first file", "last file", "read back", "compare with the tree")
LOG = ("hold anchor", "lock", "entries", "tiles", "checkpoint", "manifest", "commit", "write anchor")


def install(faults: Faults, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """Faults in the order in which a segment reaches the disk."""
    write = files.write

    def writing(path: Path, rows: Any) -> None:
        step = "first file" if path.parts[-3].startswith("period=") else "last file"
        faults.around(step if "leaves" not in path.parts else "other", lambda: write(path, rows))

    def around(step: str, action: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: faults.around(step, lambda: action(*given))

    monkeypatch.setattr(files, "write", writing)
    monkeypatch.setattr(sealing, "read_back", around("read back", read_back))
    monkeypatch.setattr(sealing, "check_tree", around("compare with the tree", check_tree))
    faults.install(monkeypatch, log)


@pytest.mark.parametrize(("step", "persisted"), cases((*FILES, *LOG)))
def test_a_fault_while_sealing_a_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, persisted: bool
) -> None:
    """If this fails, some crash while sealing loses, doubles or half-keeps a stretch of the log."""
    log, folder = log_in(tmp_path), tmp_path / "segments"
    log.append([note(), *(event(f"e-{i}", track=f"trk-{i % 30}") for i in range(60))])
    size = log.head().size
    seal(log, folder, stop=20, span=20)
    faults = Faults(step, persisted=persisted)
    with monkeypatch.context() as patched:
        install(faults, patched, log)
        with pytest.raises(TransientError, match="injected"):
            seal(log, folder, stop=size, span=size)
    assert faults.fired
    kept = (step, persisted) in {("commit", True), ("write anchor", False), ("write anchor", True)}
    again = log_in(tmp_path)  # as a fresh process finds it
    assert fsck(again).ok
    assert [one.stop for one in manifests(again)] == ([20, size] if kept else [20])
    assert seal(again, folder, stop=size).segments == (0 if kept else 1)
    assert [(one.start, one.stop) for one in manifests(again)] == [(0, 20), (20, size)]
    assert verify_segments(again, folder, manifests(again)).leaves == size
    named = {folder / file.path for one in manifests(again) for file in one.files}
    assert {path for path in folder.rglob("*") if path.is_file()} == named
    again.append([note()])
    assert again.anchor.read() == again.checkpoint()
    again.close()
    log.close()
