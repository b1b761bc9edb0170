"""Every fault at every step of witnessing a checkpoint, on both sides, whether what it interrupted was kept or not.

In every row: a cosignature counts only if the witness remembers what it cosigned and the log holds the
line; nothing the fault left behind keeps the next request from being cosigned; a fork finds no gap.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import StateError, TransientError
from ledger.log.append import Log
from ledger.proofs import checkpoint, policy
from ledger.proofs.note import Vkey
from ledger.proofs.policy import Policy
from ledger.proofs.witness import CosignAnswer, CosignRequest
from service.witness import asking
from service.witness.asking import ask, base, checkpoint_with
from service.witness.server import DATABASE, Witness
from tests.faults.injected import Faults, cases
from tests.ledger.logs import KEY, ORIGIN, TickingClock, log_in, note

WITNESS = ("its lock", "its memory", "its commit")
LOG = ("the request", "the answer", "keep the line")


class Connection(sqlite3.Connection):
    """A witness's database on which one step fails, as SQLite would say it."""

    faults: Faults

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        step = {"BEGIN": "its lock", "INSERT": "its memory", "COMMIT": "its commit"}.get(
            statement.split(maxsplit=1)[0], "other"
        )

        def run() -> sqlite3.Cursor:
            return super(Connection, self).execute(statement, *values)

        try:
            found: sqlite3.Cursor = self.faults.around(step, run)
        except TransientError as problem:
            raise sqlite3.OperationalError(str(problem)) from None
        return found


def install(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, keep = sqlite3.connect, asking._keep
    monkeypatch.setattr(Connection, "faults", faults, raising=False)
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Connection, **k))
    monkeypatch.setattr(asking, "_keep", lambda *a: faults.around("keep the line", lambda: keep(*a)))


def through(witness: Witness, faults: Faults) -> Callable[[str, bytes], CosignAnswer]:
    """The witness with a network in between, which loses the request (not kept) or the answer (kept)."""

    def send(_: str, body: bytes) -> CosignAnswer:
        faults.around("the request", lambda: None)
        answer = witness.add_checkpoint(body)
        faults.around("the answer", lambda: None)
        return answer

    return send


def held(witness: Witness) -> list[int]:
    return [seen.size for seen in witness.store.seen()]


def scene(folder: Path) -> tuple[Log, Witness, Policy]:
    """A log of which its witness has cosigned the first entry, and which has grown since."""
    log = log_in(folder)
    witness = Witness.create(folder / "w", "witness.example/w1", None, TickingClock())
    witness.know(Vkey(ORIGIN, KEY.public))
    wanted = policy.parse(f"witness w1 {witness.vkey} https://w1.example\nquorum w1\n".encode())
    assert ask(log, wanted, send=lambda _, body: witness.add_checkpoint(body)).quorum
    log.append([note("more")])
    return log, witness, wanted


@pytest.mark.parametrize(("step", "persisted"), cases((*WITNESS, *LOG)))
def test_a_fault_while_witnessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, persisted: bool) -> None:
    """If this fails, some crash makes a cosignature count that its witness forgot, or blocks all that follow."""
    log, witness, wanted = scene(tmp_path)
    faults = Faults(step, persisted=persisted)
    with monkeypatch.context() as patched:
        install(faults, patched)
        try:
            asked = ask(log, wanted, send=through(witness, faults))
        except TransientError:
            assert step == "keep the line"
        else:
            assert (asked.quorum, asked.alarming) == (False, False)
            assert [one.outcome for one in asked.witnesses] == ["unreachable"]
    assert faults.fired
    remembered = step in ("the answer", "keep the line") or (step == "its commit" and persisted)
    assert held(witness) == [2 if remembered else 1]
    counted = step == "keep the line" and persisted
    assert base(log, wanted).size == (2 if counted else 1)
    assert (checkpoint_with(log) == log.checkpoint()) == (not counted)

    fork = checkpoint.sign(ORIGIN, 2, b"\x01" * 32, KEY)
    reached = held(witness)[0]
    assert witness.add_checkpoint(CosignRequest(old=reached, proof=(), checkpoint=fork).encode()).status == 422
    assert ask(log, wanted, send=through(witness, faults)).quorum
    assert held(witness) == [base(log, wanted).size] == [log.head().size]
    with closing(sqlite3.connect(witness.folder / DATABASE)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    log.close()


def test_without_a_kept_line_nothing_rests_on_it(tmp_path: Path) -> None:
    """If this fails, the table above compares with a state that any log is in."""
    log, _, wanted = scene(tmp_path)
    log.append([note("newer")])
    with pytest.raises(StateError, match="newer than the last witnessed"):
        base(log, wanted).placed(2)
    log.close()
