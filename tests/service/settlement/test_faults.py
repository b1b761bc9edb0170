"""Crashes at every step of close, run, approve, publish and pay; and two operators at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import ConflictError
from ledger.log import anchor
from ledger.log.append import Log
from service.settlement import life, paying
from service.settlement.step import read_book
from service.workspace import Workspace
from tests.service.month import Month, asked, month

CRASHED = 77
POOL = {"period": "2026-06", "pool": "1000.00", "currency": "EUR", "rule": "pro-rata"}


def the_run(ws: Workspace) -> str:
    return next(iter(read_book(ws).runs))


STEPS: dict[str, Callable[[Workspace], object]] = {
    "close": lambda ws: life.close(ws, "2026-06"),
    "run": lambda ws: life.run(ws, asked()),
    "approve": lambda ws: life.approve(ws, the_run(ws), "approver"),
    "publish": lambda ws: life.publish(ws, the_run(ws)),
    "pay": lambda ws: paying.pay(ws, the_run(ws), "file"),
}


def die(*_: object, **__: object) -> None:
    os._exit(CRASHED)


def before_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Log, "commit", die)


def inside_the_transaction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Log, "_write", die)


def before_the_anchor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(anchor.AnchorLock, "advance", die)


def before_the_answer(patch: pytest.MonkeyPatch) -> None:
    commit = Log.commit
    patch.setattr(Log, "commit", lambda *args, **kwargs: die(commit(*args, **kwargs)))


def before_the_file(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "replace", die)


def in_a_child(home: Path, month_: Month, step: str, fault: Callable[[pytest.MonkeyPatch], None]) -> int:
    """Run one step in a process of its own that dies at the fault; its exit status."""
    month_.ws.log.close()
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:
            ws = Workspace.open(home, clock=lambda: month_.now)
            fault(patch)
            STEPS[step](ws)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    month_.ws = month_.reopened()
    return os.waitstatus_to_exitcode(status)


FAULTS = (before_commit, inside_the_transaction, before_the_anchor, before_the_answer)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_crash_at_every_step_then_resume(tmp_path: Path, fault: Callable[[pytest.MonkeyPatch], None]) -> None:
    """If this fails, a power cut during settlement loses a step, takes it twice, or leaves it half done."""
    june = month(tmp_path / "home")
    for step, again in STEPS.items():
        assert in_a_child(june.home, june, step, fault) == CRASHED, step
        again(june.ws)
        again(june.ws)
    book = read_book(june.ws)
    assert not book.voids
    run = the_run(june.ws)
    counts = (len(book.closes), len(book.runs), len(book.approvals[run]), len(book.published), len(book.batches[run]))
    assert counts == (1, 1, 1, 1, 1)
    paid = paying.pay(june.ws, run, "file")
    assert paid.paid_micros == 630_000_000
    assert Path(paid.files[0]).read_text().count("\n") == 5


def test_a_crash_before_the_payment_file_is_in_place(tmp_path: Path) -> None:
    """If this fails, a payment batch can be in the ledger with no file, or half a file, for the bank."""
    june = month(tmp_path / "home")
    for step in ("close", "run", "approve", "publish"):
        STEPS[step](june.ws)
    assert in_a_child(june.home, june, "pay", before_the_file) == CRASHED
    assert not list((june.home / "payments").glob("*.csv"))
    paid = paying.pay(june.ws, the_run(june.ws), "file")
    assert (paid.already, paid.batches) == (True, 1)
    assert "360.00" in Path(paid.files[0]).read_text()


def test_two_operators_publish_different_runs(tmp_path: Path) -> None:
    """If this fails, two runs of one period and pool can both be published."""
    june = month(tmp_path / "home")
    life.close(june.ws, "2026-06")
    runs = [life.run(june.ws, asked(pool=pool)).run for pool in ("1000.00", "2000.00")]
    for run in runs:
        life.approve(june.ws, run, "approver")
    outcomes: list[object] = []
    barrier = threading.Barrier(2)

    def publish(run: str) -> None:
        ws = june.reopened()
        barrier.wait()
        try:
            outcomes.append(life.publish(ws, run))
        except ConflictError as told:
            outcomes.append(told)

    operators = [threading.Thread(target=publish, args=(run,)) for run in runs]
    for one in operators:
        one.start()
    for one in operators:
        one.join()
    assert sum(isinstance(one, ConflictError) for one in outcomes) == 1
    book = read_book(june.ws)
    assert len(book.published) == 1
    assert not book.voids


def act(
    june: Month, step: Callable[[Workspace], object], barrier: threading.Barrier, failures: list[BaseException]
) -> None:
    """One operator, at the same moment as the others."""
    ws = june.reopened()
    barrier.wait()
    try:
        step(ws)
    except BaseException as failure:  # noqa: BLE001  handed to the asserting thread
        failures.append(failure)


def test_two_operators_take_every_step_at_once(tmp_path: Path) -> None:
    """If this fails, two operators doing the same thing at the same moment do it twice."""
    june = month(tmp_path / "home")
    for step in STEPS.values():
        failures: list[BaseException] = []
        barrier = threading.Barrier(3)

        operators = [threading.Thread(target=act, args=(june, step, barrier, failures)) for _ in range(3)]
        for one in operators:
            one.start()
        for one in operators:
            one.join()
        assert not failures
    book = read_book(june.ws)
    assert not book.voids
    assert [len(batches) for batches in book.batches.values()] == [1]
    assert (len(book.closes), len(book.runs), len(book.published)) == (1, 1, 1)
