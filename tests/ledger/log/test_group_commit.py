"""Group commit: who shares a commit with whom, and what each caller hears."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ledger.errors import StateError, TransientError
from ledger.log.group_commit import Gather, OverloadedError
from tests.support import until


class Slow:
    """A commit that holds until it is let go, and remembers its groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.entered, self.let_go = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        self.entered.set()
        assert self.let_go.wait(30)
        if -1 in items:
            raise StateError("no")
        return [item * 2 for item in items]


def start(pool: ThreadPoolExecutor, gather: Gather[int, int], items: Sequence[int]) -> list[Future[int]]:
    """Callers that arrive in this order."""
    started = []
    for item in items:
        waiting = len(gather._queue)
        started.append(pool.submit(gather, item))
        until(lambda before=waiting: len(gather._queue) == before + 1)  # type: ignore[misc]
    return started


def test_who_comes_during_a_commit_shares_the_next() -> None:
    """If this fails, every caller pays for a commit of their own, or gets another's answer."""
    slow = Slow()
    gather = Gather(slow, group_max=3)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(gather, 0)
        assert slow.entered.wait(30)
        later = start(pool, gather, [1, 2, 3, 4, 5])
        slow.let_go.set()
        assert [one.result(30) for one in [first, *later]] == [0, 2, 4, 6, 8, 10]
    assert slow.groups == [[0], [1, 2, 3], [4, 5]]
    assert gather(7) == 14


def test_a_failure_reaches_everyone_it_concerns_and_nobody_else() -> None:
    """If this fails, a caller takes a commit that failed for one that was made, or hears of somebody else's."""
    slow = Slow()
    gather = Gather(slow, group_max=2)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(gather, 0)
        assert slow.entered.wait(30)
        second, third, fourth = start(pool, gather, [1, -1, 3])
        slow.let_go.set()
        assert (first.result(30), fourth.result(30)) == (0, 6)
        for one in (second, third):
            with pytest.raises(StateError, match="no"):
                one.result(30)
        assert second.exception() is not third.exception()


def test_beyond_the_bound_callers_are_refused() -> None:
    """If this fails, a disk that stalls fills the memory with waiting callers."""
    slow = Slow()
    gather = Gather(slow, waiting_max=2)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(gather, 0)
        assert slow.entered.wait(30)
        later = start(pool, gather, [1, 2])
        with pytest.raises(TransientError, match=r"2 callers wait .* nothing was kept"):
            gather(3)
        slow.let_go.set()
        assert [one.result(30) for one in [first, *later]] == [0, 2, 4]
    assert gather(3) == 6


def test_a_leader_that_is_stopped_leaves_nobody_waiting() -> None:
    """If this fails, Ctrl-C in one thread hangs all others, or lets them believe they were answered."""
    entered, let_go = threading.Event(), threading.Event()

    def commit(items: Sequence[int]) -> list[int]:
        if not entered.is_set():
            entered.set()
            assert let_go.wait(30)
            return list(items)
        raise KeyboardInterrupt

    gather = Gather(commit)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(gather, 0)
        assert entered.wait(30)
        leader, other = start(pool, gather, [1, 2])
        let_go.set()
        assert first.result(30) == 0
        assert isinstance(leader.exception(30), KeyboardInterrupt)
        with pytest.raises(TransientError, match="interrupted; send it again"):
            other.result(30)


def test_an_answer_for_each() -> None:
    """If this fails, a commit that lost an item answers somebody with another's answer."""
    gather: Gather[int, int] = Gather(lambda _: [])
    with pytest.raises(ValueError, match="zip"):
        gather(1)


class Particular(Exception):  # noqa: N818  named as a library might
    """An exception that cannot be copied: its constructor wants more than it keeps."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")


def test_a_failure_that_cannot_be_copied_is_a_failure() -> None:
    """If this fails, a caller whose commit failed is answered as if it had been made."""
    entered, let_go = threading.Event(), threading.Event()

    def commit(items: Sequence[int]) -> list[int]:
        if not entered.is_set():
            entered.set()
            assert let_go.wait(30)
            return list(items)
        raise Particular(code=7)

    gather = Gather(commit)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(gather, 0)
        assert entered.wait(30)
        later = start(pool, gather, [1, 2])
        let_go.set()
        assert first.result(30) == 0
        for one in later:
            with pytest.raises(TransientError, match="Particular: code 7"):
                one.result(30)


def test_a_caller_that_stops_waiting_holds_nobody_up() -> None:
    """If this fails, Ctrl-C while one caller waits its turn leaves everybody behind it waiting for ever."""
    slow = Slow()
    gather = Gather(slow)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(gather, 0)
        assert slow.entered.wait(30)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                gather(1)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        (later,) = start(pool, gather, [2])
        slow.let_go.set()
        assert (first.result(30), later.result(30)) == (0, 4)
    assert slow.groups == [[0], [2]]


def test_weights_bound_a_group_and_what_waits() -> None:
    """If this fails, one commit takes as many events as many callers bring, or a heavy caller is never let in."""
    slow = Slow()
    gather = Gather(slow, group_max=5, waiting_max=9, weigh=lambda item: item)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(gather, 7)  # heavier than a group: it goes alone
        assert slow.entered.wait(30)
        later = start(pool, gather, [2, 3, 4])
        assert gather.waiting == 9
        with pytest.raises(OverloadedError):
            gather(1)
        slow.let_go.set()
        assert [one.result(30) for one in [first, *later]] == [14, 4, 6, 8]
    assert (slow.groups, gather.waiting) == ([[7], [2, 3], [4]], 0)
