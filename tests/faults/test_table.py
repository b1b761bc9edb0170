"""Every fault at every step of an append and of a seal, whether what it interrupted was kept or not.

A row of the table is a step, and whether the fault came before the step took effect or after it. In
every row: nothing is acknowledged that is not there, the log opens again, the same batch can be sent
again, and in the end every event stands there once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import TransientError
from ledger.log.fsck import fsck
from tests.faults.injected import Faults, cases
from tests.ledger.ingest.streams import events, known_log, lines, row, take
from tests.ledger.logs import log_in

STEPS = ("hold anchor", "lock", "entries", "ids", "salts", "tiles", "checkpoint", "commit", "write anchor")


def sound(folder: Path, expected: int) -> None:
    """A fresh process finds a good log with this many events, each once."""
    log = log_in(folder)
    found = fsck(log)
    assert found.ok, found.problems
    assert len({(e["source"], e["event_id"]) for e in events(log)}) == len(events(log)) == expected
    log.close()


@pytest.mark.parametrize(("step", "persisted"), cases(STEPS))
def test_a_fault_during_an_append(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, persisted: bool) -> None:
    """If this fails, some crash in the middle of an append loses, doubles or half-keeps a batch."""
    log = known_log(tmp_path)
    take(log, lines(*(row(f"a-{i}") for i in range(10))))
    batch = lines(*(row(f"b-{i}", listener=f"u-{i}") for i in range(300)))
    faults = Faults(step, persisted=persisted)
    with monkeypatch.context() as patched:
        faults.install(patched, log)
        with pytest.raises(TransientError, match="injected"):
            take(log, batch)
    assert faults.fired
    kept = (step, persisted) in {("commit", True), ("write anchor", False), ("write anchor", True)}
    sound(tmp_path, 310 if kept else 10)
    counts = take(log, batch)  # the same process sends it again
    assert (counts.accepted, counts.duplicates) == ((0, 300) if kept else (300, 0))
    sound(tmp_path, 310)
    take(log, lines(row("c")))
    sound(tmp_path, 311)
    anchored = log.anchor.read()
    assert anchored == log.checkpoint()


@pytest.mark.parametrize(("step", "persisted"), [one for one in cases(STEPS) if one.values[0] not in ("ids", "salts")])
def test_a_fault_during_a_seal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, persisted: bool) -> None:
    """If this fails, a crash while sealing leaves a seal that commits to nothing."""
    log = known_log(tmp_path)
    faults = Faults(step, persisted=persisted)
    with monkeypatch.context() as patched:
        faults.install(patched, log)
        with pytest.raises(TransientError, match="injected"):
            log.seal()
    sound(tmp_path, 0)
    log.seal()
    sound(tmp_path, 0)
